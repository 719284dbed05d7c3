// A variable with two names in its library is one variable after it has been copied.
#include <stdio.h>
#include <unistd.h>
extern char **environ, **__environ;
int main(void) {
  printf("%d %d\n", &environ == &__environ, environ != 0);
  environ = 0;
  printf("%d\n", __environ == 0);
  fprintf(stdout, "done\n");
  return 0;
}
