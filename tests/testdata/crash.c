// What tests/crash_test.go ends with.
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

static volatile int zero;

__attribute__((noinline)) static void die_of(int how)
{
	switch (how) {
	case 0: abort();
	case 1: raise(SIGABRT); break;
	case 2: __asm__ volatile("int3"); break;
	case 3: __builtin_trap();
	case 4: raise(SIGFPE); break;
	case 5: *(volatile int *)16 = 1; break;
	case 6: zero = (how + 100) / zero; break;
	case 7: assert(how == 0); break;
	case 8: pthread_kill(pthread_self(), SIGABRT); break;
	}
	zero = 0;
}

__attribute__((noinline)) int crash_inside(int how)
{
	die_of(how);
	return zero + 1;
}

int crash(int how) { return crash_inside(how) + 1; }

static void *body(void *p)
{
	crash(*(int *)p);
	return 0;
}

int crash_thread(int how)
{
	pthread_t t;
	return pthread_create(&t, 0, body, &how) || pthread_join(t, 0);
}

// What raise returns, and what unlocking returns of a mutex that knows its owner.
int raise_owning(void)
{
	pthread_mutex_t m;
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&m, &a);
	int r = pthread_mutex_lock(&m);
	return r << 16 | raise(0) << 8 | pthread_mutex_unlock(&m);
}

int call_back(int (*f)(int), int n) { return f(n) + 1; }

int wait_long(volatile int *go)
{
	go[1] = 1;
	while (!*go)
		;
	return 1;
}
