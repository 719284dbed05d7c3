/* Uses another library's thread-local variable. */
extern __thread int counter;
int *address(void);
int user_counter(void) { return ++counter; }
int user_same(void) { return &counter == address(); }
