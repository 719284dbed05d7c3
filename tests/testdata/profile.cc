// A function of C++, for its name.
#include <time.h>

namespace shapes {
template <class T> struct circle {
	__attribute__((noinline)) T turn(T n)
	{
		T sum = 0;
		for (volatile T i = 0; i < 100000; i = i + 1)
			sum += i * n;
		return sum;
	}
};
}

extern "C" long spin_cxx(int ms)
{
	shapes::circle<long> c;
	long sum = 0;
	for (clock_t end = clock() + ms * (CLOCKS_PER_SEC / 1000); clock() < end;)
		sum += c.turn(sum & 3);
	return sum;
}
