// A library whose initialiser changes how the thread calculates, as that of crtfastmath.o does.
#include <fenv.h>

int controlled;
#ifdef MODE
__attribute__((constructor)) static void begin(void) { fesetround(MODE); }
#endif
