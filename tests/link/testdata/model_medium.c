// Large data of the medium model, beside small data.
// cflags: -O1 -mcmodel=medium -mlarge-data-threshold=64 -fno-pie | -O1 -mcmodel=medium -mlarge-data-threshold=64 -fPIC
// link: no-pie | static
#include <stdio.h>
int big[1000] = {1, 2}, zero[1000], small = 3;
const int constant[100] = {7};
int main(int argc, char **argv) { zero[argc] = 5; printf("%d %d %d %d\n", big[argc], zero[argc], small, constant[argc - 1]); return 0; }
