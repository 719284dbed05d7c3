// Tentative definitions of several sizes are one, of the largest size and alignment.
// parts: MAIN OTHER
// cflags: -fcommon -O1 | -fcommon -fno-pie
// link: no-pie | static
#ifdef MAIN
#include <stdio.h>
#include <stdint.h>
char shared_block[4];
int initialised;
int *address(void);
int main(void) { printf("%d %d %d\n", address() == (int *)shared_block, (int)((uintptr_t)shared_block % 8), initialised); return 0; }
#else
long shared_block[8];
int initialised = 5;
int *address(void) { return (int *)shared_block; }
#endif
