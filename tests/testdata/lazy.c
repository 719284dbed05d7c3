/* First calls through the lazy binder with every kind of argument and result. */
#include <complex.h>
#include <stdarg.h>
struct big { long a[5]; };
struct mixed { double d; long l; };
double doubles(double a, double b, double c, double d, double e, double f, double g, double h);
long longs(long a, long b, long c, long d, long e, long f, long g, long h);
int variadic(const char *kinds, ...);
struct big by_memory(int n);
struct mixed by_two(double d, long l);
long double extended(long double x);
double complex cplx(double complex z);
double call_doubles(double a, double b, double c, double d, double e, double f, double g, double h)
{
	return doubles(a, b, c, d, e, f, g, h);
}
long call_longs(long a, long b, long c, long d, long e, long f) { return longs(a, b, c, d, e, f, 7, 8); }
long call_variadic(void) { return variadic("dldldldldldl", 1.5, 2L, 3.5, 4L, 5.5, 6L, 7.5, 8L, 9.5, 10L, 11.5, 12L); }
long call_by_memory(long n) { return by_memory(n).a[4]; }
double call_by_two(double a) { struct mixed m = by_two(a, 3); return m.d + m.l; }
double call_extended(double x) { return extended(x); }
double call_complex(double x) { return cimag(cplx(x + 2 * I)); }
