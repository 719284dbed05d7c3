// Hidden symbols are not exported, protected ones are bound within the library.
// lib: LIB
// parts: MAIN
// link: pie | no-pie | pie -z now
#ifdef LIB
__attribute__((visibility("hidden"))) int hidden_value = 3;
__attribute__((visibility("protected"))) int guarded(void) { return hidden_value; }
__attribute__((visibility("internal"))) int internal(void) { return 1; }
int call_guarded(void) { return guarded() + internal(); }
#else
#include <stdio.h>
int call_guarded(void);
int guarded_too(void);
int internal(void) { return 100; }
int main(void) { printf("%d %d\n", call_guarded(), internal()); return 0; }
#endif
