#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define ALL_ONE 1
#define ALL_FLAGS (1u << 4 | ALL_ONE + 2 * 3)
#define ALL_MASK ~0x0fL
#define ALL_NAME "all" "\x41\n"
#define ALL_PI 3.25f
#define ALL_CHAR 'c'
#define ALL_OCTAL 0755
#define ALL_DIVIDED (7 / -2)
#define ALL_CAST ((int)4)
#define ALL_SELF ALL_SELF
#define ALL_CALL(x) (x)
#define ALL_BIG 0xffffffffffffffffULL
#define ALL_TOO_BIG (0xffffffffffffffff + 1)
#define _ALL_PRIVATE 5

enum color { RED, GREEN = 5, BLUE = -1 };
typedef enum { SMALL, LARGE = 0x80000000u } size_kind;
enum { UNNAMED_ONE = 11, UNNAMED_TWO };

typedef struct { int x, y; } point;
struct opaque;
union number { int32_t i; double d; char text[12]; point p; };
union real { double d; float f; };
union half { struct { float x, y; int n; } s; float f[2]; };
union wide { long l[3]; double d; };
struct tagged { int tag; unsigned low : 3; union { long l; double d; } u; };
struct mixed { float f; union { int i; float f; } u; union { double d; } e; };
struct across { float f; union { struct { float f; int i; } s; float f; } u; };
struct node {
	struct node *next;
	const char *name;
	int (*visit)(struct node *, void *);
	enum color color;
	char tag;
	short values[3];
	union number number;
	struct { int a; float b; } inner;
	union { long l; void *p; };
	unsigned low : 3, middle : 7;
	int after;
	long double wide;
	struct opaque *handle;
};
struct __attribute__((packed)) packed { char c; int32_t i; double d; int16_t s; };
struct flexible { int n; long items[]; };
struct range { const int *type, *func; size_t len; };
typedef int (*compare_fn)(const void *, const void *);
typedef struct { double re, im; } pair;

int all_add(int a, int b);
const char *all_name(const point *p);
int all_keywords(int type, int func, int range, int string, int select, int a1, int a_1);
int all_unnamed(int, char *);
point all_swap(point p);
pair all_pair(pair p, float f);
double all_sum(int n, ...);
int all_vsum(int n, va_list ap);
void all_sort(void *base, size_t n, size_t size, compare_fn compare);
long all_each(struct node *list, int (*visit)(struct node *n, void *arg), void *arg);
struct opaque *all_make(int v);
int all_value(struct opaque *o);
void all_free(struct opaque *o);
enum color all_color(enum color c, size_kind k);
union number all_by_value(union number n);
long double all_long_double(long double v);
int all_packed(struct packed *p, struct flexible *f);
unsigned char all_byte(unsigned char c, signed char s, char p, _Bool b);
compare_fn all_choose(int which);
int all_matrix(int (*m)[3], const char **names, uint64_t *out);
_Complex double all_complex(_Complex double z);
struct node *all_node(void);
int type(int v);
int Close(struct range r);
extern int all_counter;
extern const char *const all_names[2];
extern point all_points[3];
extern __thread int all_thread_local;
