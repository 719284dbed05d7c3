/* keep FILE: opens a file that was an object, and says what it finds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#ifdef __GLIBC__
#include <execinfo.h>
#endif

static int frames;

__attribute__((noinline)) static void back(void)
{
#ifdef __GLIBC__
	void *pc[64];
	int n = backtrace(pc, 64);
	frames = 0;
	for (int i = 0; i < n; i++) {
		Dl_info d;
		if (dladdr(pc[i], &d) && d.dli_sname && !strcmp(d.dli_sname, "keep_main"))
			frames = i;
	}
#endif
}

static int call(void *lib, const char *name)
{
	int (*f)(void) = (int (*)(void))dlsym(lib, name);
	return f ? f() : -1;
}

__attribute__((noinline)) int keep_main(int argc, char **argv)
{
	void *lib = dlopen(argv[1], RTLD_NOW);
	if (!lib) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	printf("one=%d two=%d\n", call(lib, "one"), call(lib, "two"));
	printf("hidden=%p gone=%p\n", dlsym(lib, "hidden"), dlsym(lib, "gone"));
	int *data = dlsym(lib, "data"), *bss = dlsym(lib, "bss");
	const int *ro = dlsym(lib, "ro");
	printf("data=%d ro=%d bss=%d\n", *data, *ro, *bss);
	*data = *bss = 5;
	Dl_info d;
	void *one = dlsym(lib, "one");
	if (dladdr((char *)one + 3, &d))
		printf("dladdr=%s\n", d.dli_sname);
	void (*via)(void (*)(void)) = (void (*)(void (*)(void)))dlsym(lib, "via");
	void (*bare)(void (*)(void)) = (void (*)(void (*)(void)))dlsym(lib, "bare");
	via(back);
	printf("via=%d\n", frames);
	bare(back);
	printf("bare=%d\n", frames);
#ifdef __GLIBC__
	int (*v1)(void) = (int (*)(void))dlvsym(lib, "versioned", "V1");
	int (*v2)(void) = (int (*)(void))dlvsym(lib, "versioned", "V2");
	printf("V1=%d V2=%d default=%d V3=%p\n", v1(), v2(), call(lib, "versioned"), dlvsym(lib, "versioned", "V3"));
#endif
	return dlclose(lib);
}

int main(int argc, char **argv)
{
	int r = keep_main(argc, argv);
	printf("end\n");
	return r;
}
