int picked(void);
int (*pointer)(void) = picked;
int user_call(void) { return picked(); }
int user_pointer(void) { return pointer(); }
