// What the tests of Interpose call: a library that uses the C library.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int hook_open(const char *path) {
	int fd = open(path, O_RDONLY);
	int e = errno;
	if (fd >= 0)
		close(fd);
	errno = e;
	return fd;
}

int hook_errno(const char *path) {
	errno = 0;
	hook_open(path);
	return errno;
}

int hook_create(const char *path, int mode) {
	int fd = open(path, O_CREAT | O_WRONLY | O_EXCL, mode);
	if (fd >= 0)
		close(fd);
	return fd;
}

double hook_pow(double x, double y) { return pow(x, y); }

static int (*opener)(const char *, int, ...) = open; // an R_X86_64_64 or GLOB_DAT
int hook_open_by_pointer(const char *path) {
	int fd = opener(path, O_RDONLY);
	if (fd >= 0)
		close(fd);
	return fd;
}

int hook_open_by_dlsym(const char *path, int next) {
	int (*f)(const char *, int, ...) = dlsym(next ? RTLD_NEXT : RTLD_DEFAULT, "open");
	int fd = f(path, O_RDONLY);
	if (fd >= 0)
		close(fd);
	return fd;
}

void *hook_alloc(size_t n) {
	char *volatile p = malloc(n);
	memset(p, 1, n);
	free(p);
	return p;
}

static void *thread(void *path) { return (void *)(long)hook_open(path); }

int hook_open_in_thread(const char *path) {
	pthread_t t;
	void *r;
	if (pthread_create(&t, 0, thread, (void *)path))
		return -2;
	pthread_join(t, &r);
	return (int)(long)r;
}

static void *forks(void *path) {
	pid_t pid = fork();
	if (pid == 0)
		_exit(hook_open(path) >= 0 ? 7 : 8);
	int status = 0;
	waitpid(pid, &status, 0);
	return (void *)(long)WEXITSTATUS(status);
}

// In a child that has no Go.
int hook_open_in_child(const char *path) {
	pthread_t t;
	void *r;
	if (pthread_create(&t, 0, forks, (void *)path))
		return -2;
	pthread_join(t, &r);
	return (int)(long)r;
}

int hook_format(char *buf, size_t n, const char *format, ...) {
	va_list args;
	va_start(args, format);
	int r = vsnprintf(buf, n, format, args);
	va_end(args);
	return r;
}

int hook_many(int a, int b, int c, int d, int e, int f, long g, long h, double x) {
	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + (int)x;
}
int hook_call_many(void) { return hook_many(1, 2, 3, 4, 5, 6, 7, 8, 9.5); }
