// A library whose initialiser takes the process for what it is: it installs handlers, blocks a signal, raises one, makes
// a thread and a child.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void handler(int sig) {
	(void)sig;
	if (write(1, "handled\n", 8) != 8)
		_exit(9);
}

static int blocked(int sig) {
	sigset_t set;
	pthread_sigmask(SIG_BLOCK, NULL, &set);
	return sigismember(&set, sig);
}

static void *thread(void *arg) {
	printf("thread: blocked %d\n", blocked(SIGTERM));
	return arg;
}

__attribute__((constructor)) static void initialise(void) {
	struct sigaction sa = {.sa_handler = handler};
	sigaction(SIGUSR1, &sa, NULL);
	signal(SIGHUP, SIG_IGN);
	printf("initialiser: blocked %d\n", blocked(SIGTERM));
	fflush(stdout);
	raise(SIGUSR1);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
	sigaltstack(&stack, NULL);
	pthread_t id;
	pthread_create(&id, NULL, thread, NULL);
	pthread_join(id, NULL);
	fflush(stdout);
	if (fork() == 0) {
		printf("child: blocked %d\n", blocked(SIGTERM));
		exit(0);
	}
	wait(NULL);
}

int initialised = 1;
