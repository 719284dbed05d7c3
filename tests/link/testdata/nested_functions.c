// Trampolines on the stack: the program asks for an executable one.
// link: pie | no-pie | static
#include <stdio.h>
static int apply(int (*f)(int)) { return f(3); }
int main(int argc, char **argv) {
	int add(int x) { return x + argc; }
	printf("%d\n", apply(add));
	return 0;
}
