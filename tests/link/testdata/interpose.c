// The program's definition is taken by the library too, unless the library is bound to itself.
// lib: LIB
// parts: MAIN
// libflags: | -Bsymbolic | -Bsymbolic-functions
// link: pie | no-pie | pie -E
#ifdef LIB
int value = 1;
int f(void) { return 1; }
int from_lib(void) { return f() * 10 + value; }
#else
#include <stdio.h>
int value = 3;
int f(void) { return 2; }
int from_lib(void);
int main(void) { printf("%d\n", from_lib()); return 0; }
#endif
