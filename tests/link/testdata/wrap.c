// --wrap: calls go to __wrap_f, which calls __real_f.
// parts: MAIN REAL
// link: pie --wrap=f | no-pie --wrap f | static --wrap=f --wrap=malloc_not_there
#ifdef MAIN
#include <stdio.h>
int f(int), __real_f(int);
int __wrap_f(int x) { return __real_f(x) + 100; }
int main(void) { printf("%d\n", f(1)); return 0; }
#else
int f(int x) { return x * 2; }
#endif
