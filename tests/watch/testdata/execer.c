// Executes itself again after so many microseconds (the first argument), for ever, while a thread opens and closes a library
// (the second).
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *loop(void *path)
{
	for (;;) {
		void *h = dlopen(path, RTLD_NOW);
		if (h)
			dlclose(h);
	}
	return 0;
}

int main(int argc, char **argv)
{
	pthread_t t;
	if (argc < 4)
		puts("ready");
	fflush(stdout);
	pthread_create(&t, 0, loop, argv[2]);
	usleep(atoi(argv[1]));
	execl("/proc/self/exe", argv[0], argv[1], argv[2], "again", (char *)0);
	return 1;
}
