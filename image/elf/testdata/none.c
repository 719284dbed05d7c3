// A library that exports nothing, so that its hash table is empty.
#include <stdio.h>

__attribute__((constructor)) static void start(void) { puts("start"); }
