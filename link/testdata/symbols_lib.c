int weak_strong = 100, common_lib = 101, weak_lib = 102, only_lib = 103;
__attribute__((weak)) int common_weak_lib = 104;
int called_by_lib(void) { return -1; }
int lib_calls(void) { return called_by_lib(); }
int lib_sees(int which) {
  int *list[] = {&weak_strong, &common_lib, &weak_lib, &only_lib, &common_weak_lib, &weak_strong};
  return *list[which];
}
