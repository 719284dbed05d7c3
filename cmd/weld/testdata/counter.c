// A library for LD_PRELOAD that counts malloc and free, to the very end, in the file that COUNTER names.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static unsigned long early[2], *counts = early;
extern void *__libc_malloc(size_t);
extern void __libc_free(void *);

void *malloc(size_t n) {
	__atomic_add_fetch(&counts[0], 1, __ATOMIC_RELAXED);
	return __libc_malloc(n);
}

void free(void *p) {
	__atomic_add_fetch(&counts[1], 1, __ATOMIC_RELAXED);
	__libc_free(p);
}

__attribute__((constructor)) static void share(void) {
	int fd = open(getenv("COUNTER"), O_RDWR);
	unsigned long *p = mmap(0, sizeof early, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED) {
		p[0] = early[0];
		p[1] = early[1];
		counts = p;
	}
}
