// Symbols that the linker defines, in the order that programs rely on.
// link: pie | no-pie | static | static-pie
#include <elf.h>
#include <stdio.h>
#include <string.h>
extern char __executable_start[], __ehdr_start[], etext[], _etext[], edata[], _edata[], end[], _end[], __bss_start[];
int data = 1, bss;
int main(void) {
	printf("%d%d%d%d%d%d%d%d\n", __executable_start == __ehdr_start, memcmp(__ehdr_start, ELFMAG, 4) == 0, etext == _etext && edata == _edata && end == _end,
		(char *)main < etext, etext <= (char *)&data, (char *)&data < edata, (char *)&bss >= __bss_start, (char *)&bss < end);
	return 0;
}
