/* Which definition a call reaches. WHICH is the number of this library. */
__attribute__((weak)) int maybe(void);
int which(void) { return WHICH; }
__attribute__((visibility("protected"))) int guarded(void) { return WHICH; }
__attribute__((weak)) int soft(void) { return WHICH; }
int shared = WHICH;
int call_which(void) { return which(); }
int call_guarded(void) { return guarded(); }
int call_soft(void) { return soft(); }
int read_shared(void) { return shared; }
int has_maybe(void) { return maybe != 0; }
int call_through_pointer(void) { int (*volatile p)(void) = which; return p(); }
