// Exceptions, caught by type, rethrown, and destructors on the way.
// cflags: -O1 | -O0 -fno-pie
// link: pie | no-pie | static | static-pie | no-pie --gc-sections
// norun: -fno-pie+pie -fno-pie+static-pie
#include <cstdio>
struct noisy { int n; ~noisy() { std::printf("~%d\n", n); } };
struct base { virtual ~base() {} };
struct derived : base { int v = 5; };
void thrower(int n) { noisy x{n}; if (n == 0) throw derived(); thrower(n - 1); }
int main() {
	try { try { thrower(2); } catch (int) { return 1; } catch (base &) { throw; } } catch (derived &d) { std::printf("%d\n", d.v); }
	try { throw 3; } catch (...) { std::puts("any"); }
}
