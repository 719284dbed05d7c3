// Children of children, each of which uses the run-time linker before and after it has forked itself.
#include <dlfcn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int use(const char *name) { return dlopen(name, RTLD_NOW) && dlsym(RTLD_DEFAULT, "puts"); }

static int down(int depth) {
	int good = use("libforkone.so");
	for (int i = 0; depth > 0 && i < 2; i++) {
		int status;
		pid_t p = fork();
		if (p == 0)
			_exit(down(depth - 1) ? 0 : 1);
		waitpid(p, &status, 0);
		good &= status == 0 && use("libforkone.so");
	}
	return good && use("libforktwo.so");
}

int main(void) {
	printf("all %d\n", down(4));
	return 0;
}
