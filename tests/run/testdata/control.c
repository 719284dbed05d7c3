// Floating-point control words and flags over calls of the run-time linker, from the program, from a signal handler, which
// has the default ones, and from initialisers, which may change them.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fenv.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <xmmintrin.h>

static int precision(void) {
	unsigned short cw;
	__asm__ volatile("fnstcw %0" : "=m"(cw));
	return cw >> 8 & 3;
}

static void show(const char *when) {
	int flags = fetestexcept(FE_ALL_EXCEPT);
	printf("%s: rounding %#x, unmasked %#x, flush %d, precision %d, flags %#x\n", when, fegetround(), fegetexcept(), (_mm_getcsr() & 0x8040) != 0, precision(), flags);
}

static int each(struct dl_phdr_info *info, size_t size, void *data) {
	(void)info, (void)size, (void)data;
	return 1;
}

static void use(void) {
	for (int i = 0; i < 20; i++) {
		Dl_info info;
		void *h = dlopen("libcontrolled.so", RTLD_NOW);
		if (!h || !dlsym(h, "controlled"))
			puts(dlerror());
		dlsym(h, "nowhere");
		dladdr(dlerror(), &info);
		dl_iterate_phdr(each, NULL);
		if (h)
			dlclose(h);
	}
}

static void handler(int sig) {
	(void)sig;
	show("handler");
	use();
	show("handler after");
	fesetround(FE_TOWARDZERO);
	use();
	show("handler's own");
}

int main(void) {
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	use();
	show("default");
	signal(SIGUSR1, handler);
	volatile double one = 1, three = 3, x = one / three;
	use();
	show("inexact");
	fesetround(FE_UPWARD);
	use();
	show("upward");
	raise(SIGUSR1);
	show("after the handler");
	_mm_setcsr(_mm_getcsr() | 0x8040); // flush to zero, denormals are zeroes
	unsigned short cw = 0x27f;
	__asm__ volatile("fldcw %0" : : "m"(cw));
	use();
	show("flush");
	raise(SIGUSR1);
	show("after the handler");
	feclearexcept(FE_ALL_EXCEPT);
	feenableexcept(FE_ALL_EXCEPT); // inexact ones too: few calculations are left that do not trap
	use();
	int e = fegetexcept();
	fedisableexcept(FE_ALL_EXCEPT);
	printf("unmasked %#x\n", e);
	dlopen("libcontrols.so", RTLD_NOW);
	show("an initialiser's");
	use();
	show("an initialiser's, after");
	fesetenv(FE_DFL_ENV);
	use();
	show("default again");
	return x > one;
}
