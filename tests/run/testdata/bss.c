// 32 MB of zeroes that are there, and a heap above them.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static char big[32 << 20]; static int initialised = 5; static char after[100];
int main(void)
{
	size_t ones = 0; for (size_t i = 0; i < sizeof big; i++) ones += big[i] != 0;
	memset(big, 1, sizeof big); for (size_t i = 0; i < sizeof after; i++) ones += after[i] != 0;
	char *b = sbrk(0), *c = sbrk(1 << 20); printf("%zu %d heap %d %d\n", ones, initialised, b == c, (char *)sbrk(0) == c + (1 << 20)); memset(c, 1, 1 << 20);
	char *p = malloc(300 << 20); memset(p, 2, 300 << 20); p = realloc(p, 400 << 20); printf("%d\n", p[299 << 20]); free(p);
	return 0;
}
