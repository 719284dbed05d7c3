// A switch by a table, and labels as values.
// cflags: -O2 | -O2 -fno-pie | -O2 -fPIC -ffunction-sections
// link: pie | no-pie | static | pie --gc-sections
// norun: -fno-pie+pie
#include <stdio.h>
static int by_switch(int n) {
	switch (n) {
	case 0: return 7; case 1: return puts("one"); case 2: return 9; case 3: return puts("three") + 1; case 4: return 1; case 5: return 77; case 6: return 4;
	}
	return -1;
}
static int by_label(int n) {
	static const void *const labels[] = {&&a, &&b, &&c};
	goto *labels[n];
a:	return 1;
b:	return 20;
c:	return 300;
}
int main(int argc, char **argv) { int s = 0; for (int i = 0; i < 7; i++) s += by_switch(i) > 5; printf("%d %d\n", s, by_label(argc) + by_label(argc + 1)); return 0; }
