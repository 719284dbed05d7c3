// Constants of 4, 8, 16 and 32 bytes in mergeable sections.
// parts: MAIN OTHER
// cflags: -O2 | -O2 -fno-pie -mavx2
// link: no-pie | static | pie --gc-sections
// norun: -fno-pie+pie
#ifdef MAIN
#include <stdio.h>
double other(double), scale(double);
float single(float x) { return x * 1.5f + 0.1f; }
typedef int v4 __attribute__((vector_size(16)));
volatile v4 v = {1, 2, 3, 4};
int main(void) { v4 w = v * (v4){5, 6, 7, 8}; printf("%g %g %g %d\n", other(2), scale(3), single(4), w[3]); return 0; }
double scale(double x) { return x * 3.25 + 1e300 / 1e299; }
#else
double other(double x) { return x * 3.25 - 0.1; }
#endif
