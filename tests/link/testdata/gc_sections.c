// --gc-sections keeps what is reached from the entry, initialisers, retained and named sections.
// cflags: -O1 -ffunction-sections -fdata-sections
// link: pie --gc-sections | no-pie --gc-sections | static --gc-sections | static-pie --gc-sections
#include <stdio.h>
extern const int __start_my_table[], __stop_my_table[];
__attribute__((section("my_table"), used)) static const int entry1 = 1, entry2 = 2;
int unused_data = 5;
int unused(void) { return unused_data; }
static int reached = 4;
static int through_pointer(void) { return reached; }
static int (*volatile pointer)(void) = through_pointer;
__attribute__((constructor)) static void c(void) { puts("constructor"); }
int main(void) { printf("%d %d\n", pointer(), (int)(__stop_my_table - __start_my_table)); return 0; }
