// What a library sees of code that is made while it runs.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern int gen(void);
extern int gen_value;
extern int other(void) __attribute__((weak));

// By way of the PLT or, with -fno-plt, of a word in RELRO.
int call_gen(void) { return gen() + 1; }

int (*pointer)(void) = gen;
int call_pointer(void) { return pointer() + 1; }

int read_value(void) { return gen_value; }

int has_other(void) { return other != 0; }

// Calls gen until *stop, and returns the number of results that are not one of from to to, or smaller than the one before.
long call_often(volatile int *stop, int from, int to, long *calls)
{
	long bad = 0, n = 0;
	int last = from;
	while (!*stop) {
		int v = gen();
		if (v < last || v > to)
			bad++;
		last = v;
		n++;
	}
	*calls = n;
	return bad;
}

int by_default(const char *name)
{
	int (*f)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, name);
	return f ? f() : -1;
}

int by_next(const char *name)
{
	int (*f)(void) = (int (*)(void))dlsym(RTLD_NEXT, name);
	return f ? f() : -1;
}

// With the handle that an address leads to.
int by_handle(void *pc, const char *name, const char *version)
{
	Dl_info info;
	struct link_map *map = 0;
	if (!dladdr1(pc, &info, (void **)&map, RTLD_DL_LINKMAP))
		return -2;
	int (*f)(void) = (int (*)(void))(*version ? dlvsym(map, name, version) : dlsym(map, name));
	return f ? f() : -1;
}

// The name and file of an address, and what the symbol's entry says.
const char *describe(void *pc)
{
	static char text[4096];
	Dl_info info;
	ElfW(Sym) *sym = 0;
	if (!dladdr1(pc, &info, (void **)&sym, RTLD_DL_SYMENT))
		return "nothing";
	snprintf(text, sizeof text, "%s at %d of size %d in %s", info.dli_sname ? info.dli_sname : "?",
		info.dli_saddr ? (int)((char *)pc - (char *)info.dli_saddr) : -1, sym ? (int)sym->st_size : -1, info.dli_fname);
	return text;
}

struct wanted {
	char *pc;
	int found;
};

static int visit(struct dl_phdr_info *info, size_t size, void *data)
{
	struct wanted *w = data;
	int text = 0, frames = 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		char *start = (char *)info->dlpi_addr + p->p_vaddr;
		if (p->p_type == PT_LOAD && p->p_flags & PF_X && w->pc >= start && w->pc < start + p->p_memsz)
			text = 1;
		if (p->p_type == PT_GNU_EH_FRAME && *start == 1) // its version
			frames = 1;
	}
	w->found += text && frames;
	return 0;
}

int iterate(void *pc)
{
	struct wanted w = {pc, 0};
	dl_iterate_phdr(visit, &w);
	return w.found;
}

// Whether the unwinder's table for an address is in the object, -1 if there is none.
int find_object(void *pc)
{
	struct dl_find_object r;
	if (_dl_find_object(pc, &r))
		return -1;
	return (char *)pc >= (char *)r.dlfo_map_start && (char *)pc < (char *)r.dlfo_map_end && *(char *)r.dlfo_eh_frame == 1;
}

// What stack lists from here.
const char *frames(void)
{
	static char text[1 << 14];
	void *list[32];
	int n = backtrace(list, 32);
	char **names = backtrace_symbols(list, n);
	text[0] = 0;
	for (int i = 0; i < n; i++) {
		char *open = strchr(names[i], '(');
		strncat(text, open ? open : names[i], 100);
		strcat(text, " ");
	}
	free(names);
	return text;
}
