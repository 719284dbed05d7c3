// Handlers on small stacks of their own, on the first thread and on another, that ask the run-time linker for something.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { size = 16 << 10, guard = 64 << 10 };

static void handler(int sig) {
	(void)sig;
	void *frames[8];
	int n = backtrace(frames, 8);
	void *lib = dlopen("libz.so.1", RTLD_NOW);
	const char *text = n > 0 && lib ? "found\n" : "not found\n";
	if (write(1, text, strlen(text)) < 0)
		_exit(9);
}

static void *run(void *arg) {
	char *p = mmap(NULL, guard + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(p, guard, PROT_NONE);
	stack_t stack = {.ss_sp = p + guard, .ss_size = size};
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
	if (sigaltstack(&stack, NULL) || sigaction(SIGUSR1, &sa, NULL))
		perror("sigaltstack");
	pthread_kill(pthread_self(), SIGUSR1);
	return arg;
}

int main(void) {
	pthread_t id;
	pthread_create(&id, NULL, run, NULL);
	pthread_join(id, NULL);
	run(NULL);
	puts("end");
	return 0;
}
