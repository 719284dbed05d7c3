// With --gc-sections the functions that nothing calls go, and those that are reached in roundabout ways stay.
#include <stdio.h>
int unused_but_big(void) { return printf("never\n"); }
static int kept_by_pointer(void) { return 5; }
static int (*pointers[])(void) = {kept_by_pointer};
__attribute__((constructor)) static void first(void) { printf("constructor\n"); }
static const int value __attribute__((section("values"), used)) = 11;
extern const int __start_values[], __stop_values[];
int main(void) {
  printf("%d %d\n", pointers[0](), (int)(__stop_values - __start_values));
  return 0;
}
