// The dlfcn interface: from the program, from threads, after fork.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
int of_program(int x) { return x * 3; }
static int show(struct dl_phdr_info *i, size_t n, void *p) { const char *b = strrchr(i->dlpi_name, '/'); int *seen = p; ++*seen; if (*seen == 1) printf("first %s %d\n", *i->dlpi_name ? "named" : "unnamed", i->dlpi_phnum > 5); if (b && !strncmp(b, "/libplugin", 10)) printf("phdr of %s\n", b); return 0; }
static void *from_thread(void *p)
{
	char path[30]; sprintf(path, "./libplugin%ld.so", (long)p); void *h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!h) { puts(dlerror()); return 0; }
	int (*count)(void) = dlsym(h, "count"); int r = 0; for (int i = 0; i < 1000; i++) r = count();
	return (void *)(long)(r == 1010 && !strcmp(((char *(*)(void))dlsym(h, "name"))(), path + 5));
}
int main(void)
{
	setvbuf(stdout, 0, _IONBF, 0);
	void *h = dlopen("./libplugin0.so", RTLD_LAZY); if (!h) { puts(dlerror()); return 1; }
	int (*call)(int) = dlsym(h, "call_back"); printf("call back %d\n", call(14)); int n = 0; dl_iterate_phdr(show, &n);
	const char *(*whose)(void *) = dlsym(h, "whose"); printf("dladdr %s %s\n", whose(dlsym(h, "count")), whose((void *)of_program));
	Dl_info i; struct link_map *m; dladdr1((void *)of_program, &i, (void **)&m, RTLD_DL_LINKMAP); printf("%s, map \"%s\"\n", i.dli_fname, m->l_name);
	printf("again %d", dlopen("./libplugin0.so", RTLD_NOW) == h); printf(" noload %d", !dlopen("libnone.so", RTLD_NOLOAD | RTLD_NOW)); dlerror(); printf(" self %d\n", dlsym(dlopen(0, RTLD_NOW), "of_program") == (void *)of_program);
	printf("%s\n", dlsym(h, "nothing") ? "?" : dlerror()); printf("%s\n", dlopen("libno_such.so", RTLD_NOW) ? "?" : dlerror()); printf("quiet %d\n", dlerror() == 0);
	printf("next %d", dlsym(RTLD_NEXT, "of_program") == 0); dlerror(); printf(" default %d", dlsym(RTLD_DEFAULT, "printf") == (void *)printf); printf(" version %d\n", dlvsym(RTLD_DEFAULT, "pthread_create", "GLIBC_2.34") != 0);
	char *s = 0; dlinfo(h, RTLD_DI_LINKMAP, &m); printf("linkmap %s\n", strrchr(m->l_name, '/')); char origin[4096]; dlinfo(h, RTLD_DI_ORIGIN, origin); char whole[4096]; printf("origin %s\n", realpath(origin, whole));
	pthread_t t[8]; void *r; int ok = 0; for (long i = 1; i <= 8; i++) pthread_create(&t[i - 1], 0, from_thread, (void *)i); for (int i = 0; i < 8; i++) { pthread_join(t[i], &r); ok += (long)r; } printf("threads %d\n", ok);
	pid_t p = fork(); int st; if (!p) { void *h = dlopen("./libplugin9.so", RTLD_NOW); if (!h) { puts(dlerror()); _exit(1); } puts(((char *(*)(void))dlsym(h, "name"))()); dlclose(h); void *z = dlopen("libm.so.6", RTLD_LAZY); _exit(z && ((double (*)(double))dlsym(z, "sqrt"))(49) == 7 ? 7 : 8); } waitpid(p, &st, 0); printf("after fork %d\n", WEXITSTATUS(st));
	dlclose(h); printf("close %d", dlclose(h)); printf(" gone %d\n", !dlopen("./libplugin0.so", RTLD_NOW | RTLD_NOLOAD));
	return 0;
}
