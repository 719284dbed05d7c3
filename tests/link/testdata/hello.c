// A program of one function of the C library.
// link: pie | no-pie | static | static-pie | pie -z now | pie -z norelro | pie -z noseparate-code | static -z noseparate-code | pie --hash-style=sysv | pie --hash-style=both | pie -s | pie -S | pie -x | no-pie -z max-page-size=0x200000 | pie --build-id=none | pie -z relro -z now --as-needed | pie --no-relax | pie --gc-sections
#include <stdio.h>
int main(void) { puts("hello"); return 3; }
