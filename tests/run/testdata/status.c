// Exit status, and the order of what runs at the end.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static void first(void) { puts("atexit 1"); }
static void second(void) { puts("atexit 2"); atexit(first); }
static void at_exit(int status, void *arg) { printf("on_exit %d %s\n", status, (char *)arg); }
__attribute__((constructor(101))) static void early(void) { puts("constructor 101"); }
__attribute__((constructor(102))) static void late(int argc, char **argv, char **envp) { printf("constructor 102 of %s, %d, %d\n", argv[0], argc, envp == environ); }
__attribute__((destructor(101))) static void last(void) { puts("destructor 101"); }
__attribute__((destructor(102))) static void before(void) { puts("destructor 102"); }
static void preinit(int argc, char **argv, char **envp) { write(1, "preinit\n", 8); }
__attribute__((section(".preinit_array"), used)) static void (*pre)(int, char **, char **) = preinit;
int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOFBF, 4096);
	atexit(first); atexit(second); on_exit(at_exit, "arg");
	fputs("left in the buffer ", stdout);
	return argc > 1 ? atoi(argv[1]) : 42;
}
