/* A library that needs no C library. */
static int calls;
long multiply(long a, long b) { calls++; return a * b; }
int count(void) { return calls; }
static __attribute__((constructor)) void start(void) { calls = 100; }
long each(long n, long (*f)(long)) { long s = 0; for (long i = 0; i < n; i++) s += f(i); return s; }
