// thread_local objects with constructors and destructors, through the wrapper function of another object.
// parts: MAIN OTHER
// cflags: -O1 | -O0 -fPIC
// link: pie | no-pie | static
#include <cstdio>
struct noisy { int n; noisy(int n) : n(n) {} ~noisy() { std::printf("~%d\n", n); } };
extern thread_local noisy shared_object;
#ifdef MAIN
#include <pthread.h>
thread_local noisy own(1);
static void *run(void *) { own.n += 10; shared_object.n += 20; return nullptr; }
int main() { pthread_t t; pthread_create(&t, nullptr, run, nullptr); pthread_join(t, nullptr); std::printf("%d %d\n", own.n, shared_object.n); }
#else
thread_local noisy shared_object(2);
#endif
