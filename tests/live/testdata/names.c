/* Imports, renames and keeps generated functions. argv[1] is where to. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include "weld/dlbind.h"

int ours(void) { return 42; }

/* jumps makes a function that goes on where an import leads. */
static void *jumps(void *o, const char *name, const struct dlimported *to)
{
	unsigned char code[] = {0xe9, 0, 0, 0, 0};
	char *at = dlalloc(o, sizeof code, SHF_EXECINSTR);
	int distance = (int)((char *)to->plt - (at + sizeof code));

	memcpy(code + 1, &distance, sizeof distance);
	return at && !dlwrite(o, at, code, sizeof code) && dlbind(o, name, at, 0, STT_FUNC) ? at : NULL;
}

static int call(void *f)
{
	int (*g)(void);

	memcpy(&g, &f, sizeof g);
	return f ? g() : -1;
}

static void wrong(int r)
{
	puts(r == -1 ? dlerror() : "no error");
}

int main(int argc, char **argv)
{
	static const unsigned char seven[] = {0xb8, 7, 0, 0, 0, 0xc3};
	void *o = dlcreate("names"), *f, *g, *kept;
	struct dlimported to, none, missing;

	if (argc != 2 || !o || dlimport(o, "missing", 0, NULL, &missing))
		return puts(dlerror()), 1;
	printf("undefined: %d\n", dlcommit(o) == -1 && strstr(dlerror(), "missing"));
	if (!(g = dlalloc(o, sizeof seven, SHF_EXECINSTR)) || dlwrite(o, g, seven, sizeof seven) || !dlbind(o, "missing", g, 0, STT_FUNC))
		return puts(dlerror()), 1;
	if (dlimport(o, "ours", 0, NULL, &to) || dlimport(o, "nobody", DL_WEAK, NULL, &none) || !(f = jumps(o, "f", &to)) || dlcommit(o))
		return puts(dlerror()), 1;
	printf("bound: %d\n", *missing.slot == g);
	printf("called: %d %d %d\n", call(f), call(*to.slot), !*none.slot);
	if (dlrename(o, "f", "other", 0) || dlcommit(o))
		return puts(dlerror()), 1;
	printf("renamed: %d %d\n", dlsym(o, "other") == f, dlsym(o, "f") != NULL);
	if (!dlbind(o, "first", g, 0, STT_FUNC) || dlrename(o, "other", "missing", DL_REPLACE) || dlrename(o, "missing", "other", 0) ||
	    dlrename(o, "first", "missing", 0) || dlcommit(o))
		return puts(dlerror()), 1;
	printf("replaced: %d\n", call(dlsym(o, "missing")));
	if (dlsave(o, argv[1]) || !(kept = dlopen(argv[1], RTLD_NOW)))
		return puts(dlerror()), 1;
	printf("kept: %d %d\n", call(dlsym(kept, "other")), dlsym(kept, "other") == f);
	wrong(dlimport(o, "missing", 1, NULL, &to));
	wrong(dlimport(o, "abs", 0, NULL, NULL));
	wrong(dlimport(o, "abs", 0, "", &to));
	wrong(dlrename(o, "other", "x", 2));
	wrong(dlrename(o, "nobody", "x", 0));
	wrong(dlrename(o, "other", "", 0));
	wrong(dlsave(o, ""));
	wrong(dlsave(o, "/dev/null/x"));
	return 0;
}
