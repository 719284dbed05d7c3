// Calls through the GOT, relaxed where the function is near.
// parts: MAIN OTHER
// cflags: -O2 -fno-plt | -O2 -fno-plt -fno-pie | -O2 -fPIC -fno-plt
// link: pie | no-pie | static | pie --no-relax
// norun: -fno-pie+pie
#ifdef MAIN
#include <stdio.h>
int other(int);
extern int data;
int main(void) { int r = other(2); printf("%d %d\n", r, data); return other(3) == 0; }
#else
int data = 6;
int other(int x) { return x + data; }
#endif
