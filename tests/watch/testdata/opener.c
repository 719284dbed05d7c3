// Opens and closes libraries as it is told on standard input, and says where they are. Commands:
//   o PATH       open; prints "open INDEX l_addr l_ld l_name"
//   m PATH       the same in a new namespace
//   c INDEX      close
//   n N PATH     open, call and close N times; prints the sum of what the function value returned
//   t N PATH     the same in a thread
//   B PATH       open in a thread that blocks all signals
//   s            print "state" (does nothing else)
//   f            fork a child that opens nothing and exits; prints its exit status
//   x PROG ARGS  execute another program
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *handles[4096];
static int count;

static void opened(void *h)
{
	if (!h) {
		printf("error %s\n", dlerror());
		return;
	}
	struct link_map *l = 0;
	dlinfo(h, RTLD_DI_LINKMAP, &l);
	handles[count] = h;
	printf("open %d %#lx %#lx %s\n", count++, (unsigned long)l->l_addr, (unsigned long)l->l_ld, l->l_name);
}

static int times;
static char *path;

static void *blocked(void *arg)
{
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, 0);
	opened(dlopen(arg, RTLD_NOW));
	return 0;
}

static void *loop(void *unused)
{
	long sum = 0;
	for (int i = 0; i < times; i++) {
		void *h = dlopen(path, RTLD_NOW);
		int (*value)(void) = h ? (int (*)(void))dlsym(h, "value") : 0;
		if (!value) {
			printf("error %s\n", dlerror());
			return 0;
		}
		sum += value();
		dlclose(h);
	}
	printf("sum %ld\n", sum);
	return 0;
}

int main(int argc, char **argv)
{
	char line[4096];
	setvbuf(stdout, 0, _IOLBF, 0);
	printf("ready\n");
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		char *arg = line[1] ? line + 2 : line + 1;
		pthread_t t;
		switch (line[0]) {
		case 'o':
			opened(dlopen(arg, RTLD_NOW));
			break;
#ifdef LM_ID_NEWLM
		case 'm':
			opened(dlmopen(LM_ID_NEWLM, arg, RTLD_NOW));
			break;
#endif
		case 'c':
			printf("close %d\n", dlclose(handles[atoi(arg)]));
			break;
		case 'n':
		case 't':
			times = strtol(arg, &path, 10);
			path++;
			if (line[0] == 'n') {
				loop(0);
			} else {
				pthread_create(&t, 0, loop, 0);
				pthread_join(t, 0);
			}
			break;
		case 'B':
			pthread_create(&t, 0, blocked, arg);
			pthread_join(t, 0);
			break;
		case 's':
			printf("state\n");
			break;
		case 'f': {
			int status;
			pid_t pid = fork();
			if (pid == 0) {
				void *h = dlopen(arg, RTLD_NOW);
				_exit(h ? 3 : 4);
			}
			waitpid(pid, &status, 0);
			printf("child %#x\n", status);
			break;
		}
		case 'x':
			execl(arg, arg, "again", (char *)0);
			break;
		}
	}
	return 7;
}
