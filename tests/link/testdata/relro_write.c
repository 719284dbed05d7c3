// A write to what is read-only after relocation ends the program.
// link: pie -z relro -z now | static-pie | no-pie -z now
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
int target;
int *const pointers[] = {&target};
static void on_fault(int sig) { write(1, "fault\n", 6); _exit(4); }
int main(void) {
	signal(SIGSEGV, on_fault);
	*(int *volatile *)&pointers[0] = 0;
	puts("written");
	return 0;
}
