// __start_ and __stop_ of sections whose names are C identifiers, from several objects; of one that is not there too.
// parts: MAIN OTHER
#ifdef MAIN
#include <stdio.h>
extern const int __start_numbers[], __stop_numbers[];
extern const int __start_absent[] __attribute__((weak)), __stop_absent[] __attribute__((weak));
__attribute__((section("numbers"), used)) static const int a = 1;
int main(void) {
	int sum = 0;
	for (const int *p = __start_numbers; p < __stop_numbers; p++) sum += *p;
	printf("%d %d\n", sum, __start_absent == __stop_absent);
	return 0;
}
#else
__attribute__((section("numbers"), used)) static const int b[2] = {20, 300};
#endif
