// --defsym: a number, another symbol, and one with an offset.
// cflags: -O1 -fno-pie -mcmodel=small
// link: no-pie --defsym=number=0x1234 --defsym=same=array --defsym=later=array+8 | static --defsym=number=0x1234 --defsym=same=array --defsym=later=array+8
#include <stdio.h>
int array[4] = {1, 2, 3, 4};
extern int same[], later[];
extern char number[];
int main(void) { printf("%d %d %d\n", same == array, later == array + 2, (int)(long)number); return 0; }
