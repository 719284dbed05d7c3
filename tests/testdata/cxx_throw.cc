// Throws what cxx_catch.cc, in another library, catches.
#include "cxx_common.h"
Base::~Base() {}
Base *make_derived() { return new Derived; }
void throw_it(int what)
{
	Guard guard("thrower");
	switch (what) {
	case 0: throw 42;
	case 1: throw Trouble(7);
	case 2: throw std::out_of_range("far");
	case 3: throw std::string("text");
	case 4: { std::string s("ab"); s.at(99); }
	}
}
void throw_quietly(int code) { throw Trouble(code); }
void throw_through(void (*f)())
{
	Guard guard("middle");
	f();
}
