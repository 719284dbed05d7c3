#ifndef WELD_BENCH_CALLS_H
#define WELD_BENCH_CALLS_H

#include <stddef.h>
#include <stdint.h>

int32_t bench_add(int32_t a, int32_t b);
double bench_mul_add(double a, double b, double c);
size_t bench_length(const char *s);

/* Calls f with 0 .. n-1 and returns the sum of its results. */
int64_t bench_repeat(int32_t n, int32_t (*f)(int32_t));

/* Sorts v with the C library's qsort. */
void bench_sort(int32_t *v, size_t n, int32_t (*compare)(int32_t *, int32_t *));

#endif
