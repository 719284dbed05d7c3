// What sigaction and its kin say that a signal's handler is, and which one runs: when they fail, when there are many
// different handlers, and while another thread changes them.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static volatile int got;
static volatile sig_atomic_t wrong, stop;

static void first(int sig) { got = sig; }
static void second(int sig) { got = -sig; }
static void third(int sig) { got = 1000 + sig; }

static void info(int sig, siginfo_t *i, void *context) {
	got = 2000 + sig;
	wrong += !i || i->si_signo != sig || !context;
}

static const char *name(void *f) {
	if (f == (void *)first)
		return "first";
	if (f == (void *)second)
		return "second";
	if (f == (void *)third)
		return "third";
	if (f == (void *)info)
		return "info";
	if (f == (void *)SIG_DFL)
		return "default";
	if (f == (void *)SIG_IGN)
		return "ignored";
	if (f == (void *)SIG_HOLD)
		return "held";
	return f == (void *)SIG_ERR ? "error" : "unknown";
}

static void set(int sig, void *f, int flags) {
	struct sigaction a = {.sa_handler = f, .sa_flags = flags}, old;
	memset(&old, 0, sizeof old);
	errno = 0;
	int r = sigaction(sig, &a, &old);
	printf("sigaction %d %s: %d %d, was %s\n", sig, name(f), r, errno, r ? "" : name((void *)old.sa_handler));
}

static void look(int sig) {
	struct sigaction old;
	int r = sigaction(sig, NULL, &old);
	printf("%d is %d %s\n", sig, r, r ? "" : name((void *)old.sa_handler));
}

// The handlers of other: both know who they are by their flags.
static void plain(int sig) { (void)sig; }

static void *other(void *arg) {
	struct sigaction with = {.sa_sigaction = info, .sa_flags = SA_SIGINFO}, without = {.sa_handler = plain};
	while (!stop) {
		sigaction(SIGUSR2, &with, NULL);
		sigaction(SIGUSR2, &without, NULL);
	}
	return arg;
}

enum { many = 300 };
static unsigned char code[many][16] __attribute__((aligned(4096)));

int main(void) {
	set(SIGUSR1, first, 0);
	set(SIGKILL, second, 0);
	set(0, second, 0);
	set(65, second, 0);
	set(-7, second, 0);
	set(32, second, 0);
	look(SIGUSR1);
	look(SIGKILL);
	raise(SIGUSR1);
	printf("got %d\n", got);
	set(SIGUSR1, info, SA_SIGINFO);
	raise(SIGUSR1);
	printf("got %d wrong %d\n", got, (int)wrong);
	printf("signal %s\n", name(signal(SIGUSR1, third)));
	printf("signal %s\n", name(signal(SIGSTOP, first)));
	raise(SIGUSR1);
	printf("got %d\n", got);
	printf("signal %s\n", name(signal(SIGUSR1, SIG_IGN)));
	printf("signal %s\n", name(sysv_signal(SIGUSR1, first)));
	raise(SIGUSR1);
	printf("got %d\n", got);
	printf("sysv_signal %s\n", name(sysv_signal(SIGUSR1, second)));
	printf("sigset %s\n", name(sigset(SIGUSR1, SIG_HOLD)));
	printf("sigset %s\n", name(sigset(SIGUSR1, SIG_DFL)));

	// A function of its own each: movabs $&got, %rax; movl $i, (%rax); ret.
	mprotect(code, sizeof code, PROT_READ | PROT_WRITE | PROT_EXEC);
	int bad = 0;
	for (int i = 0; i < many; i++) {
		volatile int *p = &got;
		unsigned char *c = code[i];
		memcpy(c, "\x48\xb8", 2);
		memcpy(c + 2, &p, 8);
		c[10] = 0xc6, c[11] = 0, c[12] = i, c[13] = 0xc3;
		struct sigaction a = {.sa_handler = (void *)c}, old;
		bad += sigaction(SIGUSR1, &a, &old) != 0 || old.sa_handler != (i ? (void *)code[i - 1] : SIG_DFL);
		got = 0;
		raise(SIGUSR1);
		bad += got != (i & 255);
		a.sa_handler = second;
		bad += sigaction(SIGKILL, &a, NULL) != -1 || sigaction(SIGUSR1, NULL, &old) != 0 || old.sa_handler != (void *)c;
	}
	printf("many %d\n", bad);

	pthread_t id;
	struct sigaction begin = {.sa_handler = plain};
	sigaction(SIGUSR2, &begin, NULL);
	pthread_create(&id, NULL, other, NULL);
	for (int i = 0; i < 20000; i++)
		raise(SIGUSR2);
	stop = 1;
	pthread_join(id, NULL);
	printf("wrong %d\n", (int)wrong);
	return 0;
}
