// Half a gigabyte that is in no file.
// cflags: -O1 | -O1 -mcmodel=medium
// link: pie | no-pie | static
#include <stdio.h>
static char block[512 << 20];
int main(void) { block[sizeof block - 1] = 4; printf("%d\n", block[sizeof block - 1] + block[1]); return 0; }
