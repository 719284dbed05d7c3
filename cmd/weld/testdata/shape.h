#include <stdbool.h>
struct point { int x; double y; };
struct big { long a[5]; };
enum colour { RED, GREEN = 7 };
typedef unsigned short small;
int shape_add(int a, long b);
double shape_scale(struct point p, float by);
struct big shape_big(long first, struct big b);
enum colour shape_colour(enum colour c, bool ok, char letter, small n);
const char *shape_name(const char *s, void *p);
int shape_many(int a, int b, int c, int d, int e, int f, long g, char h, double x);
int shape_sum(int n, ...);
void shape_nothing(void);
long double shape_long(long double x);
int shape_twice(int (*f)(int, long), int x);
