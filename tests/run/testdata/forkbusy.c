// Children that use the run-time linker, forked from the first thread while four others keep it busy: at any moment one
// of them is somewhere inside, and the child must not inherit what that has locked. The linker is also left alone for a
// while, and fork called from code that it calls itself. A child that hangs is killed and counted.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int stop, asleep;

static int count(struct dl_phdr_info *info, size_t size, void *data) {
	(void)info, (void)size;
	++*(int *)data;
	return 0;
}

static void *work(void *arg) {
	while (!stop) {
		int n = 0;
		Dl_info info;
		void *h;
		switch ((long)arg) {
		case 0:
			dl_iterate_phdr(count, &n);
			break;
		case 1:
			dladdr((void *)puts, &info);
			break;
		case 2:
			dlsym(RTLD_DEFAULT, "nowhere");
			dlerror();
			break;
		case 3:
			if ((h = dlopen("libforkone.so", RTLD_NOW)))
				dlclose(h);
		}
	}
	return NULL;
}

static void *sleeper(void *arg) {
	asleep = 1;
	void *h = dlopen("libforksleeps.so", RTLD_NOW);
	asleep = 0;
	return h ? NULL : arg;
}

// child is what the child does. It closes nothing: __cxa_finalize takes a lock that glibc does not renew.
static void child(void) {
	int n = 0;
	Dl_info info;
	if (!dlsym(RTLD_DEFAULT, "puts"))
		_exit(2);
	void *h = dlopen("libforkone.so", RTLD_NOW), *other = dlopen("libforktwo.so", RTLD_NOW);
	if (!h || !other || h == other)
		_exit(3);
	for (int i = 0; i < 50; i++) {
		dlsym(h, "nowhere");
		if (!dlerror())
			_exit(4);
	}
	if (!dladdr(dlsym(other, "count"), &info))
		_exit(5);
	dl_iterate_phdr(count, &n);
	_exit(n < 3 ? 6 : 0);
}

// good forks a child and reports whether it ends well, within a minute.
static int good(void) {
	pid_t p = fork();
	if (p == 0)
		child();
	for (int ms = 0; ms < 60000;) {
		int status;
		if (waitpid(p, &status, WNOHANG) == p) {
			if (status)
				printf("child: %#x\n", status);
			return status == 0;
		}
		usleep(ms++ ? 1000 : 200);
	}
	printf("child %d hangs\n", (int)p);
	kill(p, SIGKILL);
	waitpid(p, NULL, 0);
	return 0;
}

static int inside(struct dl_phdr_info *info, size_t size, void *data) {
	(void)info, (void)size;
	*(int *)data += good();
	return *(int *)data;
}

int main(int argc, char **argv) {
	int n = argc > 1 ? atoi(argv[1]) : 300, sum = 0;
	pthread_t id[4], s;
	for (long i = 0; i < 4; i++)
		pthread_create(&id[i], NULL, work, (void *)i);
	for (int i = 0; i < n; i++)
		sum += good();
	stop = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(id[i], NULL);
	printf("children %d of %d\n", sum, n);

	sum = 0;
	dl_iterate_phdr(inside, &sum);
	printf("of a callback %d\n", sum);

	// While an initialiser sleeps nobody is inside: fork does not wait for it.
	pthread_create(&s, NULL, sleeper, &s);
	while (access("asleep", F_OK))
		usleep(100);
	sum = good();
	printf("while an initialiser sleeps %d %d\n", sum, asleep);
	close(open("wake", O_CREAT | O_WRONLY, 0600));
	void *failed;
	pthread_join(s, &failed);
	printf("it ends %d\n", !failed);
	return 0;
}
