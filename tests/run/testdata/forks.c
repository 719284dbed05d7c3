// Children that use the run-time linker, forked while other threads wait in line for its locks, and with a handler that
// uses it too.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int stop;

static int count(struct dl_phdr_info *info, size_t size, void *data) {
	(void)info, (void)size;
	++*(int *)data;
	return 0;
}

static void handler(int sig) {
	(void)sig;
	Dl_info info;
	dladdr((void *)puts, &info);
}

static void *work(void *arg) {
	while (!stop) {
		int n = 0;
		Dl_info info;
		dl_iterate_phdr(count, &n);
		dladdr((void *)puts, &info);
		dlsym(RTLD_DEFAULT, "nowhere");
		dlerror();
	}
	return arg;
}

int main(void) {
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
	sigaction(SIGALRM, &sa, NULL);
	struct itimerval every = {{0, 1000}, {0, 1000}};
	setitimer(ITIMER_REAL, &every, NULL);
	pthread_t id[4];
	for (int i = 0; i < 4; i++)
		pthread_create(&id[i], NULL, work, NULL);
	int good = 0;
	for (int i = 0; i < 40; i++) {
		pid_t p = fork();
		if (p == 0) {
			int n = 0;
			for (int j = 0; j < 20; j++) {
				dlsym(RTLD_DEFAULT, "nowhere");
				dlerror();
			}
			dl_iterate_phdr(count, &n);
			_exit(n < 2 || !dlsym(RTLD_DEFAULT, "puts"));
		}
		int status;
		while (waitpid(p, &status, 0) < 0)
			;
		good += status == 0;
	}
	stop = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(id[i], NULL);
	printf("children %d\n", good);
	return 0;
}
