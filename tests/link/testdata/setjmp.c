// setjmp and longjmp across a function of a library.
// lib: LIB
// parts: MAIN
// link: pie | no-pie -z now
#include <setjmp.h>
#ifdef LIB
void through(void (*f)(void)) { f(); }
#else
#include <stdio.h>
static jmp_buf env;
void through(void (*)(void));
static void jump(void) { longjmp(env, 5); }
int main(void) { int n = setjmp(env); if (n == 0) through(jump); printf("%d\n", n); return 0; }
#endif
