// Thread-local variables by every model the compiler can be told to use, from a thread and from main.
#include <pthread.h>
#include <stdio.h>
__thread int gd = 1;
static __thread int ld1 = 2, ld2 = 3;
__thread int zero;
extern __thread int from_other;
int *other_address(void);
static void *run(void *arg) {
  gd += 10, ld1 += 10, ld2 += 10, zero += 10, from_other += 10;
  printf("%s %d %d %d %d %d %d\n", (char *)arg, gd, ld1, ld2, zero, from_other, other_address() == &from_other);
  return 0;
}
int main(void) {
  pthread_t t;
  run("main");
  pthread_create(&t, 0, run, "thread");
  pthread_join(t, 0);
  run("main");
  return 0;
}
