// Aliases, weak ones and of data.
// parts: MAIN OTHER
#ifdef MAIN
#include <stdio.h>
int second(void), third(void);
extern int data, data_alias;
int main(void) { data_alias = 8; printf("%d %d %d\n", second(), third(), data); return 0; }
#else
int data = 1;
extern int data_alias __attribute__((alias("data")));
static int first(void) { return data; }
int second(void) __attribute__((alias("first")));
int third(void) __attribute__((weak, alias("first")));
#endif
