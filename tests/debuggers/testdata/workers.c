// Threads with names, which wait until they are let go.
#define _GNU_SOURCE
#include <pthread.h>

enum { WORKERS = 3 };

static pthread_t threads[WORKERS];
static pthread_barrier_t ready, go;

static void *worker(void *arg)
{
	pthread_barrier_wait(&ready);
	pthread_barrier_wait(&go);
	return arg;
}

int all_here(int n)
{
	return n;
}

int start_workers(int n)
{
	pthread_barrier_init(&ready, 0, WORKERS + 1);
	pthread_barrier_init(&go, 0, WORKERS + 1);
	for (long i = 0; i < WORKERS; i++) {
		char name[] = "worker-0";
		name[7] += i;
		pthread_create(&threads[i], 0, worker, (void *)i);
		pthread_setname_np(threads[i], name);
	}
	pthread_barrier_wait(&ready);
	int r = all_here(n);
	pthread_barrier_wait(&go);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], 0);
	return r;
}
