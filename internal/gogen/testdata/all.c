#include <stdlib.h>
#include "all.h"

struct opaque { int v; };
int all_counter = 7;
const char *const all_names[2] = { "zero", "one" };
point all_points[3] = { {1, 2}, {3, 4}, {5, 6} };
__thread int all_thread_local = 3;

int all_add(int a, int b) { return a + b + UNNAMED_ONE - 11; }
const char *all_name(const point *p) { return p ? all_names[p->x & 1] : 0; }
int all_keywords(int type, int func, int range, int string, int select, int a1, int a_1) { return type + func + range + string + select + a1 + a_1; }
int all_unnamed(int a, char *b) { *b = (char)a; return a; }
point all_swap(point p) { return (point){ p.y, p.x }; }
pair all_pair(pair p, float f) { return (pair){ p.im * f, p.re * f }; }
double all_sum(int n, ...) {
	va_list ap;
	double sum = 0;
	va_start(ap, n);
	for (int i = 0; i < n; i++)
		sum += va_arg(ap, double);
	va_end(ap);
	return sum;
}
int all_vsum(int n, va_list ap) { return n + va_arg(ap, int); }
void all_sort(void *base, size_t n, size_t size, compare_fn compare) { qsort(base, n, size, compare); }
long all_each(struct node *list, int (*visit)(struct node *n, void *arg), void *arg) {
	long n = 0;
	for (; list; list = list->next)
		n += visit ? visit(list, arg) : 1;
	return n;
}
struct opaque *all_make(int v) { struct opaque *o = malloc(sizeof *o); o->v = v; return o; }
int all_value(struct opaque *o) { return o ? o->v : -1; }
void all_free(struct opaque *o) { free(o); }
enum color all_color(enum color c, size_kind k) { return k == LARGE ? BLUE : c; }
union number all_by_value(union number n) { return n; }
union real all_by_real(union real r, double d) { return (union real){ .d = r.d + d }; }
union half all_by_half(union half h) { return (union half){ .s = { h.s.y, h.s.x, h.s.n + 1 } }; }
union wide all_by_wide(union wide w) { w.l[2]++; return w; }
struct tagged all_by_tagged(struct tagged t) { t.u.l++; t.low = 2; return t; }
struct mixed all_by_mixed(struct mixed m) { m.u.i++; m.e.d *= 2; return m; }
float all_by_across(struct across a) { return a.f; }
int all_by_packed(struct packed p) { return p.i; }
long double all_long_double(long double v) { return v; }
int all_packed(struct packed *p, struct flexible *f) { return p->i + (f ? f->n : 0); }
unsigned char all_byte(unsigned char c, signed char s, char p, _Bool b) { return b ? c + s + p : 0; }
static int up(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
compare_fn all_choose(int which) { return which ? up : 0; }
int all_matrix(int (*m)[3], const char **names, uint64_t *out) { *out = m[1][2]; return names[0][0]; }
_Complex double all_complex(_Complex double z) { return z * 2; }
struct node *all_node(void) {
	static struct node n = { .name = "node", .color = GREEN, .tag = 't', .values = { 1, 2, 3 }, .number = { .d = 2.5 },
		.inner = { 4, 5.5f }, .l = 77, .low = 5, .middle = 9, .after = 88, .wide = 1.5L };
	return &n;
}
int type(int v) { return v + 1; }
int Close(struct range r) { return (int)r.len; }
