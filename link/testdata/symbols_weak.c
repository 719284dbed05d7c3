__attribute__((weak)) int weak_strong = 1;
__attribute__((weak)) int weak_common = 1;
__attribute__((weak)) int weak_weak = 2;
__attribute__((weak)) int weak_lib = 1;
int common_common[16];
