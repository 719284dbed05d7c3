int f(void) { return VALUE; }
#ifdef MORE
int more(void) { return VALUE + 1; }
#endif
