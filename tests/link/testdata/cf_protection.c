// Code with endbr64, and the PLT that goes with it.
// cflags: -O1 -fcf-protection=full | -O1 -fcf-protection=none
// link: pie | no-pie | pie -z ibtplt | pie -z now -z shstk | static
#include <stdio.h>
int (*volatile f)(const char *) = puts;
int main(void) { f("through a pointer"); puts("direct"); return 0; }
