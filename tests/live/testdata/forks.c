/* A process forks while it has generated code, changes that code and what it reads, and the child goes on with what it had. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "weld/dlbind.h"

static void *jit;
static const char *how;

static int fail(const char *what)
{
	const char *why = dlerror();
	printf("%s: %s\n", what, why ? why : "no reason");
	fflush(stdout);
	return 1;
}

/* Code that returns a number. */
static void returning(unsigned char *code, int n)
{
	static const unsigned char bytes[] = {0x55, 0x48, 0x89, 0xe5, 0xb8, 0, 0, 0, 0, 0x5d, 0xc3};
	memcpy(code, bytes, sizeof bytes);
	memcpy(code + 5, &n, 4);
}
enum { SIZE = 11 };

static int (*make(const char *name, int n))(void)
{
	unsigned char code[SIZE];
	void *at;

	returning(code, n);
	if (!(at = dlalloc(jit, SIZE, SHF_EXECINSTR)) || dlwrite(jit, at, code, SIZE) || !dlbind(jit, name, at, SIZE, STT_FUNC) || dlcommit(jit))
		return fail(name), NULL;
	return (int (*)(void))at;
}

struct state {
	int (*first)(void), (*second)(void);
	const int *constant;
	int *variable, *untouched;
	int go[2], done[2];
};

/* What the child has to say once the parent has changed all. */
static void child(struct state *s)
{
	unsigned char code[SIZE];
	char c, text[300];
	Dl_info info;
	void *own;
	int n;

	close(s->go[1]);
	if (read(s->go[0], &c, 1) != 1)
		_exit(2);
	n = snprintf(text, sizeof text, "child: %d %d %d %d %d", s->first(), s->second(), *s->constant, *s->variable, *s->untouched);
	*s->variable = 77;
	if (strcmp(how, "main") == 0) {
		returning(code, 9);
		n += snprintf(text + n, sizeof text - n, " %s %d", dladdr((void *)s->first, &info) ? info.dli_sname : "?", dlsym(jit, "late") != NULL);
		dlerror();
		n += snprintf(text + n, sizeof text - n, " %d", dlwrite(jit, (void *)s->first, code, SIZE));
		n += snprintf(text + n, sizeof text - n, " %d", strstr(dlerror(), "forked") != NULL);
		n += snprintf(text + n, sizeof text - n, " %d %d %d", dlalloc(jit, 8, 0) == NULL, dlcommit(jit), dlunbind(jit, "first"));
		own = dlcreate("own");
		jit = own;
		n += snprintf(text + n, sizeof text - n, " %d", make("own", 5) ? ((int (*)(void))dlsym(own, "own"))() : -1);
		n += snprintf(text + n, sizeof text - n, " %d", dldelete(own));
	} else {
		n += snprintf(text + n, sizeof text - n, " %d %d", dlalloc(jit, 8, 0) == NULL, dlcommit(jit));
	}
	text[n++] = '\n';
	if (write(1, text, n) != n)
		_exit(3);
	_exit(0);
}

static int forks(void)
{
	struct state s;
	unsigned char code[SIZE];
	int status, v = 10;
	pid_t pid;

	if (!(jit = dlcreate("forks")) || !(s.first = make("first", 1)) || !(s.second = make("second", 2)))
		return fail("dlcreate");
	if (!(s.constant = dlalloc(jit, sizeof v, 0)) || !(s.variable = dlalloc(jit, sizeof v, SHF_WRITE)) ||
	    !(s.untouched = dlalloc(jit, 1 << 14, SHF_WRITE | DL_ALIGN(4096))))
		return fail("dlalloc");
	if (dlwrite(jit, (void *)s.constant, &v, sizeof v) || dlwrite(jit, s.variable, &v, sizeof v) || dlcommit(jit))
		return fail("dlwrite");
	if (pipe(s.go) || pipe(s.done))
		return 1;
	fflush(stdout);
	if ((pid = fork()) == 0)
		child(&s);
	if (pid < 0)
		return 1;
	/* In place, in what was freed, in tables, in values. */
	returning(code, 21);
	if (dlwrite(jit, (void *)s.first, code, SIZE) || dlfree_now(jit, (void *)s.second) || dlcommit(jit) || !make("late", 22))
		return fail("change");
	for (int i = 0; i < 2000; i++) {
		char name[16];
		snprintf(name, sizeof name, "more_%d", i);
		if (!dlbind(jit, name, (void *)s.first, SIZE, STT_FUNC))
			return fail("more");
	}
	v = 30;
	if (dlwrite(jit, (void *)s.constant, &v, sizeof v) || dlwrite(jit, s.variable, &v, sizeof v) || dlwrite(jit, s.untouched, &v, sizeof v) ||
	    dlcommit(jit))
		return fail("change");
	if (write(s.go[1], "", 1) != 1 || waitpid(pid, &status, 0) != pid)
		return 1;
	printf("parent: %d %d %d %d, child %d\n", s.first(), ((int (*)(void))dlsym(jit, "late"))(), *s.constant, *s.variable, status);
	return dldelete(jit) ? fail("dldelete") : 0;
}

static void *in_thread(void *unused)
{
	(void)unused;
	return (void *)(size_t)forks();
}

/* Threads go on making code while the process forks again and again. */
static void *busy(void *stop)
{
	char name[32];

	for (int i = 0; !__atomic_load_n((int *)stop, __ATOMIC_RELAXED); i++) {
		snprintf(name, sizeof name, "f_%lx_%d", (unsigned long)pthread_self(), i % 100);
		int (*f)(void) = make(name, i);
		if (!f || f() != i || dlunbind(jit, name) || dlfree_now(jit, (void *)f))
			return (void *)1;
	}
	return NULL;
}

static int storm(void)
{
	pthread_t t[3];
	int stop = 0, bad = 0;
	int (*f)(void);

	if (!(jit = dlcreate("storm")) || !(f = make("stays", 7)))
		return fail("dlcreate");
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, busy, &stop);
	for (int i = 0; i < 60; i++) {
		int status;
		pid_t pid = fork();
		if (pid == 0)
			_exit(f() == 7 && (strcmp(how, "storm") || dlsym(jit, "stays") == (void *)f) ? 0 : 1);
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
			bad++;
	}
	stop = 1;
	for (int i = 0; i < 3; i++) {
		void *r;
		pthread_join(t[i], &r);
		bad += r != NULL;
	}
	dlerror();
	printf("storm: %d\n", bad);
	return dldelete(jit) ? fail("dldelete") : 0;
}

/*
 * Threads fork while another makes the first object of all: some forks begin before there is one, and end when there is. If
 * the first thread forks as well, its children make objects too.
 */
static int go_on, made;

static void *forker(void *makes)
{
	size_t bad = 0;

	while (!__atomic_load_n(&made, __ATOMIC_RELAXED)) {
		int status;
		pid_t pid = fork();
		if (pid == 0) {
			void *own = NULL;
			alarm(60);
			if (makes && !(own = dlcreate("own")))
				_exit(1);
			_exit(own && dldelete(own) ? 2 : 0);
		}
		bad += pid < 0 || waitpid(pid, &status, 0) != pid || status;
		__atomic_store_n(&go_on, 1, __ATOMIC_RELAXED);
	}
	return (void *)bad;
}

static void *maker(void *unused)
{
	(void)unused;
	while (!__atomic_load_n(&go_on, __ATOMIC_RELAXED))
		usleep(10);
	usleep(getpid() * 77 % 2000); /* at any time of a fork */
	if ((jit = dlcreate("first")))
		make("stays", 7);
	usleep(20000);
	__atomic_store_n(&made, 1, __ATOMIC_RELAXED);
	return NULL;
}

static int first(void)
{
	pthread_t t[3];
	size_t bad = 0;
	void *r;

	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, i == 0 ? maker : forker, NULL);
	if (strcmp(how, "first main") == 0)
		bad = (size_t)forker("makes");
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], &r);
		bad += (size_t)r;
	}
	printf("first: %zu\n", bad);
	return !jit || dldelete(jit) ? fail("dlcreate") : 0;
}

int rpn_main(const char *what)
{
	pthread_t t;
	void *r;

	how = what;
	if (strcmp(what, "thread") == 0) {
		if (pthread_create(&t, NULL, in_thread, NULL))
			return 1;
		pthread_join(t, &r);
	} else if (strncmp(what, "first", 5) == 0) {
		r = (void *)(size_t)first();
	} else {
		r = (void *)(size_t)(strncmp(what, "storm", 5) ? forks() : storm());
	}
	fflush(stdout);
	return (int)(size_t)r;
}

int main(int argc, char **argv)
{
	return rpn_main(argc > 1 ? argv[1] : "main");
}
