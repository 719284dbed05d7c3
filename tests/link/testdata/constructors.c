// Initialisers and finalisers in the order of their priorities and of the objects.
// parts: MAIN OTHER
// link: pie | no-pie | static | static-pie | pie --gc-sections
#include <stdio.h>
#ifdef MAIN
__attribute__((constructor(200))) static void c200(void) { puts("200 main"); }
__attribute__((constructor)) static void c(void) { puts("main"); }
__attribute__((destructor)) static void d(void) { puts("~main"); }
__attribute__((destructor(101))) static void d101(void) { puts("~101 main"); }
int main(void) { puts("main()"); return 0; }
#else
__attribute__((constructor(101))) static void c101(void) { puts("101 other"); }
__attribute__((constructor(201))) static void c201(void) { puts("201 other"); }
__attribute__((constructor)) static void c(void) { puts("other"); }
__attribute__((destructor)) static void d(void) { puts("~other"); }
#endif
