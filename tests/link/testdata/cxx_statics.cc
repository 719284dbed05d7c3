// Static objects are made in the order of objects and destroyed in the reverse, by priority too.
// parts: MAIN OTHER
// link: pie | no-pie | static
#include <cstdio>
struct noisy { const char *n; noisy(const char *n) : n(n) { std::puts(n); } ~noisy() { std::printf("~%s\n", n); } };
#ifdef MAIN
noisy a("a");
__attribute__((init_priority(300))) noisy early("early");
int main() { static noisy late("late"); }
#else
noisy b("b");
__attribute__((init_priority(400))) noisy second("second");
#endif
