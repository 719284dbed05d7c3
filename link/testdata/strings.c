// Equal strings and constants of two files are one in the output.
#include <stddef.h>
#include <stdio.h>
const char *other_string(void), *other_tail(void);
double other_double(void);
const wchar_t *other_wide(void);
const char *volatile mine = "the same string in both files";
int main(void) {
  printf("%d\n", mine == other_string());
  printf("%s %s %.2f %d\n", mine, other_tail(), other_double() + 3.25, (int)other_wide()[1]);
  printf("%ls|%s|%s\n", L"wide string", "", "a much longer string, more than thirty-two bytes of it, aligned");
  return 0;
}
