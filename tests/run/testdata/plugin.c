// A library that is opened by the programs here. NAME is its own.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
static __thread int counter = 10;
__attribute__((constructor)) static void opened(void) { fprintf(stderr, "opened %s\n", NAME); }
__attribute__((destructor)) static void closed(void) { fprintf(stderr, "closed %s\n", NAME); }
extern int of_program(int) __attribute__((weak));
const char *name(void) { return NAME; }
int count(void) { return ++counter; }
int call_back(int x) { return of_program ? of_program(x) : -1; }
const char *whose(void *p) { Dl_info i; return dladdr(p, &i) && i.dli_sname ? i.dli_sname : "?"; }
