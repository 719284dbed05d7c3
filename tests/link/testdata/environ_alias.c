// environ, _environ and __environ are one variable, copied or not.
// cflags: -O1 -fno-pie | -O1
// link: no-pie | pie | static
// norun: -fno-pie+pie
#include <stdio.h>
#include <stdlib.h>
extern char **environ, **_environ, **__environ;
int main(void) { setenv("WELD_TEST", "1", 1); printf("%d %d\n", environ == _environ, _environ == __environ); return getenv("WELD_TEST") == 0; }
