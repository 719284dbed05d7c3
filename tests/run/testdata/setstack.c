// Threads on stacks that the program has made itself, the smallest ones too.
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static __thread int own = 5;
static char *stack;
static size_t size;

static void *run(void *arg) {
	char text[200];
	snprintf(text, sizeof text, "%s %d %.3f", (char *)arg, own, 1.5);
	own = 6;
	printf("%s inside %d\n", text, text > stack && text < stack + size);
	return arg;
}

static void *deep(void *arg) {
	volatile char a[4096];
	memset((void *)a, 1, sizeof a);
	return a[100] == 1 ? run(arg) : NULL;
}

int main(void) {
	size_t sizes[] = {PTHREAD_STACK_MIN, 20 << 10, 32 << 10, 64 << 10, 1 << 20};
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		size = sizes[i];
		// A page that may not be touched lies below.
		stack = (char *)mmap(NULL, size + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + 4096;
		mprotect(stack - 4096, 4096, PROT_NONE);
		pthread_attr_t a;
		pthread_attr_init(&a);
		pthread_t id;
		int set = pthread_attr_setstack(&a, stack, size), made = pthread_create(&id, &a, deep, "thread");
		void *r = NULL;
		if (!made)
			pthread_join(id, &r);
		printf("%zu: %d %d %d\n", size, set, made, r != NULL);
		pthread_attr_init(&a);
		set = pthread_attr_setstacksize(&a, size), made = pthread_create(&id, &a, run, "sized");
		if (!made)
			pthread_join(id, &r);
		printf("%zu: %d %d %d\n", size, set, made, r != NULL);
	}
	return 0;
}
