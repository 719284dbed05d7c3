#include <stddef.h>
const char *other_string(void) { return "the same string in both files"; }
const char *other_tail(void) { return "string in both files"; }
double other_double(void) { return 3.25; }
const wchar_t *other_wide(void) { return L"wide string"; }
