// An ordinary program that opens the library of its argument.
#include <dlfcn.h>
#include <stdio.h>

__attribute__((noinline)) int show(const char *name)
{
	return printf("%s\n", name) > 0 ? 3 : 0;
}

int main(int argc, char **argv)
{
	int three = show(argv[0]);
	for (int i = 0; i < 2; i++) {
		void *handle = dlopen(argv[1], RTLD_NOW);
		if (!handle)
			return puts(dlerror());
		int (*add)(int, int) = (int (*)(int, int))dlsym(handle, "add_numbers");
		printf("%d\n", add(40 + i, three));
		dlclose(handle);
	}
	return argc - 2;
}
