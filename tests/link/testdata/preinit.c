// .preinit_array runs before the initialisers of libraries; libraries cannot have it.
// link: pie | no-pie | static
#include <stdio.h>
static void before(void) { puts("before"); }
__attribute__((section(".preinit_array"), used)) static void (*const entry)(void) = before;
__attribute__((constructor)) static void c(void) { puts("constructor"); }
int main(void) { return 0; }
