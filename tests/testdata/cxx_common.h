// Shared by cxx_throw.cc and cxx_catch.cc.
#include <stdexcept>
#include <string>
#include "say.h"
struct Base { virtual ~Base(); virtual int kind() const { return 1; } };
struct Derived : Base { int kind() const override { return 2; } };
struct Trouble : std::runtime_error {
	int code;
	Trouble(int c) : std::runtime_error("trouble " + std::to_string(c)), code(c) {}
};
struct Guard {
	const char *where;
	Guard(const char *w) : where(w) {}
	~Guard() { say("  unwound %s\n", where); }
};
void throw_it(int what);
void throw_quietly(int code);
Base *make_derived();
void throw_through(void (*f)());
