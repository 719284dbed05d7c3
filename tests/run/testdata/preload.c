// A library to be preloaded: it stands in front of the C library.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>
uid_t geteuid(void) { return 4242; }
uid_t getuid(void) { return 4242; }
int puts(const char *s) { int (*next)(const char *) = dlsym(RTLD_NEXT, "puts"); next("preloaded:"); return next(s); }
__attribute__((constructor)) static void start(void) { write(2, "preload starts\n", 15); }
