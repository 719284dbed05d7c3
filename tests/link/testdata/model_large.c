// The large model: 64-bit relocations, of fixed address and relative to the GOT.
// cflags: -O1 -mcmodel=large -fno-pie | -O1 -mcmodel=large -fPIC
// link: no-pie | static | pie
// norun: -fno-pie+pie
#include <stdio.h>
int data = 4, zero;
static int local(int x) { return x + data; }
int (*volatile pointer)(int) = local;
int main(void) { printf("%d %d\n", pointer(3), zero); return 0; }
