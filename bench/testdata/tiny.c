/* The smallest library: one function. What runs when it is opened and closed is only what gcc puts in. */
int bench_tiny(void) { return 1; }
