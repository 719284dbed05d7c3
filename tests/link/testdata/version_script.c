// Versions of a library, an old one that is not the default, and what is local.
// lib: LIB
// parts: MAIN
// libflags: --version-script=versions.map
// link: pie | no-pie | pie -z now
#ifdef LIB
int old_f(void) { return 1; }
int new_f(void) { return 2; }
__asm__(".symver old_f, f@VERS_1\n.symver new_f, f@@VERS_2");
int g(void) { return 3; }
int not_exported(void) { return 4; }
int weak_too(void) __attribute__((weak));
int weak_too(void) { return 5; }
#else
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
int f(void), g(void), f_old(void), weak_too(void);
__asm__(".symver f_old, f@VERS_1");
int main(void) { printf("%d %d %d %d %d\n", f(), f_old(), g(), weak_too(), dlsym(RTLD_DEFAULT, "not_exported") != 0); return 0; }
#endif
