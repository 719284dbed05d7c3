/* Destructors of thread-specific data use thread-local variables and call back, on threads of several kinds. */
#include <pthread.h>
#include <signal.h>
#include <time.h>
static __thread int counter = 100;
static __thread char big[5000];
static pthread_key_t key;
static int (*call)(int);
static volatile int seen = -1;

static void nap(long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};
	nanosleep(&t, 0);
}

static void destructor(void *arg)
{
	int was = counter * 100 + big[7];
	nap((long)arg);
	if (call)
		was += call(0);
	seen = was;
}

/* prepare makes the key, whose destructors come after weld's, and sets what they call. */
void prepare(int (*f)(int))
{
	call = f;
	seen = -1;
	pthread_key_create(&key, destructor);
}

/* mark has the destructor called on this thread, after a nap. */
int mark(int ms)
{
	counter = 5;
	big[7] = 9;
	pthread_setspecific(key, (void *)(long)ms);
	return 1;
}

int hold(int ms)
{
	nap(ms);
	return 7;
}

int ended(void) { return seen; }

static void tick(union sigval v)
{
	(void)v;
	mark(1);
}

/* by_timer does it on a thread that the C library makes for a timer. */
int by_timer(void)
{
	struct sigevent e = {0};
	struct itimerspec s = {{0, 0}, {0, 10000000}};
	timer_t t;
	e.sigev_notify = SIGEV_THREAD;
	e.sigev_notify_function = tick;
	return timer_create(CLOCK_MONOTONIC, &e, &t) || timer_settime(t, 0, &s, 0);
}

int touch(void) { return ++big[5]; }
