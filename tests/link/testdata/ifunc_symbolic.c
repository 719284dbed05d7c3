// lib: LIB
// cflags: -O1 | -O1 -fno-pie
// libflags: -Bsymbolic | -Bsymbolic-functions
// link: pie -z now | no-pie
// norun: -fno-pie+pie
// An exported indirect function that its own library binds to: one address in the library and in a PIE.
int pick(void);
int call(void);
void *by_code(void);
void *by_data(void);

#ifdef LIB
static int one(void) { return 1; }
static void *resolve(void) { return one; }
int pick(void) __attribute__((ifunc("resolve")));
int (*pointer)(void) = pick;
int call(void) { return pick(); }
void *by_code(void) { return pick; }
void *by_data(void) { return pointer; }
#else
#include <stdio.h>
int main(void) {
  printf("%d %d %d\n", pick(), call(), by_code() == by_data());
#ifdef __PIE__
  printf("%d\n", by_code() == (void *)pick);
#endif
  return 0;
}
#endif
