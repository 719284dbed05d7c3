// Strings that are the same, or the end of another, are stored once; what points into them still does.
// parts: MAIN OTHER
// cflags: -O1 | -O0 -fno-pie
// link: no-pie | static
#include <stdio.h>
#ifdef MAIN
const char *other(int i);
const char *table[] = {"abcdef", "def", "", "\001\002", "same"};
int main(void) {
	for (int i = 0; i < 5; i++) printf("%s|%s|%s\n", table[i], other(i), table[i] + (*table[i] != 0));
	printf("%ls\n", L"wide");
	return 0;
}
#else
const char *other(int i) { static const char *const t[] = {"same", "def", "f", "xabcdef", ""}; return t[i]; }
#endif
