/* The shared object of one function that op_dlopen_each of dlworker.c makes copies of. */
int generated_00000000(void) { return 1; }
