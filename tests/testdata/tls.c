/* Thread-local variables; the model is the compiler's option. */
#include <pthread.h>
#include <stdint.h>
__thread int counter = 5;
__thread int zero[100];
static __thread long hidden_one = 7, hidden_two = 8;
__thread char aligned[64] __attribute__((aligned(64))) = "aligned";

int add(long n) { return counter += n; }
long hidden(void) { return ++hidden_one * 100 + ++hidden_two; }
int zeros(void)
{
	int n = 0;
	for (int i = 0; i < 100; i++)
		n += zero[i] != 0;
	zero[99] = 1;
	return n;
}
int is_aligned(void) { return ((uintptr_t)aligned & 63) == 0 && aligned[0] == 'a'; }
int *address(void) { return &counter; }

struct both { int first, second; int *address; };
static void *run(void *arg)
{
	struct both *b = arg;
	b->first = counter;
	b->second = add(10);
	b->address = address();
	return (void *)(intptr_t)(zeros() + is_aligned() * 100 + hidden());
}
/* What a new thread sees: initial values and addresses of its own. */
long in_thread(void)
{
	struct both b;
	pthread_t t;
	void *result;
	if (pthread_create(&t, 0, run, &b) || pthread_join(t, &result))
		return -1;
	return b.first * 1000000 + b.second * 10000 + (intptr_t)result + (b.address == address());
}
long sum(void) { return add(2) + 100 * hidden() + 1000000 * is_aligned() + 10000000 * zeros(); }
/* A thread that starts before another library comes and looks after it has come. */
static pthread_t early;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static long (*later)(void);
static void *wait_then(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	return (void *)(intptr_t)later();
}
int start_early(void)
{
	pthread_mutex_lock(&gate);
	return pthread_create(&early, 0, wait_then, 0);
}
long finish_early(long (*f)(void))
{
	void *result;
	later = f;
	pthread_mutex_unlock(&gate);
	pthread_join(early, &result);
	return (intptr_t)result;
}
