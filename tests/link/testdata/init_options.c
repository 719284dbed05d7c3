// -init and -fini name functions of a library.
// lib: LIB
// parts: MAIN
// libflags: -init=begin -fini=finish
#include <stdio.h>
#ifdef LIB
void begin(void) { puts("begin"); }
void finish(void) { puts("finish"); fflush(stdout); }
int f(void) { return 0; }
#else
int f(void);
int main(void) { return f(); }
#endif
