// What a debugger is led through: functions with arguments and locals, variables of both kinds, the C library.
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int counter = 5;
__thread int local_counter = 11;

__attribute__((noinline)) int twice(int n)
{
	int doubled = n * 2;
	counter += n;
	return doubled;
}

__attribute__((noinline)) int add_numbers(int a, int b)
{
	int sum = a + b;
	int both = twice(sum);
	local_counter++;
	return both - sum;
}

int call_back(int (*f)(int), int n)
{
	int got = f(n);
	return got + 1;
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

int sort_them(int n)
{
	int list[3] = {n, 3, 1};
	errno = 33;
	qsort(list, 3, sizeof *list, compare);
	return list[0];
}

int wait_here(int seconds)
{
	volatile int left = seconds;
	while (left > 0) {
		sleep(1);
		left--;
	}
	return left;
}

int read_past(int n)
{
	int *list = malloc(3 * sizeof *list);
	list[0] = n;
	int value = list[n]; // behind the end for 3
	free(list);
	return value & 0;
}

int burn_cycles(int n)
{
	volatile unsigned x = n;
	for (int i = 0; i < 200000; i++)
		x = x * 33 + i;
	return x;
}
