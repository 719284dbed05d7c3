// A program that finds its own build ID.
// link: pie --build-id=sha1 | no-pie --build-id=md5 | static --build-id=0x00112233445566778899aabbccddeeff
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
extern const ElfW(Ehdr) __ehdr_start;
int main(void) {
	const char *base = (const char *)&__ehdr_start;
	const ElfW(Phdr) *p = (const void *)(base + __ehdr_start.e_phoff);
	int found = 0;
	for (int i = 0; i < __ehdr_start.e_phnum; i++) {
		if (p[i].p_type != PT_NOTE) continue;
		const char *n = (const char *)(base - (__ehdr_start.e_type == ET_EXEC ? (unsigned long)base : 0) + p[i].p_vaddr);
		for (const char *stop = n + p[i].p_memsz; n < stop;) {
			const ElfW(Nhdr) *h = (const void *)n;
			if (h->n_type == NT_GNU_BUILD_ID && !strcmp(n + sizeof *h, "GNU")) found = h->n_descsz;
			n += sizeof *h + ((h->n_namesz + 3) & ~3u) + ((h->n_descsz + 3) & ~3u);
		}
	}
	printf("%d\n", found);
	return 0;
}
