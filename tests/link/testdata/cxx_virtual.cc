// Virtual bases, pointers to members, covariant returns and thunks.
// parts: MAIN OTHER
// cflags: -O1 | -O0 -fno-pie
// link: pie | no-pie | static
// norun: -fno-pie+pie
struct a { virtual int f() { return 1; } virtual a *self() { return this; } virtual ~a() {} int x = 1; };
struct b : virtual a { int f() override { return 2 + x; } int y = 2; };
struct c : virtual a { int z = 3; c *self() override { return this; } };
struct d : b, c { int f() override; d *self() override { return this; } };
#ifdef MAIN
#include <cstdio>
int main() { d o; c *p = &o; int (a::*m)() = &a::f; std::printf("%d %d %d\n", p->f(), (o.*m)(), p->self()->z); }
#else
int d::f() { return x + y + z; }
#endif
