int weak_strong = 3;
int common_strong = 4;
__attribute__((weak)) int weak_weak = 5;
