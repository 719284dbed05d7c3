// Thread-local variables of a library, its own and those the program shares.
// lib: LIB
// parts: MAIN
// cflags: -O1 | -O1 -mtls-dialect=gnu2 | -O1 -fno-plt | -O1 -ftls-model=initial-exec | -O0 -ftls-model=local-dynamic
// link: pie | no-pie | pie -z now
#ifdef LIB
__thread int exported = 5;
static __thread int own = 6, more = 7;
int sum(void) { return exported + own++ + more++; }
#else
#include <stdio.h>
#ifdef __OPTIMIZE__
extern __thread int exported __attribute__((tls_model("initial-exec")));
#else
extern __thread int exported __attribute__((tls_model("global-dynamic")));
#endif
int sum(void);
int main(void) { exported += 10; printf("%d %d %d\n", sum(), sum(), exported); return 0; }
#endif
