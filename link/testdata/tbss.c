// A thread-local variable without a value, of an odd place in the file, in a program whose first writable section it is.
#include <stdio.h>
static __thread char a[3];
static __thread long long b __attribute__((aligned(32)));
const char odd[] = "a string of an odd length";
int main(void) {
  a[1]++, b += 2;
  printf("%d %lld %d %s\n", a[1], b, (int)((unsigned long)&b % 32), odd);
  return 0;
}
