/* 61 functions and variables of every kind of type that C has; kinds_test.go has the signature of each. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pt { int x, y; };
struct node { struct node *next; int (*visit)(struct node *, void *); long v; };
struct opaque;
struct bits { unsigned a : 3; int b : 7; unsigned long c : 40; unsigned char d; };
struct flex { int n; char data[]; };
struct zero { int n; int tail[0]; };
struct nested { struct { short a; union { int i; float f; }; }; struct pt p[2]; const char *name; };
struct calls { int (*open)(const char *, int, ...); void (*close)(int); };
struct __attribute__((packed)) pack { char c; int i; double d; };
struct __attribute__((aligned(32))) over { int i; };
struct member_over { char c; int i __attribute__((aligned(16))); };
struct grid { double m[3][4]; };
struct holder { struct pt a, b; struct grid g; };
struct empty {};
union num { int i; double d; char c[12]; };
typedef struct { float re, im; } anon_t, *anon_ptr;
typedef union { long l; void *p; } anon_u;
enum color { RED, GREEN, BLUE };
enum negative { MINUS = -1, PLUS = 1 };
enum wide { BIG = 0x100000000LL };
enum __attribute__((packed)) small { TINY, LITTLE };
typedef int (*compare_fn)(const void *, const void *);
typedef int vec4 __attribute__((vector_size(16)));
typedef double vec2d __attribute__((vector_size(16)));

#define DEF __attribute__((noinline, used))

DEF void f_void(void) {}
DEF char f_char(char c, signed char s, unsigned char u) { return c + s + u; }
DEF short f_short(short a, unsigned short b) { return a + b; }
DEF int f_int(int a, unsigned b) { return a + b; }
DEF long f_long(long a, unsigned long b) { return a + b; }
DEF long long f_llong(long long a, unsigned long long b) { return a + b; }
DEF __int128 f_int128(__int128 a, unsigned __int128 b) { return a + b; }
DEF bool f_bool(bool b) { return !b; }
DEF float f_float(float f) { return f; }
DEF double f_double(double d) { return d; }
DEF long double f_ldouble(long double d) { return d; }
DEF float _Complex f_cfloat(float _Complex c) { return c; }
DEF double _Complex f_cdouble(double _Complex c) { return c; }
DEF size_t f_sizes(size_t n, ptrdiff_t d, intptr_t i, uintptr_t u, wchar_t w) { return n + d + i + u + w; }
DEF int8_t f_fixed(int8_t a, uint8_t b, int16_t c, uint16_t d, int32_t e, uint32_t f, int64_t g, uint64_t h) { return a + b + c + d + e + f + g + h; }
DEF enum color f_enum(enum color c) { return c; }
DEF enum negative f_negative(enum negative c) { return c; }
DEF enum wide f_wide(enum wide w) { return w; }
DEF enum small f_small(enum small s) { return s; }
DEF void *f_ptr(void *p, const void *q) { return p ? p : (void *)q; }
DEF const char *f_str(const char *s, char **t) { *t = 0; return s; }
DEF int f_ptrs(int *a, unsigned **b, double ***c) { return *a + **b + (int)***c; }
DEF struct pt f_struct(struct pt a, struct pt b) { a.x += b.x; return a; }
DEF int f_structptr(struct pt *p, const struct pt *q) { return p->x + q->y; }
DEF int f_opaque(struct opaque *o, struct opaque **p) { return o == *p; }
DEF int f_node(struct node *n) { return n->visit(n, 0); }
DEF struct node f_nodeval(struct node n) { return n; }
DEF int f_bits(struct bits b) { return b.a + b.b; }
DEF int f_flex(struct flex *f) { return f->data[0]; }
DEF int f_nested(struct nested n) { return n.a + n.i + n.p[1].x; }
DEF double f_holder(struct holder h) { return h.g.m[1][2] + h.a.x; }
DEF union num f_union(union num u) { return u; }
DEF anon_t f_anon(anon_t a, anon_t *p, anon_ptr q) { a.re += p->im + q->re; return a; }
DEF anon_u f_anonu(anon_u u) { return u; }
DEF void f_sort(void *base, size_t n, size_t size, compare_fn f) { f(base, (char *)base + n * size); }
DEF compare_fn f_retfn(compare_fn a, int (*b)(void)) { return b() ? a : 0; }
DEF int f_calls(struct calls c) { c.close(1); return c.open("", 0); }
DEF int f_variadic(const char *fmt, ...) { return *fmt; }
DEF int f_valist(const char *fmt, va_list ap) { return *fmt + va_arg(ap, int); }
DEF int f_array(int a[4], char b[][8], const double c[2][3]) { return a[0] + b[0][0] + (int)c[0][0]; }
DEF int f_ptrarray(int (*p)[4], struct pt (*q)[2]) { return (*p)[0] + (*q)[1].x; }
DEF int f_quals(int *restrict a, volatile int *b, const int *const c, _Atomic int *d) { return *a + *b + *c + *d; }
DEF int f_many(int a, int b, int c, int d, int e, int f, int g, int h, double i) { return a + b + c + d + e + f + g + h + i; }
DEF int f_zero(struct zero z) { return z.n; }
DEF double f_pack(struct pack p) { return p.d; }
DEF int f_over(struct over o) { return o.i; }
DEF int f_memberover(struct member_over m) { return m.i; }
DEF int f_empty(struct empty e, int n) { (void)e; return n; }
DEF vec4 f_vec(vec4 a, vec2d b) { return a + (int)b[0]; }
DEF int f_vla(int n, int a[n][n]) { return a[1][1]; }
DEF int f_ms(int, double) __attribute__((alias("f_ms_impl")));
DEF int f_ms_impl(int a, double b) { return a + (int)b; }

extern struct pt v_opaque_array[];
int v_int = 1;
const double v_const = 2;
int v_array[7] = {1};
const char *const v_names[] = {"a", "b"};
struct pt v_opaque_array[3] = {{1, 2}};
int (*v_fn)(int) = 0;
struct node v_node = {0};
__thread long v_tls = 3;
volatile unsigned v_volatile = 4;
_Atomic int v_atomic = 5;
