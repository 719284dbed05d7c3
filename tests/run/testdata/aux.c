// The auxiliary vector, the stack of the start and what the C library makes of them.
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>
extern char **environ;
extern const ElfW(Ehdr) __ehdr_start;
extern void _start(void);
int main(int argc, char **argv, char **envp)
{
	const ElfW(Phdr) *ph = (const void *)getauxval(AT_PHDR);
	printf("phdr %d phnum %d phent %d entry %d\n", (char *)ph == (char *)&__ehdr_start + __ehdr_start.e_phoff,
	       getauxval(AT_PHNUM) == __ehdr_start.e_phnum, getauxval(AT_PHENT) == sizeof *ph, getauxval(AT_ENTRY) == (uintptr_t)_start);
	printf("secure %lu %d uid %d gid %d euid %d\n", getauxval(AT_SECURE), !!secure_getenv("HOME"), getauxval(AT_UID) == getuid(), getauxval(AT_EGID) == getegid(), getauxval(AT_EUID) == geteuid());
	printf("pagesz %lu clktck %lu flags %lu\n", getauxval(AT_PAGESZ), getauxval(AT_CLKTCK), getauxval(AT_FLAGS));
	printf("execfn %s\n", (char *)getauxval(AT_EXECFN));
	printf("platform %s\n", (char *)getauxval(AT_PLATFORM));
	printf("random %d vdso %d hwcap %d hwcap2 %lx sigstk %d\n", getauxval(AT_RANDOM) != 0, getauxval(AT_SYSINFO_EHDR) && !memcmp((void *)getauxval(AT_SYSINFO_EHDR), ELFMAG, SELFMAG),
	       getauxval(AT_HWCAP) != 0, getauxval(AT_HWCAP2), getauxval(AT_MINSIGSTKSZ) > 0);
	errno = 0; getauxval(12345); printf("unknown %d\n", errno == ENOENT);
	uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
	printf("order %d %d %d %d\n", (char **)envp == argv + argc + 1, (uintptr_t)argv > sp, envp == environ, argv[argc] == NULL);
	char **p = envp; while (*p) p++;
	int seen = 0; for (ElfW(auxv_t) *a = (void *)(p + 1); a->a_type != AT_NULL; a++) seen += a->a_type == AT_PHDR || a->a_type == AT_RANDOM || a->a_type == AT_ENTRY;
	printf("vector %d strings %d\n", seen, argv[0] < argv[argc - 1] && (char *)(p + 1) < argv[0]);
	printf("names %s %s align %d\n", program_invocation_name, program_invocation_short_name, (int)(((uintptr_t)argv - 8) % 16));
	for (int i = 0; i < argc; i++) printf("argv[%d] %s\n", i, argv[i]);
	for (p = envp; *p; p++) if (!strncmp(*p, "CASE_", 5)) puts(*p);
	return 0;
}
