// An exception that nothing catches.
#include <stdexcept>

extern "C" int throw_uncaught(int n)
{
	if (n)
		throw std::runtime_error("nobody catches this");
	return n;
}
