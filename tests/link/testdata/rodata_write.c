// A write to constants, and to code, ends the program.
// link: pie | no-pie | static | pie -z noseparate-code
#include <signal.h>
#include <unistd.h>
static const int constant = 3;
static void on_fault(int sig) { write(1, "fault\n", 6); _exit(4); }
int main(int argc, char **argv) {
	signal(SIGSEGV, on_fault);
	*(volatile int *)(argc > 1 ? (void *)main : (void *)&constant) = 0;
	return 0;
}
