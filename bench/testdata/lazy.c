/* One function that calls a thousand others, each through its own PLT slot. */
#include "lazy.h"

#define DECLARE(n) int bench_lazy_function_##n(int);
EACH(DECLARE)

#define CALL(n) x = bench_lazy_function_##n(x);
int bench_lazy_all(int x) {
  EACH(CALL)
  return x;
}
