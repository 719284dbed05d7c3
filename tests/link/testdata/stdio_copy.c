// stdout as data of the C library, referred to directly.
// cflags: -O1 -fno-pie | -O1 -fPIC
// link: no-pie | static | pie
// norun: -fno-pie+pie
#include <stdio.h>
FILE **volatile pointer = &stdout;
int main(void) { fprintf(stdout, "%d\n", *pointer == stdout); return 0; }
