// Initialisers of a library run before those of the program, finalisers after.
// lib: LIB
// parts: MAIN
// link: pie | no-pie | pie -z now
#include <stdio.h>
#ifdef LIB
__attribute__((constructor)) static void c(void) { puts("library"); }
__attribute__((destructor)) static void d(void) { puts("~library"); }
int f(void) { return 0; }
#else
__attribute__((constructor)) static void c(void) { puts("program"); }
__attribute__((destructor)) static void d(void) { puts("~program"); }
int f(void);
int main(void) { return f(); }
#endif
