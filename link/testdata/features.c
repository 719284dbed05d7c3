// Uses everything of features_lib.c, by value and by address, and has the same things itself.
#include <stdio.h>
extern int shared_var, *pointer_to_shared;
extern __thread int tls_var;
int f(void), g(void), indirect(void), call_indirect(void), call_interposed(void), protected_f(void), call_protected(void), table_ok(void);
extern const char *const read_only;
int (*f_pointer)(void) = f;
int (*indirect_pointer)(void) = indirect;

int interposed(void) { return 20; } // taken by the library too

static int chosen(void) { return 77; }
static void *resolver(void) { return chosen; }
int own_indirect(void) __attribute__((ifunc("resolver")));
static int local_indirect(void) __attribute__((ifunc("resolver")));
int (*own_pointer)(void) = own_indirect;
int (*local_pointer)(void) = local_indirect;

int missing(void) __attribute__((weak));
int weak_defined(void) __attribute__((weak));
int weak_defined(void) { return 1; }

int common, common_array[100];
__thread int tls_own;
static __thread int tls_own_local = 9;
__thread char tls_aligned[100] __attribute__((aligned(64)));

__attribute__((constructor(200))) static void c200(void) { printf("priority 200\n"); }
__attribute__((constructor(101))) static void c101(void) { printf("priority 101\n"); }
__attribute__((constructor)) static void c(void) { printf("no priority\n"); }
__attribute__((destructor(102))) static void d102(void) { printf("last\n"); }

struct item { const char *name; int value; };
#define ITEM(n, v) static const struct item item_##n __attribute__((section("items"), used)) = {#n, v}
ITEM(one, 1);
ITEM(two, 2);
extern const struct item __start_items[], __stop_items[];
extern char __ehdr_start[], _end[], __bss_start[], _edata[], _etext[];

int main(int argc, char **argv) {
  tls_var++, tls_own += 3, tls_own_local++, shared_var++;
  printf("%d %d %d %d %s\n", shared_var, tls_var, f(), g(), read_only);
  printf("%d %d %d %d %d %d\n", indirect(), call_indirect(), f_pointer(), indirect_pointer(), own_pointer(), local_pointer());
  printf("%d %d %d %d\n", own_indirect(), local_indirect(), tls_own, tls_own_local);
  printf("%d %d %d %d\n", f_pointer == f, pointer_to_shared == &shared_var, call_interposed(), table_ok());
  printf("%d %d %d\n", protected_f(), call_protected(), weak_defined());
  if (missing)
    printf("%d\n", missing());
  printf("%d %d\n", common + common_array[3], (int)((unsigned long)tls_aligned % 64));
  for (const struct item *i = __start_items; i < __stop_items; i++)
    printf("%s %d\n", i->name, i->value);
  printf("%d %d %d\n", __ehdr_start[1] == 'E', __bss_start <= _end, _edata <= _end && _etext <= _edata);
  return argc + 4;
}
