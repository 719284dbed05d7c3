// Exceptions and dynamic_cast from a library to the program: types are compared by address or by name.
// lib: LIB
// parts: MAIN
// link: pie | no-pie | pie -z now
struct shape { virtual ~shape(); virtual int area() const = 0; };
struct square : shape { int side; square(int s); int area() const override; };
struct failure { const char *what; };
shape *make(int);
#ifdef LIB
shape::~shape() {}
square::square(int s) : side(s) {}
int square::area() const { return side * side; }
shape *make(int n) { if (n < 0) throw failure{"negative"}; return new square(n); }
#else
#include <cstdio>
#include <typeinfo>
int main() {
	shape *s = make(4);
	std::printf("%d %d\n", dynamic_cast<square *>(s)->area(), typeid(*s) == typeid(square));
	delete s;
	try { make(-1); } catch (const failure &f) { std::puts(f.what); }
}
#endif
