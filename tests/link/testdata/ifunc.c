// Indirect functions, called, through pointers, and from a library.
// lib: LIB
// parts: MAIN
// cflags: -O1 | -O1 -fno-plt
// link: pie | no-pie | pie -z now
#ifdef LIB
static int one(void) { return 1; }
static int (*resolve(void))(void) { return one; }
int exported(void) __attribute__((ifunc("resolve")));
int call_exported(void) { return exported(); }
#else
#include <stdio.h>
static int two(void) { return 2; }
static int (*resolve(void))(void) { return two; }
static int local(void) __attribute__((ifunc("resolve")));
int global(void) __attribute__((ifunc("resolve")));
int exported(void), call_exported(void);
int (*pointer)(void) = global;
int main(void) { printf("%d %d %d %d %d %d\n", local(), global(), pointer(), pointer == global, exported(), call_exported()); return 0; }
#endif
