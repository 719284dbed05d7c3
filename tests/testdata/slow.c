/* Blocks, so that the goroutine's processor is taken, and calls back. */
#include <unistd.h>
long slow(long n, long microseconds, long (*f)(long))
{
	long sum = 0;
	for (long i = 0; i < n; i++) {
		usleep(microseconds);
		sum += f(i);
	}
	return sum;
}
