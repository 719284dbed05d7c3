// Which definition wins: each variable is defined in two or three of the files in different ways.
#include <stdio.h>
extern int weak_strong, common_strong, weak_common, weak_weak, common_lib, weak_lib, only_lib, common_common[];
int common_strong;
int weak_common;
int common_lib;
int common_common[4];
int common_weak_lib;
__attribute__((weak)) extern int nowhere;
__attribute__((weak)) int nowhere_f(void);
int lib_sees(int which), lib_calls(void);
int called_by_lib(void) { return 33; }
int main(void) {
  printf("%d %d %d %d %d %d %d\n", weak_strong, common_strong, weak_common, weak_weak, common_lib, weak_lib, only_lib);
  common_common[15] = 5, only_lib = 9, common_lib = 6;
  for (int i = 0; i < 6; i++)
    printf("%d ", lib_sees(i));
  printf("%d\n%d %d %d\n", lib_calls(), common_weak_lib, &nowhere == 0, nowhere_f == 0);
  return 0;
}
