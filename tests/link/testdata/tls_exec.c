// Thread-local variables of the program itself.
// parts: MAIN OTHER
// cflags: -O1 | -O1 -fPIC | -O1 -fPIC -mtls-dialect=gnu2 | -O1 -fno-pie | -O1 -fPIC -fno-plt
// link: no-pie | static | pie | static-pie | no-pie --no-relax
// norun: -fno-pie+pie -fno-pie+static-pie
#ifdef MAIN
#include <pthread.h>
#include <stdio.h>
#include <stdint.h>
extern __thread int other;
static __thread int local = 3;
__thread char zero[100];
static __thread __attribute__((aligned(64))) int aligned = 4;
int *other_address(void);
static void *run(void *arg) { return (void *)(intptr_t)(local++ + other++ + zero[5]); }
int main(void) {
	pthread_t t;
	void *result;
	local = 50;
	zero[5] = 9;
	pthread_create(&t, 0, run, 0);
	pthread_join(t, &result);
	printf("%d %d %d %d %d\n", (int)(intptr_t)result, local, other_address() == &other, (int)((uintptr_t)&aligned % 64), aligned);
	return 0;
}
#else
__thread int other = 20;
int *other_address(void) { return &other; }
#endif
