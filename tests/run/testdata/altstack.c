// A handler on its own stack outlives the overflow of the main one, and of a thread's.
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static sigjmp_buf back;
static volatile int on_stack, address_near;
static char stacks[2][64 << 10];
static __thread char *mine;
static void handler(int sig, siginfo_t *info, void *context)
{
	char *here = (char *)&sig;
	stack_t now; sigaltstack(0, &now);
	on_stack = here > mine && here < mine + sizeof stacks[0] && (now.ss_flags & SS_ONSTACK);
	ucontext_t *u = context;
	long far = (char *)info->si_addr - (char *)u->uc_mcontext.gregs[REG_RSP];
	address_near = labs(far) < 1 << 20;
	siglongjmp(back, sig);
}
static int overflow(int n) { volatile char a[4096]; memset((char *)a, n, sizeof a); return overflow(n + 1) + a[0]; }
static void *attempt(void *stack)
{
	mine = stack;
	stack_t s = {.ss_sp = stack, .ss_size = sizeof stacks[0]};
	sigaltstack(&s, 0);
	int sig = sigsetjmp(back, 1);
	if (!sig) overflow(0);
	printf("signal %d on its stack %d near the stack pointer %d\n", sig, on_stack, address_near);
	return 0;
}
int main(void)
{
	struct sigaction a = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	sigaction(SIGSEGV, &a, 0);
	attempt(stacks[0]);
	attempt(stacks[0]);
	pthread_t t; pthread_create(&t, 0, attempt, stacks[1]); pthread_join(t, 0);
	return 0;
}
