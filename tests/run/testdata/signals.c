// Handlers, masks, queues, and all ways of waiting for a signal.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>
static volatile sig_atomic_t count, value, nested, last;
static volatile pthread_t where;
static void info(int sig, siginfo_t *i, void *u) { count++; value = i->si_value.sival_int; last = sig; where = pthread_self(); errno = 77; if (i->si_code != SI_QUEUE && i->si_pid != getpid()) value = -1; }
static void plain(int sig) { count++; last = sig; }
static void nest(int sig) { nested++; if (nested < 3) raise(sig); }
static void blocked(int sig) { sigset_t m; sigprocmask(SIG_BLOCK, 0, &m); printf("in a handler: own %d, masked %d, other %d\n", sigismember(&m, sig), sigismember(&m, SIGUSR2), sigismember(&m, SIGHUP)); }
static void *waiter(void *set) { int s; sigwait(set, &s); return (void *)(long)s; }
static void *target(void *p) { sigset_t m; sigemptyset(&m); while (!count) sigsuspend(&m); return (void *)(long)pthread_equal(where, pthread_self()); }
int main(void)
{
	struct sigaction a = {.sa_sigaction = info, .sa_flags = SA_SIGINFO}, old;
	sigaction(SIGRTMIN + 1, &a, 0); sigaction(SIGUSR1, &a, 0);
	errno = 0; sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = 99}); printf("queued %d value %d\n", (int)count, (int)value);
	sigaction(SIGUSR1, 0, &old); printf("old %d %d\n", old.sa_sigaction == info, !!(old.sa_flags & SA_SIGINFO));
	sigset_t set, m; sigemptyset(&set); sigaddset(&set, SIGRTMIN + 1); sigprocmask(SIG_BLOCK, &set, 0);
	count = 0; for (int i = 0; i < 5; i++) sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i});
	sigpending(&m); printf("pending %d count %d\n", sigismember(&m, SIGRTMIN + 1), (int)count);
	siginfo_t si; int got = sigwaitinfo(&set, &si); printf("waited %d %d\n", got == SIGRTMIN + 1, si.si_value.sival_int);
	sigprocmask(SIG_UNBLOCK, &set, 0); printf("delivered %d last value %d\n", (int)count, (int)value);
	signal(SIGUSR2, nest); a = (struct sigaction){.sa_handler = nest, .sa_flags = SA_NODEFER}; sigaction(SIGUSR2, &a, 0); raise(SIGUSR2); printf("nested %d\n", (int)nested);
	a = (struct sigaction){.sa_handler = blocked}; sigemptyset(&a.sa_mask); sigaddset(&a.sa_mask, SIGUSR2); sigaction(SIGWINCH, &a, 0); raise(SIGWINCH);
	a = (struct sigaction){.sa_handler = plain, .sa_flags = SA_RESETHAND}; sigaction(SIGTERM, &a, 0); raise(SIGTERM); sigaction(SIGTERM, 0, &old); printf("reset %d\n", old.sa_handler == SIG_DFL);
	printf("previous %d", signal(SIGHUP, plain) == SIG_DFL); printf(" %d\n", signal(SIGHUP, SIG_IGN) == plain); raise(SIGHUP);
	sigset_t two; sigemptyset(&two); sigaddset(&two, SIGALRM); sigprocmask(SIG_BLOCK, &two, 0);
	pthread_t t; void *r; pthread_create(&t, 0, waiter, &two); struct itimerval it = {.it_value.tv_usec = 10000}; setitimer(ITIMER_REAL, &it, 0); pthread_join(t, &r); printf("sigwait in a thread %d\n", (long)r == SIGALRM);
	int fd = signalfd(-1, &two, SFD_CLOEXEC); alarm(0); kill(getpid(), SIGALRM); struct signalfd_siginfo fi; struct pollfd pf = {fd, POLLIN}; poll(&pf, 1, 5000); read(fd, &fi, sizeof fi); printf("signalfd %d from me %d\n", fi.ssi_signo == SIGALRM, (int)fi.ssi_pid == getpid());
	sigemptyset(&set); sigaddset(&set, SIGUSR1); pthread_sigmask(SIG_BLOCK, &set, 0); count = 0; pthread_create(&t, 0, target, 0); pthread_kill(t, SIGUSR1); pthread_join(t, &r); printf("pthread_kill on its thread %d\n", (int)(long)r);
	pthread_sigmask(SIG_UNBLOCK, &set, 0); count = 0; syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1); printf("tgkill %d %d\n", (int)count, pthread_equal(where, pthread_self()));
	a = (struct sigaction){.sa_handler = plain}; sigaction(SIGALRM, &a, 0); sigprocmask(SIG_UNBLOCK, &two, 0);
	// One signal may come before the call that it is to interrupt.
	struct itimerval often = {{0, 10000}, {0, 10000}}, never = {{0, 0}, {0, 0}};
	int p[2]; pipe(p); char c; setitimer(ITIMER_REAL, &often, 0); ssize_t n = read(p[0], &c, 1); int e = errno; setitimer(ITIMER_REAL, &never, 0); printf("interrupted %zd %d\n", n, e == EINTR);
	a.sa_flags = SA_RESTART; sigaction(SIGALRM, &a, 0); count = 0; setitimer(ITIMER_REAL, &it, 0);
	if (!fork()) { usleep(100000); write(p[1], "x", 1); _exit(0); } n = read(p[0], &c, 1); printf("restarted %zd %d\n", n, (int)count); wait(0);
	struct timespec left, ts = {5, 0}; setitimer(ITIMER_REAL, &often, 0); n = nanosleep(&ts, &left); setitimer(ITIMER_REAL, &never, 0); printf("nanosleep %zd %d\n", n, left.tv_sec >= 4);
	signal(SIGCHLD, SIG_IGN); if (!fork()) _exit(1); n = wait(0); printf("no zombie %zd %d\n", n, errno == ECHILD);
	printf("bad %d", sigaction(SIGKILL, &a, 0)); printf(" %d\n", errno == EINVAL);
	return 0;
}
