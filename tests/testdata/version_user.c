int f(void);
int plain(void);
#ifdef NEW
int only_new(void);
int user_only_new(void) { return only_new(); }
#else
int g(void);
int user_g(void) { return g(); }
#endif
int user_f(void) { return f(); }
int user_plain(void) { return plain(); }
