/* A library that says which copy of it was found. */
const char *place(void) { return PLACE; }
