// malloc of the program is malloc of the C library.
// link: pie | no-pie | pie -z now
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
static char heap[1 << 20];
static size_t used;
static int calls;
void *malloc(size_t n) { calls++; used = (used + 15) & ~(size_t)15; void *p = heap + used; used += n; return p; }
void free(void *p) {}
void *calloc(size_t n, size_t m) { return malloc(n * m); }
void *realloc(void *p, size_t n) { return malloc(n); }
char *strdup(const char *);
int main(void) { int before = calls; char *s = strdup("x"); printf("%d\n", calls > before && s >= heap && s < heap + sizeof heap); return 0; }
