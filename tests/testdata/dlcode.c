/* What loaded code asks of its loader, and what it gets. Prints names without
 * their folders, so that the output does not depend on where it runs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "say.h"

static const char *base(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : 0;
	return !path ? "(null)" : slash ? slash + 1 : path;
}
static const char *truth(int v) { return v ? "yes" : "no"; }
int probe_me(void) { return WHICH; }
int dlcode_data = 42;
static int hidden_function(void) { return 1; }

long by_default(void)
{
	int (*f)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "probe_me");
	return f ? f() : -1;
}
long by_next(void)
{
	int (*f)(void) = (int (*)(void))dlsym(RTLD_NEXT, "probe_me");
	return f ? f() : -1;
}
long next_of_libc(void)
{
	void *(*p)(size_t) = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
	void *m = p ? p(10) : 0;
	free(m);
	return m != 0;
}
long versioned(void)
{
	void *a = dlvsym(RTLD_DEFAULT, "memcpy", "GLIBC_2.2.5"), *b = dlvsym(RTLD_DEFAULT, "memcpy", "GLIBC_2.14");
	void *c = dlvsym(RTLD_DEFAULT, "memcpy", "GLIBC_9.9");
	say("  versions %s %s %s %s\n", truth(a != 0), truth(b != 0), truth(c != 0), truth(a != b));
	return 0;
}
long addresses(void)
{
	Dl_info i;
	struct link_map *map = 0;
	memset(&i, 0, sizeof i);
	say("  function %d", dladdr((void *)probe_me, &i) != 0);
	say(" %s %s %s\n", base(i.dli_fname), i.dli_sname ? i.dli_sname : "-", truth(i.dli_saddr == (void *)probe_me));
	say("  data %d", dladdr((char *)&dlcode_data + 2, &i) != 0);
	say(" %s %s %s\n", base(i.dli_fname), i.dli_sname ? i.dli_sname : "-", truth(i.dli_saddr == &dlcode_data));
	say("  static %d", dladdr((void *)hidden_function, &i) != 0);
	say(" %s\n", base(i.dli_fname));
	say("  stack %d\n", dladdr(&i, &i) != 0);
	const ElfW(Sym) *sym = 0;
	say("  dladdr1 %d", dladdr1((void *)probe_me, &i, (void **)&map, RTLD_DL_LINKMAP) != 0);
	say(" %s %s\n", map ? base(map->l_name) : "-", truth(map && (void *)map->l_addr == i.dli_fbase));
	say("  dladdr1 symbol %d", dladdr1((void *)probe_me, &i, (void **)&sym, RTLD_DL_SYMENT) != 0);
	say(" %s\n", truth(sym && ELF64_ST_TYPE(sym->st_info) == STT_FUNC && map && sym->st_value + map->l_addr == (ElfW(Addr))probe_me));
	say("  libc %d", dladdr((void *)dlsym(RTLD_DEFAULT, "qsort"), &i) != 0);
	say(" %s %s\n", base(i.dli_fname), i.dli_sname ? i.dli_sname : "-");
	return 0;
}
long errors(void)
{
	dlerror();
	say("  none before %s\n", truth(dlerror() == 0));
	void *h = dlopen("libno_such_library_of_weld.so", RTLD_NOW);
	const char *text = dlerror();
	say("  open %s, message names it %s", truth(h != 0), truth(text && strstr(text, "libno_such_library_of_weld.so")));
	say(", then none %s\n", truth(dlerror() == 0));
	void *s = dlsym(RTLD_DEFAULT, "no_such_symbol_of_weld");
	text = dlerror();
	say("  symbol %s, message names it %s\n", truth(s != 0), truth(text && strstr(text, "no_such_symbol_of_weld")));
	say("  bad mode %s", truth(dlopen("libc.so.6", 0) != 0));
	say(" %s\n", truth(dlerror() != 0));
	return 0;
}
long opens(void)
{
	void *h = dlopen("libdlplug.so", RTLD_NOW);	/* by this library's own RUNPATH */
	if (!h) {
		say("  refused\n");
		return -1;
	}
	long (*f)(void) = (long (*)(void))dlsym(h, "plug_value");
	long v = f ? f() : -2;
	void *again = dlopen("libdlplug.so", RTLD_NOW | RTLD_NOLOAD);
	say("  same handle %s\n", truth(again == h));
	struct link_map *map;
	char origin[4096];
	say("  linkmap %s", truth(dlinfo(h, RTLD_DI_LINKMAP, &map) == 0));
	say(" %s", base(map->l_name));
	say(" origin %s", truth(dlinfo(h, RTLD_DI_ORIGIN, origin) == 0));
	say(" %s\n", base(origin));
	Lmid_t id = 77;
	say("  namespace %d", dlinfo(h, RTLD_DI_LMID, &id));
	say(" %ld\n", (long)id);
	say("  close %d %d\n", dlclose(again), dlclose(h));
	say("  gone %s\n", truth(dlopen("libdlplug.so", RTLD_NOW | RTLD_NOLOAD) == 0));
	return v;
}
static int in_self(struct dl_phdr_info *info, size_t size, void *data)
{
	int *n = data;
	if (!strncmp(base(info->dlpi_name), "libdl", 5)) {
		int loads = 0, holds = 0;
		for (int i = 0; i < info->dlpi_phnum; i++) {
			const ElfW(Phdr) *p = &info->dlpi_phdr[i];
			loads += p->p_type == PT_LOAD;
			holds += p->p_type == PT_LOAD && (ElfW(Addr))&in_self - info->dlpi_addr - p->p_vaddr < p->p_memsz;
		}
		say("  %s segments %s holds me %d counters %s\n", base(info->dlpi_name), truth(loads > 1), holds,
		    truth(size >= offsetof(struct dl_phdr_info, dlpi_tls_data) && info->dlpi_adds >= info->dlpi_subs));
	}
	if (!strcmp(base(info->dlpi_name), "libc.so.6"))
		n[0]++;
	n[1]++;
	return 0;
}
static int stop(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)info, (void)size;
	return ++*(int *)data == 2 ? 77 : 0;
}
long objects(void)
{
	int n[2] = {0, 0}, calls = 0;
	int r = dl_iterate_phdr(in_self, n);
	say("  iterate %d, libc %d times, more than two %s\n", r, n[0], truth(n[1] > 2));
	r = dl_iterate_phdr(stop, &calls);
	say("  stopped %d after %d\n", r, calls);
	return 0;
}
long spaces(void)
{
	void *h = dlmopen(LM_ID_BASE, "libdlplug.so", RTLD_NOW);
	say("  base %s\n", truth(h != 0));
	if (h)
		dlclose(h);
	return 0;
}
long self(void)
{
	void *h = dlopen(0, RTLD_LAZY);
	say("  main %s, finds libc's %s\n", truth(h != 0), truth(h && dlsym(h, "qsort") != 0));
	return 0;
}
#if __GLIBC_PREREQ(2, 35)
long find_object(void)
{
	struct dl_find_object o;
	int r = _dl_find_object((void *)probe_me, &o);
	say("  found %d %s", r, r ? "-" : base(o.dlfo_link_map->l_name));
	say(" in range %s", truth(!r && o.dlfo_map_start <= (void *)probe_me && (void *)probe_me < o.dlfo_map_end));
	say(" unwind table %s\n", truth(!r && o.dlfo_eh_frame != 0));
	say("  stack %s\n", truth(_dl_find_object(&o, &o) == 0));
	return 0;
}
#endif
