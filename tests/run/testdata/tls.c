// Local-exec thread-local storage of the program, aligned and with destructors of keys.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
static __thread int initialised = 42;
static __thread char zeroed[5000];
static __thread struct { long v; } aligned __attribute__((aligned(64))) = {7};
static pthread_key_t key;
static void gone(void *p) { printf("destructor %ld\n", (long)p); }
static int fresh(void)
{
	int ok = initialised == 42 && aligned.v == 7 && (uintptr_t)&aligned % 64 == 0;
	for (unsigned i = 0; i < sizeof zeroed; i++) ok &= zeroed[i] == 0;
	return ok;
}
static void *work(void *p)
{
	long ok = fresh();
	initialised = (long)p; aligned.v = 1; memset(zeroed, 1, sizeof zeroed);
	pthread_setspecific(key, p);
	return (void *)ok;
}
int main(void)
{
	pthread_key_create(&key, gone);
	printf("main %d\n", fresh());
	for (long i = 1; i <= 20; i++) {
		pthread_t t; void *ok;
		pthread_create(&t, 0, work, (void *)i); pthread_join(t, &ok);
		if (!ok) printf("thread %ld is not fresh\n", i);
	}
	printf("main %d after\n", fresh());
	return 0;
}
