/* A thousand functions for lazy.c to call. */
#include "lazy.h"

#define DEFINE(n) int bench_lazy_function_##n(int x) { return x + 1; }
EACH(DEFINE)
