/* What gdb looks for in a process with generated code, in a library as JIT compilers have it. */
#include "gdbjit.h"

struct jit_descriptor __jit_debug_descriptor = {1, 0, 0, 0};

void __attribute__((noinline)) __jit_debug_register_code(void) { __asm__ volatile("" ::: "memory"); }
