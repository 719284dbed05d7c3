#include <math.h>
#include <stdio.h>
int main(int argc, char **argv) {
  printf("%.3f\n", cos(argc));
  return 0;
}
