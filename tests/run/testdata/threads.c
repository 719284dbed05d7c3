// Threads: cancelling, cleaning up, barriers, robust and shared mutexes, attributes, many at once.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
static void cleanup(void *p) { printf("cleanup %s\n", (char *)p); }
static void *sleeper(void *p) { pthread_cleanup_push(cleanup, p); for (;;) sleep(100); pthread_cleanup_pop(0); return 0; }
static void *spinner(void *p) { pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, 0); *(volatile int *)p = 1; for (;;); return 0; }
static void *polite(void *p) { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, 0); usleep(10000); pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, 0); pthread_testcancel(); return 0; }
static pthread_barrier_t barrier; static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; static pthread_cond_t cond = PTHREAD_COND_INITIALIZER; static int turn, total; static pthread_once_t once = PTHREAD_ONCE_INIT;
static void just_once(void) { puts("once"); }
static void *meet(void *p) { pthread_once(&once, just_once); for (int i = 0; i < 200; i++) pthread_barrier_wait(&barrier); pthread_mutex_lock(&lock); while (turn != (long)p) pthread_cond_wait(&cond, &lock); total += turn++; pthread_cond_broadcast(&cond); pthread_mutex_unlock(&lock); return 0; }
static void *leave(void *p) { pthread_exit((void *)(intptr_t)123); }
static void *holder(void *m) { pthread_mutex_lock(m); return 0; }
static void *size_of_stack(void *p) { pthread_attr_t a; size_t n, g; void *s; pthread_getattr_np(pthread_self(), &a); pthread_attr_getstack(&a, &s, &n); pthread_attr_getguardsize(&a, &g); char c; return (void *)(long)(n == 256 << 10 && g == 8192 && &c > (char *)s && &c < (char *)s + n); }
static void *nothing(void *p) { return p; }
int main(void)
{
	pthread_t t[64]; void *r; volatile int running = 0;
	pthread_create(t, 0, sleeper, "in sleep"); usleep(5000); pthread_cancel(t[0]); pthread_join(t[0], &r); printf("cancelled %d\n", r == PTHREAD_CANCELED);
	pthread_create(t, 0, spinner, (void *)&running); while (!running) usleep(1000); pthread_cancel(t[0]); pthread_join(t[0], &r); printf("asynchronously %d\n", r == PTHREAD_CANCELED);
	pthread_create(t, 0, polite, 0); pthread_cancel(t[0]); pthread_join(t[0], &r); printf("deferred %d\n", r == PTHREAD_CANCELED);
	pthread_barrier_init(&barrier, 0, 6); for (long i = 0; i < 6; i++) pthread_create(&t[i], 0, meet, (void *)i); for (int i = 0; i < 6; i++) pthread_join(t[i], 0); printf("total %d\n", total);
	pthread_create(t, 0, leave, 0); pthread_join(t[0], &r); printf("exit value %ld\n", (long)r);
	pthread_mutexattr_t ma; pthread_mutexattr_init(&ma); pthread_mutexattr_setrobust(&ma, PTHREAD_MUTEX_ROBUST); pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED);
	pthread_mutex_t *m = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); pthread_mutex_init(m, &ma);
	pthread_create(t, 0, holder, m); pthread_join(t[0], 0); printf("owner died %d", pthread_mutex_lock(m) == EOWNERDEAD); pthread_mutex_consistent(m); pthread_mutex_unlock(m); fflush(stdout);
	if (!fork()) { pthread_mutex_lock(m); _exit(0); } wait(0); printf(" and in a process %d\n", pthread_mutex_lock(m) == EOWNERDEAD);
	pthread_attr_t a; pthread_attr_init(&a); pthread_attr_setstacksize(&a, 256 << 10); pthread_attr_setguardsize(&a, 8192); pthread_create(t, &a, size_of_stack, 0); pthread_join(t[0], &r); printf("attributes %ld\n", (long)r);
	int ok = 0; for (int round = 0; round < 20; round++) { for (long i = 0; i < 64; i++) pthread_create(&t[i], &a, nothing, (void *)i); for (long i = 0; i < 64; i++) { pthread_join(t[i], &r); ok += (long)r == i; } } printf("threads %d\n", ok);
	char name[16]; pthread_setname_np(pthread_self(), "renamed"); pthread_getname_np(pthread_self(), name, sizeof name); puts(name);
	pthread_getattr_np(pthread_self(), &a); void *s; size_t n; pthread_attr_getstack(&a, &s, &n); printf("main stack %d %d\n", (char *)&n > (char *)s && (char *)&n < (char *)s + n, n >= 1 << 20);
	pthread_create(t, 0, sleeper, "never"); puts("main leaves"); fflush(stdout); pthread_cancel(t[0]); pthread_exit(0);
}
