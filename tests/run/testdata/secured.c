// What a program sees that has rights which its caller has not.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

extern char **environ;
const char *said(void);

int main(int argc, char **argv)
{
	printf("secure %ld\n%s\n", getauxval(AT_SECURE), said());
	for (char **e = environ; *e; e++)
		puts(*e);
	printf("LD_PRELOAD %s\n", getenv("LD_PRELOAD") ? "there" : "gone");
	for (int fd = 0; argc > 1 && fd < 3; fd += 2) {
		char link[64], file[256];
		snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
		ssize_t n = readlink(link, file, sizeof file - 1);
		printf("%d %.*s %d\n", fd, n < 0 ? 0 : (int)n, file, n < 0 ? -1 : fcntl(fd, F_GETFL) & O_ACCMODE);
	}
	return 9;
}
