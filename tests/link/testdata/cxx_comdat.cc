// Inline functions and templates of several objects, and their static variables, are there once.
// parts: MAIN OTHER
// cflags: -O0 | -O1 -ffunction-sections
// link: pie | no-pie | static | pie --gc-sections
inline int &counter() { static int n; return n; }
template <typename T> struct holder { static T value; static T next() { return ++value; } };
template <typename T> T holder<T>::value = 10;
inline int variable = 3;
int other();
#ifdef MAIN
#include <cstdio>
int main() { counter()++; holder<int>::next(); variable++; int n = other(); std::printf("%d %d %d %d\n", n, counter(), holder<int>::value, variable); }
#else
int other() { counter()++; variable++; return holder<int>::next(); }
#endif
