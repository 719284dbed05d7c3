// A library whose initialiser sleeps.
#include <unistd.h>

__attribute__((constructor)) static void begin(void) { usleep(MICROSECONDS); }
