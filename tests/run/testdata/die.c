// Death by the signal or in the way that the argument names.
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <pthread.h>
static void *crash(void *p) { *(volatile int *)p = 1; return 0; }
int main(int argc, char **argv)
{
	const char *how = argv[1];
	printf("flushed %s\n", how); fflush(stdout); printf("not flushed");
	if (!strcmp(how, "abort")) abort();
	if (!strcmp(how, "segv")) crash(0);
	if (!strcmp(how, "thread")) { pthread_t t; pthread_create(&t, 0, crash, (void *)16); pthread_join(t, 0); }
	if (!strcmp(how, "text")) *(volatile char *)main = 1;
	if (!strcmp(how, "ill")) __builtin_trap();
	if (!strcmp(how, "fpe")) { volatile int z = 0; return 100 / z; }
	if (!strcmp(how, "trap")) __asm__("int3");
	if (!strcmp(how, "assert")) assert(argc == 0);
	if (!strcmp(how, "free")) { char *p = malloc(2000); free(p); free(p); }
	if (!strcmp(how, "_exit")) _exit(9);
	if (!strcmp(how, "raise")) raise(atoi(argv[2]));
	if (!strcmp(how, "kill")) { kill(getpid(), atoi(argv[2])); pause(); }
	if (!strcmp(how, "stack")) { volatile char big[64 << 10]; big[0] = 0; char *again[] = {argv[0], "stack", 0}; return main(2, again) + big[0]; }
	return 99;
}
