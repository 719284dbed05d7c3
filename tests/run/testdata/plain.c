// A program without threads, libraries of its own or surprises.
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>
static __thread int local = 3;
__attribute__((constructor)) static void begin(void) { puts("begin"); }
static void end(void) { puts("end"); }
int main(int argc, char **argv)
{
	atexit(end); char *s = malloc(100); time_t t = 1000000000; volatile double two = 2;
	strftime(s, 100, "%F %T", gmtime(&t)); printf("%s %d %.10f %d %s\n", s, local, sqrt(two), argc, argv[argc - 1]);
	char line[64]; while (fgets(line, sizeof line, stdin)) fputs(line, stdout);
	FILE *f = fopen("/no/such", "r"); printf("%s %s\n", f ? "?" : strerror(errno), setlocale(LC_ALL, ""));
	return 5;
}
