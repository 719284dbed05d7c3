// Indirect functions of a static program are resolved before main.
// link: static | static-pie | pie | no-pie
#include <stdio.h>
#include <string.h>
static int three(void) { return 3; }
static int (*resolve(void))(void) { return three; }
int f(void) __attribute__((ifunc("resolve")));
int (*pointer)(void) = f;
int main(int argc, char **argv) { printf("%d %d %d\n", f(), pointer(), (int)strlen(argv[0]) > 0); return 0; }
