#include <time.h>

volatile unsigned sink;

__attribute__((noinline)) static void burn(void)
{
	for (int i = 0; i < 100000; i++)
		sink += i * i;
}

int spin(int ms)
{
	clock_t end = clock() + ms * (CLOCKS_PER_SEC / 1000);
	int n = 0;
	for (; clock() < end; n++)
		burn();
	return n;
}
