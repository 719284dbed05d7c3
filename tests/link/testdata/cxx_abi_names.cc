// Names of many kinds: operators, templates, lambdas, anonymous namespaces, guard variables.
// cflags: -O0
// link: pie | no-pie -E | static -x
#include <cstdio>
namespace { struct hidden { int operator()(int x) const { return x + 1; } }; }
template <typename F, typename... A> auto call(F f, A... a) { return f(a...); }
struct conv { operator int() const { return 7; } conv operator+(const conv &) const { return {}; } };
int main() { static int guarded = call([](int x) { return x * 2; }, 4); std::printf("%d %d %d\n", call(hidden(), 1), guarded, int(conv() + conv())); }
