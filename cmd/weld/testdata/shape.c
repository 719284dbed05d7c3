// A library with functions of many types, for the tests of --hook trace.
#include "shape.h"
#include <stdarg.h>
#include <stddef.h>
int shape_add(int a, long b) { return a + b; }
double shape_scale(struct point p, float by) { return p.x * p.y * by; }
struct big shape_big(long first, struct big b) {
	b.a[0] = first;
	return b;
}
enum colour shape_colour(enum colour c, bool ok, char letter, small n) { return ok && letter == 'q' && n == 65535 ? GREEN : c; }
const char *shape_name(const char *s, void *p) { return p ? s : NULL; }
int shape_many(int a, int b, int c, int d, int e, int f, long g, char h, double x) { return a + b + c + d + e + f + g + h + x; }
int shape_sum(int n, ...) {
	va_list args;
	va_start(args, n);
	int sum = 0;
	for (int i = 0; i < n; i++)
		sum += va_arg(args, int);
	va_end(args);
	return sum;
}
void shape_nothing(void) {}
long double shape_long(long double x) { return x / 2; }
int shape_twice(int (*f)(int, long), int x) { return f(f(x, 1), 1); }
