// Large alignments of data, of bss and of code.
// parts: MAIN OTHER
// link: pie | no-pie | static | static-pie | pie -z noseparate-code
#include <stdint.h>
#ifdef MAIN
#include <stdio.h>
__attribute__((aligned(4096))) int data = 1;
__attribute__((aligned(8192))) char bss[3];
extern char more[];
__attribute__((aligned(128))) int code(void) { return 3; }
int main(void) { printf("%d %d %d %d\n", (int)((uintptr_t)&data % 4096), (int)((uintptr_t)bss % 8192), (int)((uintptr_t)more % 1024), (int)((uintptr_t)code % 128)); return 0; }
#else
__attribute__((aligned(1024))) char more[10] = {1};
#endif
