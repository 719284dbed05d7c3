// A weak reference that nothing defines is 0, by a call, through a pointer and as data.
// cflags: -O1 | -O1 -fno-pie | -O1 -fPIC
// link: no-pie | static | pie
// norun: -fno-pie+pie
#include <stdio.h>
extern int missing(void) __attribute__((weak));
extern int missing_data __attribute__((weak));
int (*volatile pointer)(void) = missing;
int main(void) { printf("%d %d %d\n", missing == 0, &missing_data == 0, pointer == 0); return missing ? missing() : 0; }
