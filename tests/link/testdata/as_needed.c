// A library that nothing needs is left out with --as-needed, and one that only a weak reference names.
// lib: LIB
// parts: MAIN
// link: pie --as-needed | no-pie --as-needed | pie --no-as-needed
#ifdef LIB
int maybe(void) { return 1; }
#else
#include <stdio.h>
int main(void) { puts("alone"); return 0; }
#endif
