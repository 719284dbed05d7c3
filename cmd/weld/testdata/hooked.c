// A program that calls what the tests of --hook step in at. It says on standard output what it sees itself.
#define _GNU_SOURCE
#include "shape.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void types(void) {
	struct point p = {3, 0.5};
	struct big b = {{1, 2, 3, 4, 5}};
	char text[200];
	int n = shape_add(-1, 1L << 40);
	double d = shape_scale(p, 2.5f);
	b = shape_big(-9, b);
	n += shape_colour(RED, true, 'q', 65535);
	n += strlen(shape_name("a \"quoted\"\tline\n\001\xff and \xc3\xa9", &p));
	n += shape_name("none", NULL) == NULL;
	memset(text, 'x', 100);
	text[100] = 0;
	shape_name(text, text);
	n += shape_many(1, 2, 3, 4, 5, 6, 7, 8, 9.75);
	n += shape_sum(10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
	shape_nothing();
	long double l = shape_long(3.0L);
	n += shape_twice(shape_add, 5);
	snprintf(text, sizeof text, "%s %d %5.2f %c %lu %%", "text", -7, 1.5, '!', 1UL << 40);
	puts(text);
	errno = 0;
	int fd = open("/no/such/file", O_RDONLY);
	printf("%d %s\n", fd, strerror(errno));
	fflush(stdout);
	printf("%d %g %ld %g\n", n, d, b.a[0] + b.a[4], (double)l);
}

static void fails(void) {
	for (int i = 0; i < 4; i++) {
		errno = 0;
		int fd = open("/dev/null", O_RDWR | O_CREAT, 0600);
		printf("open %d %d\n", fd < 0 ? fd : 0, errno);
		if (fd >= 0)
			close(fd);
	}
	errno = 0;
	FILE *f = fopen("/dev/null", "r");
	printf("fopen %d %d\n", f != NULL, errno);
	errno = 0;
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	printf("lock %d", pthread_mutex_lock(&m));
	printf(" %d\n", errno);
	printf("scale %g\n", shape_scale((struct point){2, 2}, 2));
	printf("sum %d\n", shape_sum(9, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

static volatile sig_atomic_t caught;
static void handler(int sig) {
	caught++;
	getppid();
}

static void *thread(void *arg) {
	for (int i = 0; i < 20000; i++)
		getppid();
	return NULL;
}

// Calls getppid 80,000 times in threads, once for each signal that is caught, and in a child.
static void counts(const char *how) {
	struct sigaction act = {.sa_handler = handler};
	sigaction(SIGUSR1, &act, NULL);
	pthread_t t[4];
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, thread, NULL);
	for (int i = 0; i < 1000; i++)
		kill(getpid(), SIGUSR1);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	if (fork() == 0) {
		getppid();
		exit(0);
	}
	wait(NULL);
	printf("%d\n", 80000 + (int)caught);
	fflush(stdout);
	if (!strcmp(how, "_exit"))
		_exit(3);
	if (!strcmp(how, "thread")) {
		pthread_t t;
		pthread_create(&t, NULL, (void *(*)(void *))exit, (void *)4);
		pause();
	}
}

static jmp_buf env;
static int jumps(int a, long b) { longjmp(env, a + b); }

static void *in_thread(void *arg) {
	shape_add(100, 1);
	if (fork() == 0) {
		shape_add(200, 1);
		_exit(0);
	}
	wait(NULL);
	shape_add(300, 1);
	return NULL;
}

static void paths(void) {
	int r = setjmp(env);
	if (r == 0)
		shape_twice(jumps, 6);
	printf("jumped %d\n", r);
	fflush(stdout);
	if (fork() == 0) {
		shape_add(0, getpid());
		exit(0);
	}
	wait(NULL);
}

// The child of a thread has no Go.
static void threads(void) {
	pthread_t t;
	pthread_create(&t, NULL, in_thread, NULL);
	pthread_join(t, NULL);
}

int main(int argc, char **argv) {
	const char *what = argv[1];
	if (!strcmp(what, "types"))
		types();
	if (!strcmp(what, "fails"))
		fails();
	if (!strcmp(what, "counts"))
		counts(argv[2]);
	if (!strcmp(what, "paths"))
		paths();
	if (!strcmp(what, "threads"))
		threads();
	return 5;
}
