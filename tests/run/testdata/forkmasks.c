// A program whose threads all block the signals that it waits for with sigwait: no other kernel thread of the process may
// have them open, however many the run-time linker needs to answer threads that keep it busy.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { threads = 24 };

static volatile int stop, open_threads;

// look counts the kernel threads that have one of the signals open.
static void *look(void *arg) {
	while (!stop) {
		DIR *tasks = opendir("/proc/self/task");
		int n = 0;
		for (struct dirent *e; (e = readdir(tasks));) {
			char path[300], line[200];
			if (e->d_name[0] == '.')
				continue;
			snprintf(path, sizeof path, "/proc/self/task/%s/status", e->d_name);
			FILE *f = fopen(path, "r");
			unsigned long blocked, want = *(unsigned long *)arg;
			while (f && fgets(line, sizeof line, f))
				if (sscanf(line, "SigBlk: %lx", &blocked) == 1)
					n += blocked != 0 && (blocked & want) != want; // one that ends has none
			if (f)
				fclose(f);
		}
		closedir(tasks);
		if (n > open_threads)
			open_threads = n;
		usleep(500);
	}
	return NULL;
}

// work opens a library whose initialiser sleeps, so that each thread keeps one of the linker's.
static void *work(void *arg) {
	char name[40];
	snprintf(name, sizeof name, "libsleeps%d.so", (int)(long)arg);
	for (int i = 0; i < 3; i++) {
		void *h = dlopen(name, RTLD_NOW);
		if (!h)
			return dlerror();
		dlclose(h);
	}
	return NULL;
}

int main(void) {
	sigset_t set;
	unsigned long bits = 0;
	int sigs[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGCHLD, SIGPROF, SIGUSR1, SIGALRM};
	sigemptyset(&set);
	for (unsigned i = 0; i < sizeof sigs / sizeof *sigs; i++) {
		sigaddset(&set, sigs[i]);
		bits |= 1UL << (sigs[i] - 1);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	pthread_t looker, id[threads];
	pthread_create(&looker, NULL, look, &bits);
	for (long i = 0; i < threads; i++)
		pthread_create(&id[i], NULL, work, (void *)i);
	for (int i = 0; i < threads; i++) {
		void *error;
		pthread_join(id[i], &error);
		if (error)
			puts(error);
	}
	stop = 1;
	pthread_join(looker, NULL);
	for (int i = 0; i < 20; i++) {
		kill(getpid(), sigs[i % 4]);
		int got = 0;
		if (sigwait(&set, &got) != 0 || got != sigs[i % 4])
			printf("signal %d\n", got);
	}
	printf("threads with signals open %d\n", open_threads);
	return 0;
}
