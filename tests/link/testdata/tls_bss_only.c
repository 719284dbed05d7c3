// A TLS segment without a file part, more aligned than the word before it.
// link: pie | no-pie | static | static-pie | pie -z noseparate-code
#include <stdio.h>
#include <stdint.h>
static __thread __attribute__((aligned(256))) char block[512];
int main(void) { block[3] = 1; printf("%d %d\n", (int)((uintptr_t)block % 256), block[3] + block[4]); return 0; }
