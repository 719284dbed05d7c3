// Leaving functions in unusual ways: longjmp, contexts, a handler's context, and reading the stack.
#define _GNU_SOURCE
#include <execinfo.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
static jmp_buf jb; static sigjmp_buf sjb; static ucontext_t main_context, other, third; static int switches;
static void deep(int n) { volatile char pad[100]; pad[0] = n; if (n) deep(n - 1); else longjmp(jb, 42); pad[1] = 0; }
static void caught(int sig) { siglongjmp(sjb, sig); }
static void loop(int n) { for (int i = 0; i < n; i++) { switches++; swapcontext(&other, &main_context); } }
static void chained(void) { puts("linked context"); }
static void skip(int sig, siginfo_t *i, void *c) { ((ucontext_t *)c)->uc_mcontext.gregs[REG_RIP] += 2; }
__attribute__((noinline)) void innermost(void) { void *at[32]; int n = backtrace(at, 32); char **s = backtrace_symbols(at, n); int seen = 0; for (int i = 0; i < n; i++) seen |= !!strstr(s[i], "innermost") | !!strstr(s[i], "(middle") << 1 | !!strstr(s[i], "(main") << 2 | !!strstr(s[i], "libc.so.6") << 3; printf("backtrace %d frames %d\n", seen, n > 3); }
__attribute__((noinline)) void middle(void) { innermost(); __asm__ volatile(""); }
static void in_handler(int sig) { middle(); }
int main(void)
{
	int r = setjmp(jb); if (!r) deep(50); printf("longjmp %d\n", r);
	signal(SIGSEGV, caught); for (int i = 0; i < 3; i++) if (!sigsetjmp(sjb, 1)) *(volatile int *)8 = 0; sigset_t m; sigprocmask(SIG_BLOCK, 0, &m); printf("blocked after %d\n", sigismember(&m, SIGSEGV));
	getcontext(&other); other.uc_stack.ss_sp = malloc(64 << 10); other.uc_stack.ss_size = 64 << 10; other.uc_link = &third;
	getcontext(&third); third.uc_stack.ss_sp = malloc(64 << 10); third.uc_stack.ss_size = 64 << 10; third.uc_link = &main_context; makecontext(&third, chained, 0);
	makecontext(&other, (void (*)(void))loop, 1, 1000); for (int i = 0; i < 1001; i++) swapcontext(&main_context, &other); printf("switches %d\n", switches);
	struct sigaction a = {.sa_sigaction = skip, .sa_flags = SA_SIGINFO}; sigaction(SIGILL, &a, 0); __asm__ volatile("ud2"); puts("past an illegal instruction");
	middle(); signal(SIGUSR1, in_handler); raise(SIGUSR1);
	return 0;
}
