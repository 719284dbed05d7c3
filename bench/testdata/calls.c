/* What the call and callback measures call. The same source is the shared object that weld and purego load and a
   part of the worker built with cgo. */
#include "calls.h"

#include <stdlib.h>
#include <string.h>

int32_t bench_add(int32_t a, int32_t b) { return a + b; }

double bench_mul_add(double a, double b, double c) { return a * b + c; }

size_t bench_length(const char *s) { return strlen(s); }

int64_t bench_repeat(int32_t n, int32_t (*f)(int32_t)) {
  int64_t sum = 0;
  for (int32_t i = 0; i < n; i++)
    sum += f(i);
  return sum;
}

void bench_sort(int32_t *v, size_t n, int32_t (*compare)(int32_t *, int32_t *)) {
  qsort(v, n, sizeof *v, (int (*)(const void *, const void *))compare);
}
