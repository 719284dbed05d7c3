/* A library that says when its initialisers and finalisers run. NAME is its
 * name as a string; -Wl,-init,legacy_init,-fini,legacy_fini add the old kind.
 * With OPENS the constructor opens that library and the destructor closes it. */
#include <dlfcn.h>
#include "say.h"

__attribute__((constructor(200))) static void early(void) { say("  " NAME " constructor 200\n"); }
__attribute__((constructor(300))) static void later(void) { say("  " NAME " constructor 300\n"); }
__attribute__((destructor(200))) static void last(void) { say("  " NAME " destructor 200\n"); }
__attribute__((destructor(300))) static void first(void) { say("  " NAME " destructor 300\n"); }
void legacy_init(void) { say("  " NAME " DT_INIT\n"); }
void legacy_fini(void) { say("  " NAME " DT_FINI\n"); }

#ifdef OPENS
static void *opened;
__attribute__((constructor)) static void open_it(void)
{
	say("  " NAME " opens " OPENS "\n");
	opened = dlopen(OPENS, RTLD_NOW);
	say("  " NAME " has opened " OPENS ": %s\n", opened ? "ok" : "refused");
}
__attribute__((destructor)) static void close_it(void)
{
	say("  " NAME " closes " OPENS "\n");
	if (opened)
		say("  " NAME " has closed it: %d\n", dlclose(opened));
}
#endif

/* DT_INIT_ARRAY functions get argc, argv and envp. */
static void with_arguments(int argc, char **argv, char **envp)
{
	say("  " NAME " arguments %s\n", argc > 0 && argv && argv[0] && !argv[argc] && envp ? "ok" : "missing");
}
__attribute__((section(".init_array"), used)) static void (*with)(int, char **, char **) = with_arguments;

int id(void) { return sizeof NAME; }
