/* A library with versions. Without NEW it defines V1 only. */
#ifdef NEW
int f_old(void) { return 1; }
int f_new(void) { return 2; }
__asm__(".symver f_old, f@V1");
__asm__(".symver f_new, f@@V2");
int g_old(void) { return 10; }
__asm__(".symver g_old, g@V1");
int only_new(void) { return 20; }
#else
int f(void) { return 1; }
int g(void) { return 10; }
#endif
int plain(void) { return 30; }
