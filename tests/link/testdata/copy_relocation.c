// Data of a library that a program of fixed address refers to directly is copied, under all of its names.
// lib: LIB
// parts: MAIN
// cflags: -O1 -fno-pie | -O1 -fPIE
// link: no-pie | no-pie -z now | no-pie -z norelro
#ifdef LIB
int counter = 40;
extern int counter_alias __attribute__((alias("counter")));
const char *const fixed_names[2] = {"zero", "one"};
void count(void) { counter++; }
#else
#include <stdio.h>
extern int counter, counter_alias;
extern const char *const fixed_names[2];
void count(void);
int main(void) { count(); counter_alias++; printf("%d %s\n", counter, fixed_names[1]); return &counter != &counter_alias; }
#endif
