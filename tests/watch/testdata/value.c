#ifndef VALUE
#define VALUE 1
#endif
int value(void) { return VALUE; }
