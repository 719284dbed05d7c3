/* Output that keeps its place between the lines of the script that runs. */
#include <stdio.h>
#define say(...) dprintf(1, __VA_ARGS__)
