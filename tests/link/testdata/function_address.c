// A function has one address, in the program and in the library that defines it.
// lib: LIB
// parts: MAIN
// cflags: -O1 -fno-pie | -O1 -fPIC
// link: no-pie | pie | no-pie -z now | no-pie -z ibtplt
// norun: -fno-pie+pie
#ifdef LIB
int f(void) { return 1; }
int (*from_lib(void))(void) { return f; }
#else
#include <stdio.h>
int f(void);
int (*from_lib(void))(void);
int (*pointer)(void) = f;
int main(void) { printf("%d %d\n", from_lib() == f, pointer == f); return f(); }
#endif
