#include <complex.h>
#include <stdarg.h>
struct big { long a[5]; };
struct mixed { double d; long l; };
double doubles(double a, double b, double c, double d, double e, double f, double g, double h)
{
	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h;
}
long longs(long a, long b, long c, long d, long e, long f, long g, long h)
{
	return a + 10 * (b + 10 * (c + 10 * (d + 10 * (e + 10 * (f + 10 * (g + 10 * h))))));
}
int variadic(const char *kinds, ...)
{
	va_list args;
	double sum = 0;
	va_start(args, kinds);
	for (int i = 1; *kinds; kinds++, i++)
		sum += i * (*kinds == 'd' ? va_arg(args, double) : (double)va_arg(args, long));
	va_end(args);
	return (int)(sum * 10);
}
struct big by_memory(int n) { struct big b = {{n, n + 1, n + 2, n + 3, n + 4}}; return b; }
struct mixed by_two(double d, long l) { struct mixed m = {d * 2, l * 2}; return m; }
long double extended(long double x) { return x * 3; }
double complex cplx(double complex z) { return z * z; }
