// Timers of all kinds: with signals, with threads, in processor time and as descriptors.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
static volatile int ticks, threads, virtual;
static void tick(int sig, siginfo_t *i, void *u) { if (i->si_code == SI_TIMER && i->si_value.sival_int == 5) ticks++; }
static void notified(union sigval v) { *(volatile int *)v.sival_ptr += 1; }
static void expired(int sig) { virtual++; }
static void until(volatile int *n, int want) { for (int i = 0; *n < want && i < 5000; i++) usleep(1000); }
int main(void)
{
	struct sigaction a = {.sa_sigaction = tick, .sa_flags = SA_SIGINFO | SA_RESTART}; sigaction(SIGRTMIN, &a, 0);
	struct itimerspec every = {{0, 5000000}, {0, 5000000}}, off = {{0}}, now;
	timer_t t; struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 5};
	timer_create(CLOCK_MONOTONIC, &e, &t); timer_settime(t, 0, &every, 0); until(&ticks, 3); timer_gettime(t, &now); timer_settime(t, 0, &off, 0); timer_delete(t);
	printf("signal %d interval %ld\n", ticks >= 3, now.it_interval.tv_nsec);
	e = (struct sigevent){.sigev_notify = SIGEV_THREAD, .sigev_notify_function = notified, .sigev_value.sival_ptr = (void *)&threads};
	timer_create(CLOCK_REALTIME, &e, &t); timer_settime(t, 0, &every, 0); until(&threads, 3); timer_delete(t); printf("thread %d\n", threads >= 3);
	signal(SIGPROF, expired); signal(SIGVTALRM, expired); struct itimerval v = {{0, 2000}, {0, 2000}}; setitimer(ITIMER_PROF, &v, 0); setitimer(ITIMER_VIRTUAL, &v, 0);
	for (volatile unsigned long i = 0; virtual < 4 && i < 4000000000ul; i++); v = (struct itimerval){{0}}; setitimer(ITIMER_PROF, &v, 0); setitimer(ITIMER_VIRTUAL, &v, 0); printf("processor time %d\n", virtual >= 4);
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC); timerfd_settime(fd, 0, &every, 0); uint64_t n = 0; read(fd, &n, sizeof n); printf("descriptor %d\n", n >= 1);
	struct timespec one, two; clock_gettime(CLOCK_MONOTONIC, &one); usleep(20000); clock_gettime(CLOCK_MONOTONIC, &two);
	long ms = (two.tv_sec - one.tv_sec) * 1000 + (two.tv_nsec - one.tv_nsec) / 1000000; printf("clock %d\n", ms >= 19 && ms < 4000);
	clockid_t cpu; clock_getcpuclockid(0, &cpu); printf("clocks %d %d\n", clock_gettime(cpu, &one), clock_gettime(CLOCK_THREAD_CPUTIME_ID, &two));
	return 0;
}
