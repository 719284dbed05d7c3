// A library with versions, all kinds of data, an indirect function, and thread-local variables.
#include <stdio.h>
int shared_var = 42;
int *pointer_to_shared = &shared_var;
__thread int tls_var = 7;
static __thread int tls_local = 3;
static __thread int tls_local2 = 4;
int old_f(void) { return 1; }
int new_f(void) { return 2; }
__asm__(".symver old_f,f@V1");
__asm__(".symver new_f,f@@V2");
int g(void) { return shared_var + tls_var + tls_local++ + tls_local2; }
const char *const read_only = "read only";
static int chosen(void) { return 99; }
static void *resolver(void) { return chosen; }
int indirect(void) __attribute__((ifunc("resolver")));
int call_indirect(void) { return indirect(); }
int hidden_thing __attribute__((visibility("hidden"))) = 5;
int interposed(void) { return 10; }
int call_interposed(void) { return interposed(); }
int protected_f(void) __attribute__((visibility("protected")));
int protected_f(void) { return hidden_thing; }
int call_protected(void) { return protected_f(); }
static void (*const table[])(void) = {0, (void (*)(void))g, (void (*)(void))chosen};
int table_ok(void) { return table[1] == (void (*)(void))g; }
__attribute__((constructor)) static void begin(void) { printf("library begins\n"); }
__attribute__((destructor)) static void end(void) { printf("library ends\n"); }
