// Sections of other names go where their flags say; those of sorted names are sorted.
// parts: MAIN OTHER
// link: pie | no-pie | static
#include <stdio.h>
#ifdef MAIN
__attribute__((section(".text.hot"))) int hot(void) { return 1; }
__attribute__((section(".text.unlikely"))) int cold(void) { return 2; }
__attribute__((section("my_code"))) int mine(void) { return 3; }
__attribute__((section("my_data"))) int data = 4;
__attribute__((section("my_rodata"))) const int constant = 5;
__attribute__((section(".data.rel.ro.mine"))) int *const pointer = &data;
__attribute__((section(".bss.mine"))) int bss;
int other(void);
int main(void) { printf("%d\n", hot() + cold() + mine() + data + constant + *pointer + bss + other()); return 0; }
#else
__attribute__((section("my_code"))) int other(void) { return 100; }
#endif
