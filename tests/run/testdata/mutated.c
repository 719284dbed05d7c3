// A program with something in each segment, which it shows.
#include <stdio.h>
#include <string.h>
static char zeroes[9000];
static char data[5000] = "initialised data";
static const char constant[3000] = "a constant";
static __thread char local[100] = "thread-local data";
static int nonzero(const char *p, size_t n)
{
	int sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += p[i] != 0;
	return sum;
}
int main(void)
{
	printf("%s, %s, %d\n", data, constant, nonzero(zeroes, sizeof zeroes));
	memset(zeroes, 1, sizeof zeroes);
	printf("%d %d\n", nonzero(zeroes, sizeof zeroes), nonzero(data, sizeof data));
	printf("local: %s\n", local);
	return 3;
}
