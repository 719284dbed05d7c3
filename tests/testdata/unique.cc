// STB_GNU_UNIQUE: a static data member of a template and the static variable of
// an inline function are one object in the whole process, RTLD_LOCAL or not.
#include "say.h"
template <class T> struct Counter { static int n; };
template <class T> int Counter<T>::n = 10;
inline int &local_static() { static int n = 100; return n; }
struct Noisy { Noisy() { say("  made\n"); } ~Noisy() { say("  unmade\n"); } };
inline Noisy &noisy() { static Noisy n; return n; }
extern "C" int bump() { return ++Counter<int>::n; }
extern "C" int bump_local() { return ++local_static(); }
extern "C" int make() { return &noisy() != 0; }
