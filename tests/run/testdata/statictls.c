// A program whose libraries need a lot of static TLS (initial-exec), as none of ld.so's surplus could hold: what the
// process began with must not show that.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

extern char *static_one(void), *static_two(void);

static void *look(void *arg) {
	char *one = static_one(), *two = static_two();
	int zero = 1;
	for (int i = 8; i < 20000; i++)
		zero &= one[i] == 0;
	printf("%s %.8s %.8s %d\n", (char *)arg, one, two, zero);
	memset(one, 'x', 20000);
	return NULL;
}

extern char **environ;

int main(int argc, char **argv) {
	pthread_t id;
	pthread_create(&id, NULL, look, "thread");
	pthread_join(id, NULL);
	look("main");
	sigset_t blocked;
	struct sigaction pipe, usr, hup;
	struct rlimit files;
	sigprocmask(SIG_BLOCK, NULL, &blocked);
	sigaction(SIGPIPE, NULL, &pipe);
	sigaction(SIGUSR1, NULL, &usr);
	sigaction(SIGHUP, NULL, &hup);
	getrlimit(RLIMIT_NOFILE, &files);
	printf("ignored %d %d %d blocked %d files %d\n", pipe.sa_handler == SIG_IGN, usr.sa_handler == SIG_IGN, hup.sa_handler == SIG_IGN, sigismember(&blocked, SIGUSR2), (int)files.rlim_cur);
	for (int i = 0; i < argc; i++)
		printf("%s\n", argv[i]);
	for (char **e = environ; *e; e++)
		if (strncmp(*e, "WELD", 4) == 0)
			puts(*e);
	char name[100];
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof name, "/proc/self/fd/%d", i);
		if (i < 3 || access(name, F_OK) == 0)
			printf("%d %d\n", i, access(name, F_OK) == 0);
	}
	return 0;
}
