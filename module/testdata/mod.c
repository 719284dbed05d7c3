struct pt { int x, y; };
struct big { long a; double b; int c[3]; };

int host_add(int a, int b);
double host_scale(double);
extern long host_count;
void host_log(const char *s);
int host_norm(const struct pt *p, struct pt by_value);
struct big host_big(struct big b);
int host_each(int (*f)(int), int n);
void *memcpy(void *, const void *, unsigned long);

int counter = 5;
const double table[4] = {1, 2, 3, 4};
__thread int local = 3;
static int inited;

__attribute__((constructor)) static void init(void) { inited = host_add(20, 1); }
__attribute__((destructor)) static void fini(void) { host_log("fini"); }

int mod_sum(const struct pt *p, int n)
{
	int s = 0;
	for (int i = 0; i < n; i++)
		s = host_add(s, p[i].x + p[i].y);
	return s;
}

int mod_inited(void) { return inited; }
int mod_local(void) { return ++local; }
long mod_count(void) { host_log("count"); return host_count; }
double mod_scale(double d) { return host_scale(d) + 1; }
int mod_norm(int x, int y) { struct pt p = {x, y}; return host_norm(&p, p); }
double mod_big(long a, double b) { struct big v = {a, b, {1, 2, 3}}; v = host_big(v); return v.a + v.b + v.c[2]; }
static int twice(int n) { return 2 * n; }
int mod_each(int n) { return host_each(twice, n); }
void mod_copy(char *to, const char *from, unsigned long n) { memcpy(to, from, n); }
static int one(void) { return 1; }
static int (*choose(void))(void) { return one; }
__attribute__((ifunc("choose"), visibility("hidden"))) int chosen(void);
int mod_chosen(void) { return chosen(); }
int *mod_counter(void) { return &counter; }
