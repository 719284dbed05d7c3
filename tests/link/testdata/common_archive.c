// A member of an archive that defines what is only tentatively defined is linked.
// parts: MAIN
// archive: MEMBER
// cflags: -fcommon
#ifdef MAIN
#include <stdio.h>
int tentative;
int main(void) { printf("%d\n", tentative); return 0; }
#else
int tentative = 9;
#endif
