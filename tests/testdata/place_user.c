const char *place(void);
const char *user_place(void) { return place(); }
