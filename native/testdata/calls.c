/* One function for each class of signature, and what the tests of callbacks and threads call. */
#define _GNU_SOURCE
#include <errno.h>
#include <fenv.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void nothing(void) {}
int32_t add32(int32_t a, int32_t b) { return a + b; }
int64_t six(int64_t a, int64_t b, int64_t c, int64_t d, int64_t e, int64_t f) {
	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f;
}
int64_t nine(int64_t a, int64_t b, int64_t c, int64_t d, int64_t e, int64_t f, int64_t g, int8_t h, int32_t i) {
	return six(a, b, c, d, e, f) + 7 * g + 8 * h + 9 * i;
}
double floats8(double a, double b, double c, double d, double e, double f, double g, double h) {
	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h;
}
double floats11(double a, double b, double c, double d, double e, double f, double g, double h, double i, float j,
                double k) {
	return floats8(a, b, c, d, e, f, g, h) + 9 * i + 10 * j + 11 * k;
}
double mixed(int32_t a, double b, uint8_t c, float d, int64_t e, double f) { return a + b + c + d + e + f; }
float half(float x) { return x / 2; }
_Bool not(_Bool x) { return !x; }
int8_t neg8(int8_t x) { return -x; }
uint16_t inc16(uint16_t x) { return x + 1; }

struct small { int32_t a; float b; double c; };
struct big { int64_t v[5]; double w; };
struct pair { double x, y; };
struct small small_in_out(struct small s, int32_t k) { return (struct small){s.a * k, s.b * k, s.c * k}; }
struct big big_in_out(struct big b, int64_t k) {
	for (int i = 0; i < 5; i++)
		b.v[i] *= k;
	b.w *= k;
	return b;
}
struct pair swap(struct pair p) { return (struct pair){p.y, p.x}; }
double _Complex times_i(double _Complex z) { return z * (double _Complex)(1.0i); }

size_t length(const char *s) { return strlen(s); }
size_t lengths(const char *a, const char *b, const char *c) { return strlen(a) + 1000 * strlen(b) + 1000000 * strlen(c); }
int64_t sum(const int32_t *v, size_t n) {
	int64_t s = 0;
	for (size_t i = 0; i < n; i++)
		s += v[i];
	return s;
}
const char *greeting(void) { return "hello from C"; }
int64_t six_pointers(int64_t *a, int64_t *b, int64_t *c, int64_t *d, int64_t *e, int64_t *f) {
	return *a + *b + *c + *d + *e + *f;
}
int64_t pointers8(int64_t *a, int64_t *b, int64_t *c, int64_t *d, int64_t *e, int64_t *f, int64_t *g, int64_t *h) {
	return six_pointers(a, b, c, d, e, f) + *g + *h;
}
double sum_all(const char *kinds, ...) {
	va_list ap;
	double s = 0;
	va_start(ap, kinds);
	for (; *kinds; kinds++)
		switch (*kinds) {
		case 'i': s += va_arg(ap, int); break;
		case 'l': s += va_arg(ap, long); break;
		case 'd': s += va_arg(ap, double); break;
		case 's': s += strlen(va_arg(ap, char *)); break;
		}
	va_end(ap);
	return s;
}
int32_t fail_with(int32_t e) { errno = e; return -1; }
void only_errno(int32_t e) { errno = e; }
double float_errno(double x, int32_t e) { errno = e; return x; }

/* Registers that C functions may leave in any state: all vector registers, and the upper parts of results. */
int32_t dirty(int32_t x) {
	__asm__ volatile("pcmpeqd %%xmm0, %%xmm0; movdqa %%xmm0, %%xmm1; movdqa %%xmm0, %%xmm8; movdqa %%xmm0, %%xmm14;"
	                 "movdqa %%xmm0, %%xmm15" ::: "xmm0", "xmm1", "xmm8", "xmm14", "xmm15");
	return x;
}

int set_round_up(void) { return fesetround(FE_UPWARD); }
int get_round(void) { return fegetround(); }
int set_round_nearest(void) { return fesetround(FE_TONEAREST); }

/* Callbacks. */
typedef int64_t (*int_fn)(int64_t);
int64_t call_back(int_fn f, int64_t x) { return f(x) + 1; }
int64_t call_back_upward(int_fn f, int64_t x)
{
	fesetround(FE_UPWARD);
	x = f(x);
	int mode = fegetround();
	fesetround(FE_TONEAREST);
	return x + mode;
}
int64_t repeat(int32_t n, int32_t (*f)(int32_t)) {
	int64_t s = 0;
	for (int32_t i = 0; i < n; i++)
		s += f(i);
	return s;
}
/* What callee-saved registers and the stack keep over a callback. */
int64_t keeps(int_fn f) {
	volatile int64_t canary[16];
	int64_t a = 1, b = 2, c = 3, d = 4, e = 5;
	for (int i = 0; i < 16; i++)
		canary[i] = i * 0x0101010101010101;
	__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e));
	for (int n = 0; n < 10; n++)
		a += f(n), b += a, c += b, d += c, e += d;
	for (int i = 0; i < 16; i++)
		if (canary[i] != i * 0x0101010101010101)
			return -1;
	return e;
}
typedef double (*mixed_fn)(int32_t, double, float, int8_t, const char *, int64_t, int64_t, int64_t, int64_t, uint16_t,
                           double, double, double, double, double, double, double, _Bool);
double call_mixed(mixed_fn f) {
	return f(-1, 2.5, 3.5f, -4, "five", 6, 7, 8, 9, 65535, 10, 11, 12, 13, 14, 15, 16.5, 1);
}
typedef struct big (*big_fn)(struct big, struct small, int32_t);
double call_big(big_fn f) {
	struct big b = {{1, 2, 3, 4, 5}, 6};
	struct big r = f(b, (struct small){7, 8, 9}, 10);
	return r.v[0] + r.v[4] + r.w;
}
struct big big_through(int_fn f, int64_t x, struct big b) {
	b.v[4] += f(x);
	return b;
}
struct huge { int64_t v[250]; };
typedef struct huge (*huge_fn)(struct huge);
int64_t call_huge(huge_fn f) {
	struct huge h;
	for (int i = 0; i < 250; i++)
		h.v[i] = i;
	h = f(h);
	int64_t s = 0;
	for (int i = 0; i < 250; i++)
		s += h.v[i];
	return s;
}
typedef float (*float_fn)(float);
float call_float(float_fn f, float x) { return f(x) * 2; }
int32_t call_errno(int32_t (*f)(int32_t), int32_t x) {
	errno = 0;
	int32_t r = f(x);
	return r * 1000 + errno;
}

/* Threads. */
uintptr_t self(void) { return (uintptr_t)pthread_self(); }
static __thread int64_t counter;
int64_t count(void) { return ++counter; }
/* The thread as a callback and a call nested in it see it. */
int32_t same_thread(int_fn f) {
	pthread_t t = pthread_self();
	int64_t before = count();
	int64_t in = f((int64_t)before);
	return pthread_equal(t, pthread_self()) && count() == in + 1;
}
void sleep_ms(int32_t ms) {
	struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
	while (nanosleep(&t, &t) && errno == EINTR)
		;
}
void spin_us(int32_t us) {
	struct timespec a, b;
	clock_gettime(CLOCK_MONOTONIC, &a);
	do
		clock_gettime(CLOCK_MONOTONIC, &b);
	while ((b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000 < us);
}
/* start routines */
void *run_callback(void *f) { return (void *)((int_fn)f)(41); }
void *crash(void *p) { return (void *)(intptr_t)*(volatile int *)p; }
static pthread_key_t key;
static int_fn at_end;
static void ended(void *v) { at_end((int64_t)v); }
int32_t make_key(int_fn f) { at_end = f; return pthread_key_create(&key, ended); }
void *with_key(void *v) { pthread_setspecific(key, v); return v; }

/* Faults. */
int32_t peek(const int32_t *p) { return *p; }
int32_t overflow(int32_t n) {
	volatile char big[4096];
	big[0] = (char)n;
	return n == -1 ? 0 : overflow(n + 1) + big[0];
}
int32_t divide(int32_t a, int32_t b) { return a / b; }
void undefined(void) { __asm__ volatile("ud2"); }
