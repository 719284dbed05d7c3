// Usage: dlsym LIB; each line of the input is "NAME" or "NAME VERSION".
// For each prints the address of the symbol less the library's, or "-" if it
// is not in the library.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	void *lib = dlopen(argv[1], RTLD_LAZY);
	if (!lib) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	struct link_map *map;
	dlinfo(lib, RTLD_DI_LINKMAP, &map);
	static char line[1 << 16], name[1 << 16], version[1 << 16];
	while (fgets(line, sizeof line, stdin)) {
		int n = sscanf(line, "%s %s", name, version);
		void *p = n == 2 ? dlvsym(lib, name, version) : dlsym(lib, name);
		Dl_info info;
		struct link_map *in = 0;
		if (p && dladdr1(p, &info, (void **)&in, RTLD_DL_LINKMAP) && in == map)
			printf("%lx\n", (unsigned long)((char *)p - map->l_addr));
		else
			printf("-\n");
	}
	return 0;
}
