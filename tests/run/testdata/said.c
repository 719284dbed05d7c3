// A library that says which one it is.
const char *said(void) { return TEXT; }
