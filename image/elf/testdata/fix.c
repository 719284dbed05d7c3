// A library with one of everything that the reader reads.
#include <stdio.h>
#include <string.h>

int data = 1;
int *pdata = &data;
static int arr[4];
int *const table[] = {&arr[0], &arr[1], &arr[2], &arr[3]};
__thread int tls_var = 5;
static __thread int tls_local = 6;
extern int weak_undefined(void) __attribute__((weak));
int weak_defined(void) __attribute__((weak));
int weak_defined(void) { return weak_undefined ? weak_undefined() : tls_local++; }
__attribute__((visibility("hidden"))) int hidden_fn(void) { return tls_var; }
__attribute__((visibility("protected"))) int protected_fn(void) { return hidden_fn(); }

// f: two old versions and a default. g: one old version, no default.
// h: two old versions, no default. d: a default only.
int f1(void) { return 1; }
int f2(void) { return 2; }
int f3(void) { return 3; }
int g1(void) { return 11; }
int h1(void) { return 21; }
int h2(void) { return 22; }
int d1(void) { return 31; }
__asm__(".symver f1, f@V1");
__asm__(".symver f2, f@V2");
__asm__(".symver f3, f@@V3");
__asm__(".symver g1, g@V1");
__asm__(".symver h1, h@V1");
__asm__(".symver h2, h@V2");
__asm__(".symver d1, d@@V2");

int base_fn(void) { return (int)strlen("base"); }

static int impl(void) { return 41; }
static int (*resolve(void))(void) { return impl; }
int ifunc_fn(void) __attribute__((ifunc("resolve")));

__asm__(".data\n.globl unique_obj\n.type unique_obj,@gnu_unique_object\n"
	".size unique_obj,4\nunique_obj: .long 7\n.text\n"
	".globl abs_zero\n.set abs_zero, 0\n.type abs_zero,@notype\n");

__attribute__((constructor)) static void start(void) { arr[0]++; }
__attribute__((destructor)) static void stop(void)
{
	if (arr[0] == 0)
		puts("stopped before it was started");
}
