// A program that defines malloc and its family: the C library allocates from it too.
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static _Alignas(64) char arena[64 << 20];
static atomic_size_t used, calls, frees;
static void *take(size_t n, size_t align)
{
	size_t at = atomic_fetch_add(&used, n + align + 16);
	if (at + n + align + 16 > sizeof arena) { errno = ENOMEM; return 0; }
	uintptr_t p = ((uintptr_t)arena + at + 16 + align - 1) & -align;
	((size_t *)p)[-1] = n; calls++;
	return (void *)p;
}
void *malloc(size_t n) { return take(n, 16); }
void free(void *p) { if (p) frees++; }
void *calloc(size_t a, size_t b) { void *p = take(a * b, 16); return p ? memset(p, 0, a * b) : p; }
void *realloc(void *p, size_t n) { void *q = take(n, 16); if (p && q) { size_t m = ((size_t *)p)[-1]; memcpy(q, p, m < n ? m : n); } return q; }
void *memalign(size_t a, size_t n) { return take(n, a); }
void *aligned_alloc(size_t a, size_t n) { return take(n, a); }
int posix_memalign(void **p, size_t a, size_t n) { *p = take(n, a); return *p ? 0 : ENOMEM; }
static int mine(void *p) { return (char *)p >= arena && (char *)p < arena + sizeof arena; }
int main(void)
{
	size_t before = calls;
	char *s = strdup("text"); char *line = 0; size_t n = 0;
	FILE *f = fopen("/proc/self/comm", "r"); getline(&line, &n, f); fclose(f);
	char *joined; asprintf(&joined, "%s %d", s, 42);
	printf("%s: strdup %d getline %d asprintf %d calls %d frees %d\n", joined, mine(s), mine(line), mine(joined), calls > before + 2, frees > 0);
	setenv("A_VARIABLE", "x", 1); printf("setenv %d\n", mine(getenv("A_VARIABLE")));
	return 0;
}
