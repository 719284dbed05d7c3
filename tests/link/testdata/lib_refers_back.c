// A symbol that a library refers to is exported by the program without being asked.
// lib: LIB
// parts: MAIN
// link: pie | no-pie | pie --gc-sections
// cflags: -O1 -ffunction-sections -fdata-sections
#ifdef LIB
extern int callback(int);
extern int setting;
int call(int n) { return callback(n) + setting; }
#else
#include <stdio.h>
int setting = 100;
int callback(int n) { return n * 2; }
int call(int);
int main(void) { printf("%d\n", call(4)); return 0; }
#endif
