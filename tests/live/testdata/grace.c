/* A thread is in a generated function that is freed: is its space used again? */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "weld/dlbind.h"

static void *jit;
static const char *how;
static int inside[2], leave[2], passed[2], end[2];

static void die(const char *what)
{
	const char *why = dlerror();
	printf("%s: %s\n", what, why ? why : "no reason");
	fflush(stdout);
	_exit(1);
}

static void take(int *pipe)
{
	char c;
	if (read(pipe[0], &c, 1) != 1)
		die("read");
}

static void give(int *pipe)
{
	if (write(pipe[1], "", 1) != 1)
		die("write");
}

/* What the generated function calls. */
static long wait_inside(long n)
{
	give(inside);
	take(leave);
	return n;
}

/* push %rbp; mov %rsp,%rbp; mov %rdi,%rax; mov %rsi,%rdi; call *%rax; pop %rbp; ret */
static const unsigned char apply[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0xff, 0xd0, 0x5d, 0xc3};
typedef long applier(long (*)(long), long);

static __attribute__((noinline)) long call(void)
{
	return ((applier *)dlsym(jit, "apply"))(wait_inside, 1);
}

/* Nothing of what call and dlsym have left on the stack is there after this. */
static __attribute__((noinline)) void wipe(void)
{
	volatile char room[8192];
	memset((char *)room, 0, sizeof room);
}

static void *work(void *unused)
{
	long n = call();
	(void)unused;
	wipe();
	give(passed);
	take(leave);
	if (strcmp(how, "checkpoint") == 0)
		dlcheckpoint();
	if (strcmp(how, "ended") != 0) {
		give(passed);
		take(end);
	}
	return (void *)n;
}

/* Makes the function. Its address goes nowhere but into the result, in which nobody takes it for one. */
static __attribute__((noinline)) uintptr_t make(const char *name)
{
	void *at = dlalloc(jit, sizeof apply, SHF_EXECINSTR);
	if (!at || dlwrite(jit, at, apply, sizeof apply) || !dlbind(jit, name, at, sizeof apply, STT_FUNC | DL_REPLACE) || dlcommit(jit))
		die(name);
	return ~(uintptr_t)at;
}

static __attribute__((noinline)) void release(uintptr_t hidden)
{
	if (dlfree(jit, (void *)~hidden) || dlcommit(jit))
		die("dlfree");
}

/* Whether the space is used again within so many milliseconds. */
static int used_again(uintptr_t hidden, int patience)
{
	for (int i = 0; i < patience / 10; i++) {
		char name[32];
		snprintf(name, sizeof name, "other_%d", i);
		uintptr_t other = make(name);
		wipe();
		if (other == hidden)
			return 1;
		usleep(10000);
	}
	return 0;
}

int rpn_main(const char *what)
{
	pthread_t t;
	uintptr_t hidden;
	void *r;
	int again;

	how = what;
	if (pipe(inside) || pipe(leave) || pipe(passed) || pipe(end) || !(jit = dlcreate("grace")))
		die("dlcreate");
	hidden = make("apply");
	if (pthread_create(&t, NULL, work, NULL))
		die("pthread_create");
	take(inside);
	release(hidden);
	wipe();
	printf("held: %s\n", used_again(hidden, 600) ? "used again" : "not used again");
	give(leave);
	take(passed);
	give(leave);
	if (strcmp(how, "ended") == 0)
		pthread_join(t, &r);
	else
		take(passed);
	printf("called: 1\n");
	again = used_again(hidden, strcmp(how, "held") ? 5000 : 500);
	printf("%s: %s\n", how, again ? "used again" : "not used again");
	if (strcmp(how, "ended")) {
		give(end);
		pthread_join(t, &r);
	}
	if (r != (void *)1 || dldelete(jit))
		die("end");
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	return rpn_main(argc > 1 ? argv[1] : "checkpoint");
}
