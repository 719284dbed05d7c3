// Static variables of templates are one in the whole process (STB_GNU_UNIQUE).
// lib: LIB
// parts: MAIN
// link: pie | no-pie
template <typename T> struct holder { static T value; };
template <typename T> T holder<T>::value = 1;
inline int &local() { static int n = 5; return n; }
int *lib_value();
int *lib_local();
#ifdef LIB
int *lib_value() { return &holder<int>::value; }
int *lib_local() { return &local(); }
#else
#include <cstdio>
int main() { holder<int>::value++; std::printf("%d %d %d\n", lib_value() == &holder<int>::value, lib_local() == &local(), *lib_value()); }
#endif
