/* Built with musl-gcc: what the C library of the name does. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static __thread int local = 11;
static char text[256];
const char *format(long v) { snprintf(text, sizeof text, "%ld %s %.3f", v, getenv("PATH") ? "PATH" : "-", v / 3.0); return text; }
int fail(void) { return close(-1); }
static void *run(void *arg) { (void)arg; local += 5; return (void *)(long)local; }
long in_thread(void)
{
	pthread_t t;
	void *v;
	if (pthread_create(&t, 0, run, 0) || pthread_join(t, &v))
		return -1;
	return (long)v * 100 + local;
}
static int by_go(const void *a, const void *b);
static int (*order)(const void *, const void *);
static int by_go(const void *a, const void *b) { return order(a, b); }
void sort(int *v, long n, int (*f)(const void *, const void *)) { order = f; qsort(v, n, sizeof *v, by_go); }

/* Destructors of a thread's data, which are called again while they set values, use the thread's variables and call back. */
static pthread_key_t first, last;
static __thread int counted = 100;
static int (*each)(int);
static int rounds, sum;
static void at_end(void *key)
{
	sum += each(++counted);
	if (++rounds < 5)
		pthread_setspecific(*(pthread_key_t *)key, key);
}
static void *ends(void *arg)
{
	pthread_setspecific(first, &first);
	pthread_setspecific(last, &last);
	counted += 10;
	return arg;
}
int thread_ends(int (*f)(int))
{
	pthread_t t;
	each = f;
	rounds = sum = 0;
	if (pthread_create(&t, 0, ends, 0) || pthread_join(t, 0))
		return -1;
	return sum;
}
__attribute__((constructor)) static void make_first(void) { pthread_key_create(&first, at_end); }
void make_last(void) { pthread_key_create(&last, at_end); }
