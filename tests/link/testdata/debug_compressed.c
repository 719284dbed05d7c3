// Debug sections that are compressed in the object.
// cflags: -g -gz=zlib | -g -gz=none
// link: pie | no-pie | static | pie -S
#include <stdio.h>
struct pair { int a, b; };
int main(void) { struct pair p = {1, 2}; printf("%d\n", p.a + p.b); return 0; }
