// A library that is opened at run time, by a path relative to the program's.
// lib: LIB
// parts: MAIN
// link: pie | no-pie
// nolib: yes
#ifdef LIB
#include <stdio.h>
static __thread int per_thread = 4;
__attribute__((constructor)) static void c(void) { puts("opened"); }
int f(void) { return per_thread; }
#else
#include <dlfcn.h>
#include <stdio.h>
int main(int argc, char **argv) {
	void *lib = dlopen(argv[1], RTLD_NOW);
	if (!lib) return printf("%s\n", dlerror()), 1;
	printf("%d\n", ((int (*)(void))dlsym(lib, "f"))());
	return dlclose(lib);
}
#endif
