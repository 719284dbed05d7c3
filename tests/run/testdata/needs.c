// A program that needs a library; without a run path it is found through the environment.
#include <stdio.h>
#include <unistd.h>
const char *name(void); int count(void); int call_back(int);
int of_program(int x) { return -x; }
int main(void) { puts(name()); int one = count(), two = count(); printf("%d %d %d\n", one, two, call_back(5)); printf("uid %s\n", getuid() == 4242 ? "preloaded" : "own"); return 0; }
