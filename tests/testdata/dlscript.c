/* Runs a script of dl operations, read from standard input, through the
 * system's own dynamic linker. The child "dlscript" of the tests runs the same
 * script through weld; what they print has to be the same.
 *
 *	open H FILE FLAG,...        dlopen; flags now lazy global nodelete noload deepbind
 *	close H                     dlclose
 *	int H NAME [N ...]          call long NAME(long, ...) with up to six arguments
 *	dbl H NAME [X ...]          call double NAME(double, ...) with up to eight
 *	str H NAME                  call const char *NAME(void)
 *	var H NAME                  read an int
 *	sym H NAME [VERSION]        where dlsym or dlvsym finds it
 *	perm H NAME                 protection of the page it lies in
 *	loaded FILE                 what RTLD_NOLOAD says
 *	exit N                      exit(N); without it the end is _exit(0)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdarg.h>
#include <unistd.h>

static void say(const char *format, ...)
{
	char text[8192];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (write(1, text, n) != n)
		_exit(99);
}

static int flags(char *list)
{
	int f = 0;
	for (char *w = strtok(list, ","); w; w = strtok(0, ",")) {
		if (!strcmp(w, "now")) f |= RTLD_NOW;
		if (!strcmp(w, "lazy")) f |= RTLD_LAZY;
		if (!strcmp(w, "global")) f |= RTLD_GLOBAL;
		if (!strcmp(w, "nodelete")) f |= RTLD_NODELETE;
		if (!strcmp(w, "noload")) f |= RTLD_NOLOAD;
		if (!strcmp(w, "deepbind")) f |= RTLD_DEEPBIND;
	}
	return f;
}

static struct { char name[64]; void *handle; } handles[4096];

static void **handle(const char *name)
{
	for (int i = 0; i < 4096; i++) {
		if (!handles[i].name[0])
			strncpy(handles[i].name, name, sizeof handles[i].name - 1);
		if (!strcmp(handles[i].name, name))
			return &handles[i].handle;
	}
	_exit(98);
}

struct where { ElfW(Addr) addr; char text[4096]; };

static int find(struct dl_phdr_info *info, size_t size, void *data)
{
	struct where *w = data;
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		if (p->p_type == PT_LOAD && w->addr - info->dlpi_addr - p->p_vaddr < p->p_memsz) {
			const char *slash = strrchr(info->dlpi_name, '/');
			snprintf(w->text, sizeof w->text, "%s+%#lx", slash ? slash + 1 : info->dlpi_name,
				 (unsigned long)(w->addr - info->dlpi_addr));
			return 1;
		}
	}
	return 0;
}

static void protection(void *addr)
{
	char line[4096], perm[8];
	unsigned long from, to;
	FILE *f = fopen("/proc/self/maps", "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "%lx-%lx %7s", &from, &to, perm) == 3 && from <= (unsigned long)addr && (unsigned long)addr < to)
			say("%s\n", perm);
	if (f)
		fclose(f);
}

int main(void)
{
	char line[4096], *w[16];
	while (fgets(line, sizeof line, stdin)) {
		int n = 0;
		for (char *p = strtok(line, " \n"); p && n < 15; p = strtok(0, " \n"))
			w[n++] = p;
		w[n] = 0;
		if (n == 0)
			continue;
		for (int i = 0; i < n; i++)
			say("%s%s", w[i], i + 1 < n ? " " : ": ");
		if (!strcmp(w[0], "exit"))
			say("\n"), exit(atoi(w[1]));
		if (!strcmp(w[0], "loaded")) {
			void *h = dlopen(w[1], RTLD_LAZY | RTLD_NOLOAD);
			say(h ? "yes\n" : "no\n");
			if (h)
				dlclose(h);
			continue;
		}
		void **h = handle(w[1]);
		if (!strcmp(w[0], "open")) {
			*h = dlopen(w[2], flags(w[3]));
			say(*h ? "ok\n" : "refused\n");
			if (!*h && getenv("DLSCRIPT_VERBOSE"))
				fprintf(stderr, "%s\n", dlerror());
			continue;
		}
		if (!*h) {
			say("not open\n");
			continue;
		}
		if (!strcmp(w[0], "close")) {
			say(dlclose(*h) ? "error\n" : "ok\n");
			*h = 0;
			continue;
		}
		dlerror();
		void *addr = !strcmp(w[0], "sym") && n > 3 ? dlvsym(*h, w[2], w[3]) : dlsym(*h, w[2]);
		if (dlerror()) {
			say("none\n");
			continue;
		}
		if (!strcmp(w[0], "int")) {
			long a[6] = {0};
			for (int i = 3; i < n && i < 9; i++)
				a[i - 3] = atol(w[i]);
			say("%ld\n", ((long (*)(long, long, long, long, long, long))addr)(a[0], a[1], a[2], a[3], a[4], a[5]));
		} else if (!strcmp(w[0], "dbl")) {
			double a[8] = {0};
			for (int i = 3; i < n && i < 11; i++)
				a[i - 3] = atof(w[i]);
			say("%.6f\n", ((double (*)(double, double, double, double, double, double, double, double))addr)(
					      a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7]));
		} else if (!strcmp(w[0], "str")) {
			say("%s\n", ((const char *(*)(void))addr)());
		} else if (!strcmp(w[0], "var")) {
			say("%d\n", *(int *)addr);
		} else if (!strcmp(w[0], "sym")) {
			struct where where = {(ElfW(Addr))addr, "outside"};
			dl_iterate_phdr(find, &where);
			say("%s\n", where.text);
		} else if (!strcmp(w[0], "perm")) {
			protection(addr);
		} else {
			say("what?\n");
			return 97;
		}
	}
	_exit(0);
}
