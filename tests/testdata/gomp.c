/* OpenMP: loops shared out to threads, with and without calls into Go. */
#include <omp.h>
double sum_of_squares(long n)
{
	double sum = 0;
#pragma omp parallel for reduction(+ : sum)
	for (long i = 0; i < n; i++)
		sum += (double)i * i;
	return sum;
}
long threads(long n)
{
	long seen = 0;
	omp_set_dynamic(0);
#pragma omp parallel num_threads(n) reduction(+ : seen)
	seen += omp_get_thread_num() + 1;
	return seen;
}
static int private_value = 5;
#pragma omp threadprivate(private_value)
long thread_private(long n)
{
	long sum = 0;
#pragma omp parallel num_threads(n) copyin(private_value) reduction(+ : sum)
	sum += private_value += omp_get_thread_num();
	private_value = 5;
	return sum;
}
long call_in_parallel(long n, long (*f)(long))
{
	long sum = 0;
#pragma omp parallel for num_threads(4) reduction(+ : sum)
	for (long i = 0; i < n; i++)
		sum += f(i);
	return sum;
}
