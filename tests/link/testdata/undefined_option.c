// -u has a member of an archive linked.
// parts: MAIN
// archive: EXTRA
// link: pie -u extra | static --undefined=extra | pie --require-defined=extra
#include <stdio.h>
#ifdef MAIN
int main(void) { puts("main"); return 0; }
#else
int extra;
__attribute__((constructor)) static void c(void) { puts("extra is there"); }
#endif
