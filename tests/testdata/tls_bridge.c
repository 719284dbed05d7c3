/* Lets a thread of libearly look at libtls. */
#define _GNU_SOURCE
#include <dlfcn.h>
long finish(void)
{
	void *early = dlopen("libearly.so", RTLD_NOW | RTLD_NOLOAD), *tls = dlopen("libtls.so", RTLD_NOW | RTLD_NOLOAD);
	if (!early || !tls)
		return -1;
	long (*finish_early)(long (*)(void)) = (long (*)(long (*)(void)))dlsym(early, "finish_early");
	return finish_early((long (*)(void))dlsym(tls, "sum"));
}
