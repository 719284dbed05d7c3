// A second library, needed by its use only.
// link: pie -lm | pie --as-needed -lm | no-pie --no-as-needed -lm -lpthread | static -lm | pie --push-state --no-as-needed -lm --pop-state
#include <math.h>
#include <stdio.h>
int main(int argc, char **argv) { printf("%.3f\n", sin(argc)); return 0; }
