/* IFUNCs: exported, local (IRELATIVE), by address in data, called by others. */
#include "say.h"
static int one(void) { return 1; }
static int two(void) { return 2; }
static int (*choose(void))(void) { __builtin_cpu_init(); return __builtin_cpu_supports("sse2") ? two : one; }
int picked(void) __attribute__((ifunc("choose")));
static int inner(void) __attribute__((ifunc("choose")));
int (*in_data)(void) = picked;
int call_inner(void) { return inner(); }
int call_picked(void) { return picked(); }
int call_in_data(void) { return in_data(); }
int same_address(void) { return in_data == picked; }
