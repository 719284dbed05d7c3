#include <stdio.h>
int answer(void);
int __real_answer(void);
int __wrap_answer(void) { return __real_answer() + 1; }
extern char defined_here[], defined_twice[];
int aliased(void);
int main(void) {
  printf("%d %d %d\n", answer(), (int)(long)defined_here, aliased());
  return 0;
}
