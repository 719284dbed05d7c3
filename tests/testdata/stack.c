#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>

// Whether the caller is on the stack that the C library says it is on, and all of that can be read, as a conservative
// garbage collector does.
int on_my_stack(void)
{
	pthread_attr_t attr;
	void *lo;
	size_t size;
	volatile int here = 1;
	long sum = 0;

	if (pthread_getattr_np(pthread_self(), &attr) || pthread_attr_getstack(&attr, &lo, &size))
		return -1;
	pthread_attr_destroy(&attr);
	if ((char *)&here < (char *)lo || (char *)&here >= (char *)lo + size)
		return 0;
	for (volatile char *p = (char *)&here; p < (char *)lo + size; p++)
		sum += *p;
	return sum != 12345678;
}

static void *thread(void *unused)
{
	(void)unused;
	return (void *)(long)on_my_stack();
}

// The same in a thread of native code's own.
int on_their_stack(void)
{
	pthread_t t;
	void *r;

	if (pthread_create(&t, NULL, thread, NULL) || pthread_join(t, &r))
		return -1;
	return (int)(long)r;
}
