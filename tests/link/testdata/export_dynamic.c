// What the program exports, dlsym finds.
// link: pie -E | no-pie --export-dynamic | pie --export-dynamic-symbol=wanted | pie
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
int wanted(void) { return 1; }
int main(void) { printf("%d\n", dlsym(RTLD_DEFAULT, "wanted") == (void *)wanted && dlsym(RTLD_DEFAULT, "wanted")); return 0; }
