// What the initialiser of initialisers.c has set is so in main.
#include <signal.h>
#include <stdio.h>

extern int initialised;

int main(void) {
	raise(SIGUSR1);
	struct sigaction sa;
	sigaction(SIGHUP, NULL, &sa);
	sigset_t set;
	sigprocmask(SIG_BLOCK, NULL, &set);
	stack_t stack;
	sigaltstack(NULL, &stack);
	printf("%d: ignored %d, blocked %d %d, stack %d\n", initialised, sa.sa_handler == SIG_IGN,
	       sigismember(&set, SIGUSR1), sigismember(&set, SIGUSR2), !(stack.ss_flags & SS_DISABLE));
	return 0;
}
