// What a program can tell of how it was started.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static void show(const char *name)
{
	char path[64], text[4096];
	snprintf(path, sizeof path, "/proc/self/%s", name);
	FILE *f = fopen(path, "r");
	size_t n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	for (size_t i = 0; i < n; i++)
		if (!text[i])
			text[i] = ' ';
	text[n] = 0;
	printf("%s %s\n", name, text);
}

int main(int argc, char **argv)
{
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
	exe[n > 0 ? n : 0] = 0;
	printf("exe %s\n", exe);
	show("comm");
	show("cmdline");
	printf("argc %d, execfn %s, secure %ld\n", argc, (char *)getauxval(AT_EXECFN), getauxval(AT_SECURE));
	printf("HOME %s\n", getenv("HOME"));
	return 7;
}
