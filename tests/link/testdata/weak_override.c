// A strong definition is taken whichever order the objects have.
// parts: WEAK MAIN STRONG
#include <stdio.h>
#ifdef WEAK
__attribute__((weak)) int value = 1;
__attribute__((weak)) int f(void) { return 1; }
__attribute__((weak)) int only(void) { return 7; }
#elif defined(STRONG)
int value = 2;
int f(void) { return 2; }
#else
extern int value;
int f(void), only(void);
int main(void) { printf("%d %d %d\n", value, f(), only()); return 0; }
#endif
