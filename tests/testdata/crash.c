// What tests/crash_test.go ends with.
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

int call_back(int (*f)(int), int n) { return f(n) + 1; }

int wait_long(volatile int *go)
{
	while (!*go)
		;
	return 1;
}
