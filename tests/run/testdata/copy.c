// COPY relocations of a fixed-address program: the library's variables are the program's own.
#define _GNU_SOURCE
#include <getopt.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	int c;
	static const struct option longs[] = {{"name", required_argument, 0, 'n'}, {"flag", no_argument, 0, 'f'}, {0}};
	while ((c = getopt_long(argc, argv, "ab:n:f", longs, 0)) != -1)
		printf("%c %s %d\n", c == '?' ? '?' : c, optarg ? optarg : "-", optind);
	for (; optind < argc; optind++) fprintf(stdout, "rest %s\n", argv[optind]);
	optind = 1; opterr = 0;
	printf("again %c, optopt %d\n", getopt(argc, argv, "x"), optopt);
	setenv("NEW", "value", 1);
	int found = 0; for (char **e = environ; *e; e++) found |= !strcmp(*e, "NEW=value");
	printf("environ %d %d\n", found, environ == __environ);
	setenv("TZ", "EST5EDT", 1); tzset(); printf("zone %s %s %ld %d\n", tzname[0], tzname[1], timezone, daylight);
	FILE *memory; char *buf; size_t n; FILE *out = stdout;
	memory = open_memstream(&buf, &n); stdout = memory; printf("into memory"); putchar('!'); fflush(stdout); stdout = out;
	fclose(memory); printf("%zu %s\n", n, buf);
	fprintf(stderr, "%s %d\n", program_invocation_short_name, stdin != NULL);
	errno = EACCES; warn("warning"); err(5, "error");
}
