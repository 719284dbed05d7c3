/* What a program does that was written for libdlbind (its test elfproto-simple): it makes the text writable and back by
   mprotect, copies functions there, and has dlreload make all known. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "weld/dlbind.h"

static const unsigned char get_42[] = {0xb8, 42, 0, 0, 0, 0xc3}, get_43[] = {0xb8, 43, 0, 0, 0, 0xc3}; /* mov $n, %eax; ret */

static int copy(void *to, const void *code, size_t size)
{
	void *page = (void *)((size_t)to & ~4095ul);

	if (mprotect(page, 8192, PROT_READ | PROT_WRITE))
		return -1;
	memcpy(to, code, size);
	return mprotect(page, 8192, PROT_READ | PROT_EXEC);
}

int main(void)
{
	void *lib = dlcreate(NULL), *f;
	int *number = lib ? dlalloc(lib, sizeof *number, SHF_WRITE) : NULL;

	if (!number || dlbind(lib, "my_int", number, sizeof *number, STT_OBJECT) != lib || dlreload(lib) != lib)
		return puts(dlerror());
	*number = 69105;
	if (!(f = dlalloc(lib, 64, SHF_EXECINSTR)) || copy(f, get_42, sizeof get_42) ||
	    dlbind(lib, "my_func", f, sizeof get_42, STT_FUNC) != lib || dlreload(lib) != lib)
		return puts(dlerror());
	printf("%d %d\n", dlsym(lib, "my_int") == number, dlsym(lib, "my_func") == f);
	printf("%d %d\n", ((int (*)(void))f)(), *number);
	if (copy(f, get_43, sizeof get_43) || dlreload(lib) != lib)
		return puts(dlerror());
	printf("%d %d\n", ((int (*)(void))f)(), *number);
	/* The next code shares the page. */
	if (!(f = dlalloc(lib, sizeof get_42, SHF_EXECINSTR)) || dlwrite(lib, f, get_42, sizeof get_42) || dlreload(lib) != lib)
		return puts(dlerror());
	printf("%d %d\n", ((int (*)(void))f)(), ((int (*)(void))dlsym(lib, "my_func"))());
	return dldelete(lib);
}
