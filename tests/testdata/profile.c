// What tests/profile_test.go takes profiles of.
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <time.h>

volatile uint64_t sink;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

__attribute__((noinline)) static void burn(void)
{
	for (int i = 0; i < 100000; i++)
		sink += i * i;
}

// Processor time of the calling thread, in milliseconds. It is static: only .symtab names it.
__attribute__((noinline)) static int inner(int ms)
{
	double end = now() + ms * 1e-3;
	int n = 0;
	for (; now() < end; n++)
		burn();
	return n;
}

int spin(int ms) { return inner(ms) + 1; }

int spin_errno(int ms)
{
	errno = 123;
	inner(ms);
	return errno;
}

int spin_calling(int (*f)(int), int n, int ms)
{
	int sum = inner(ms);
	for (int i = 0; i < n; i++)
		sum += f(i);
	return sum + inner(ms);
}

int call_back(int (*f)(int), int n)
{
	int sum = 0;
	for (int i = 0; i < n; i++)
		sum += f(i);
	return sum;
}

static void *body(void *p) { return (void *)(intptr_t)inner((int)(intptr_t)p); }

int spin_thread(int ms)
{
	pthread_t t;
	void *r;
	int e = pthread_create(&t, 0, body, (void *)(intptr_t)ms);
	return e ? e : pthread_join(t, &r);
}
