// Archives that need each other, in any order on the command line.
// parts: MAIN
// archive: A
// archive: B
// link: pie | static | pie --whole-archive
#ifdef MAIN
#include <stdio.h>
int a(int);
int main(void) { printf("%d\n", a(3)); return 0; }
#elif defined(A)
int b(int);
int a(int n) { return n ? b(n - 1) + 1 : 0; }
#else
int a(int);
int b(int n) { return n ? a(n - 1) + 10 : 0; }
#endif
