package cproto

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"double cos(double)", ""},
		{"double cos(double x);", "double cos(double x)"},
		{"int printf(const char *, ...)", ""},
		{"int printf(char const *restrict format, ...) __attribute__((format(printf, 1, 2)));", "int printf(const char *restrict format, ...)"},
		{"extern int puts (const char *__s)", "int puts(const char *__s)"},
		{"unsigned long long f(const struct stat *st, int (*cb)(void *, int), char buf[16], size_t n)", ""},
		{"void *memcpy(void *restrict, const void *restrict, size_t)", ""},
		{"void *memcpy(void *__restrict dst, void const *__restrict__ src, unsigned long int n)", "void *memcpy(void *restrict dst, const void *restrict src, unsigned long n)"},
		{"int getpid(void)", ""},
		{"int getpid()", "int getpid(void)"},
		{"void f(int, ...)", ""},
		{"void f(...)", ""},
		{"long unsigned int f(int long long unsigned, short signed int, char signed, unsigned)", "unsigned long f(unsigned long long, short, signed char, unsigned int)"},
		{"_Bool f(bool b)", ""},
		{"uint32_t f(int8_t, uint64_t, ssize_t, off_t, ptrdiff_t, intptr_t, uintptr_t, time_t, pid_t, mode_t, uid_t, gid_t, wchar_t)", ""},
		{"int fclose(FILE *stream)", ""},
		{"sqlite3 *f(sqlite3_stmt **, const foo_t *const x)", ""},
		{"float _Complex f(double _Complex z, _Complex w)", "float _Complex f(double _Complex z, double _Complex w)"},
		{"long double *f(long double *x, __int128 *y, unsigned __int128 *z)", ""},
		{"void (*signal(int sig, void (*func)(int)))(int)", ""},
		{"void f(int cb(const void *, const void *))", "void f(int (*cb)(const void *, const void *))"},
		{"int (f)(int (x))", "int f(int x)"},
		{"int main(int argc, char *argv[], char **envp)", "int main(int argc, char **argv, char **envp)"},
		{"void f(double m[3][4], int (*p)[5], char *s[static 2], int v[n], int w[*], int u[const restrict 3], int x[0x10])",
			"void f(double m[3][4], int (*p)[5], char *s[2], int *v, int *w, int *const restrict u, int x[16])"},
		{"struct point { int x; double y; } scale(struct point { int x; double y; } p, double k)", "struct point { int x; double y; } scale(struct point p, double k)"},
		{"struct point scale(struct point { int x, *y[2]; } p)", "!struct point is used by value"},
		{"struct { float a, b; } f(union u { int i; float f; } u)", "struct { float a; float b; } f(union u { int i; float f; } u)"},
		{"void f(struct node { struct node *next; struct { int a; union { char c; short d; }; } in; } *n)", "void f(struct node { struct node *next; struct { int a; union { char c; short d; }; } in; } *n)"},
		{"void f(enum color { RED, GREEN = 5, BLUE, } c, enum color d, enum other e)", "void f(enum color { RED = 0, GREEN = 5, BLUE = 6 } c, enum color d, enum other e)"},
		{"void f(enum { N = 3, M = N } e, int v[N])", "void f(enum { N = 3, M = 3 } e, int v[3])"},
		{"div_t div(int numerator, int denominator)", ""},
		{"static inline const char *const f(volatile int *const volatile p)", "const char *const f(volatile int *const volatile p)"},
		{"__extension__ extern long long int atoll (const char *__nptr) __attribute__ ((__nothrow__ , __leaf__)) __attribute__ ((__pure__)) __attribute__ ((__nonnull__ (1)));", "long long atoll(const char *__nptr)"},
		{"[[nodiscard]] int f(int /* a */ x) // end", "int f(int x)"},
		{"__attribute__((noreturn)) void f(int x __attribute__((unused)))", "void f(int x)"},
		{"int *__attribute__((cold)) f(void)", "int *f(void)"},
		{"int (*(*f(void))(int))[3]", ""},
		{"int\nf(\n\tint x\n)\n;", "int f(int x)"},
		{"const struct tm *f(const time_t *)", ""},
		{"int f(foo (*cb)(struct bar, baz))", ""},
		{"int qsort_r(void *base, size_t nmemb, size_t size, int (*compar)(const void *, const void *, void *), void *arg)", ""},
	} {
		p, err := Parse(c.in)
		if msg, ok := strings.CutPrefix(c.want, "!"); ok {
			if err == nil || !strings.Contains(err.Error(), msg) {
				t.Errorf("%s: %v", c.in, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s:\n%+v", c.in, err)
			continue
		}
		want := c.want
		if want == "" {
			want = c.in
		}
		if p.String() != want {
			t.Errorf("%s\n got %s\nwant %s", c.in, p, want)
		}
		again, err := Parse(p.String())
		if err != nil || again.String() != p.String() {
			t.Errorf("%s: read again: %v %v", p, again, err)
		}
	}
}

func TestIntegerSpellings(t *testing.T) {
	// Every order of the words of every integer type.
	for name, spellings := range map[string][]string{
		"char": {"char"}, "signed char": {"signed char"}, "unsigned char": {"unsigned char"},
		"short": {"short", "signed short", "short int", "signed short int"}, "unsigned short": {"unsigned short", "unsigned short int"},
		"int": {"int", "signed", "signed int"}, "unsigned int": {"unsigned", "unsigned int"},
		"long": {"long", "signed long", "long int", "signed long int"}, "unsigned long": {"unsigned long", "unsigned long int"},
		"long long":          {"long long", "signed long long", "long long int", "signed long long int"},
		"unsigned long long": {"unsigned long long", "unsigned long long int"},
		"_Bool":              {"_Bool"}, "float": {"float"}, "double": {"double"},
		"double _Complex": {"double _Complex", "_Complex", "double __complex__"}, "float _Complex": {"float _Complex"},
		"const int": {"const int", "const signed int"}, "const volatile unsigned long": {"const volatile unsigned long int"},
	} {
		for _, s := range spellings {
			permute(strings.Fields(s), func(words []string) {
				in := strings.Join(words, " ")
				typ, err := ParseType(in)
				if err != nil || typ.String() != name {
					t.Errorf("%s: %v %v, want %s", in, typ, err, name)
				}
			})
		}
	}
}

func permute(words []string, f func([]string)) {
	var rec func(int)
	rec = func(i int) {
		if i == len(words) {
			f(words)
		}
		for j := i; j < len(words); j++ {
			words[i], words[j] = words[j], words[i]
			rec(i + 1)
			words[i], words[j] = words[j], words[i]
		}
	}
	rec(0)
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		in   string
		col  int
		what string
	}{
		{"", 1, "no prototype"},
		{"   ", 4, "no prototype"},
		{"cos(double)", 1, `no result type before "cos"`},
		{"cos", 1, `"cos" alone is no prototype`},
		{"double cos", 11, `the end where the parameter list of "cos" is wanted`},
		{"double", 7, `the end where the name of the function is wanted`},
		{"double cos(double", 18, `the end where "," or ")" after a parameter is wanted`},
		{"double cos(double) x", 20, `"x" where the end`},
		{"double cos(double));", 19, `")" where the end`},
		{"double cos(double) { return 0; }", 20, "without the body"},
		{"int f(foo x)", 7, `unknown type name "foo"`},
		{"foo f(int x)", 1, `unknown type name "foo"`},
		{"int f(int a, struct point p)", 14, "struct point is used by value: describe it"},
		{"struct point f(void)", 1, "struct point is used by value"},
		{"int f(struct s { foo x; } p)", 18, `unknown type name "foo"`},
		{"int f(struct s { foo x[2][3]; } p)", 18, `unknown type name "foo"`},
		{"int f(struct s { struct s x; } p)", 18, "struct s is used by value"},
		{"int f(struct s { void x; } p)", 18, "cannot have the type void"},
		{"int f(struct s { int x; int x; } p)", 29, `two members are named "x"`},
		{"int f(struct s { int x; struct { int x; }; } p)", 42, `two members are named "x"`},
		{"int f(struct s { int x : 3; } p)", 24, "a bit-field is not supported"},
		{"int f(struct s { int x; char tail[]; } p)", 30, "an array without length"},
		{"int f(struct s { int x(int); } p)", 22, `the member "x" is a function`},
		{"int f(struct s { int; } p)", 21, "the name of a member"},
		{"int f(struct s { int x } p)", 24, `";" after a member`},
		{"int f(struct s {} p)", 7, "struct s has no members"},
		{"int f(struct s { int x; } a, struct s { long x; } b)", 30, "described otherwise"},
		{"int f(struct { char c[70000]; } p)", 7, "too large to pass by value"},
		{"int f(struct __attribute__((packed)) s { char c; int x; } p)", 29, "the attribute packed"},
		{"int f(int x __attribute__((vector_size(16))))", 28, "the attribute vector_size"},
		{"int f(enum e {} x)", 14, "no enumerators"},
		{"int f(enum e { A = } x)", 20, "an integer constant"},
		{"int f(enum e { A B } x)", 18, `"," or "}"`},
		{"int f(long double x)", 7, "long double by value is not supported"},
		{"long double f(void)", 1, "long double by value is not supported"},
		{"int f(struct { long double x; } p)", 7, "its member x is of type long double"},
		{"int f(__int128 x)", 7, "__int128 by value is not supported"},
		{"int f(_Atomic int x)", 7, `"_Atomic" in a prototype is not supported`},
		{"int f(_Complex int x)", 7, "a complex integer is not supported"},
		{"int f(int) __asm__(\"g\")", 12, "an assembler name is not supported"},
		{"typedef int f(int)", 1, `"typedef" in a prototype`},
		{"int f(void, int)", 7, "cannot have the type void"},
		{"int f(void x)", 7, "cannot have the type void"},
		{"int f(int,)", 11, `")" where a type is wanted`},
		{"int f(..., int)", 10, `")" after the ...`},
		{"int f(short long x)", 7, "these words make no type together"},
		{"int f(long long long x)", 7, "these words make no type together"},
		{"int f(unsigned float x)", 7, "these words make no type together"},
		{"int f(signed unsigned x)", 7, "these words make no type together"},
		{"int f(int int x)", 7, "these words make no type together"},
		{"int f(long float x)", 7, "these words make no type together"},
		{"int f(unsigned _Bool x)", 7, "these words make no type together"},
		{"int f(size_t int x)", 14, `"int" after the type size_t`},
		{"int f(unsigned size_t x)", 23, `"x" where "," or ")"`},
		{"int f(int struct s x)", 11, `"struct" after another type`},
		{"int f(restrict int x)", 7, "restrict has to follow a *"},
		{"int f(int x[0])", 13, "an array of 0 elements"},
		{"int f(int x[-1])", 13, "an array of -1 elements"},
		{"int f(int x[08])", 13, "is no integer constant"},
		{"int f(int x[99999999999])", 13, "an array of 99999999999 elements"},
		{"int f(int x[1000000][1000000])", 12, "too large"},
		{"int f(void x[3])", 13, "an array of a function or of void"},
		{"int f(int x[3][])", 12, "an array of arrays without length"},
		{"int f(int)(int)", 6, "cannot return a function"},
		{"int f(int)[3]", 6, "cannot return a function or an array"},
		{"int f(int & x)", 11, "'&' has no place"},
		{"int f(int é)", 11, "'é' has no place"},
		{"int f(int \xff)", 11, "has no place"},
		{"int f(int /* x)", 11, "the comment has no end"},
		{"int f(int) __attribute__((alias(\"g)))", 33, "the string has no end"},
		{"int f(int) __attribute__((cold)", 32, "the attribute has no end"},
		{"int f(int) __attribute__", 25, `"((" after __attribute__`},
		{"int f(return x)", 7, `"return" in a prototype`},
		{"ZEXTERN uLong ZEXPORT crc32(uLong crc)", 15, `"ZEXPORT" where the parameter list of "uLong" is wanted`},
		{"int f(struct int x)", 14, `"int" where a tag is wanted`},
		{"int f(struct)", 13, "a tag or a description in braces"},
		{"int f(int a b)", 13, `"b" where "," or ")"`},
		{"int int(int)", 1, "these words make no type together"},
		{"int *const(int)", 16, "the name of the function"},
	} {
		p, err := Parse(c.in)
		var se *SyntaxError
		if !errors.As(err, &se) {
			t.Errorf("%s: %v %v, want a SyntaxError", c.in, p, err)
			continue
		}
		if se.Col != c.col || !strings.Contains(se.What, c.what) || se.Input != c.in {
			t.Errorf("%s: %v, want column %d: %s", c.in, err, c.col, c.what)
		}
		if strings.Contains(se.What, "not supported") != errors.Is(err, ErrUnsupported) && !strings.Contains(se.What, "too large") {
			t.Errorf("%s: errors.Is(err, ErrUnsupported) is wrong", c.in)
		}
	}
}

func TestSyntaxErrorFormat(t *testing.T) {
	_, err := Parse("int f(\n\tint x,\n\tfoo y)")
	const want = "column 17: unknown type name \"foo\" (an unknown type can only be pointed to)"
	if err.Error() != want || fmt.Sprintf("%v", err) != want {
		t.Errorf("got %v", err)
	}
	if got := fmt.Sprintf("%+v", err); got != want+"\n  \tfoo y)\n  \t^" {
		t.Errorf("got %q", got)
	}
	_, err = Parse("é")
	if got := fmt.Sprintf("%+v", err); got != "column 1: 'é' has no place in a C prototype\n  é\n  ^" {
		t.Errorf("got %q", got)
	}
}

func TestLimits(t *testing.T) {
	deep := func(open, middle, end string) string {
		return "int f(" + strings.Repeat(open, 3000) + middle + strings.Repeat(end, 3000) + ")"
	}
	var chain, twice strings.Builder
	chain.WriteString("void f(struct s0 { char c; } *p0")
	twice.WriteString("void f(union u0 { char c; } p0")
	for i := 1; i < 200; i++ {
		fmt.Fprintf(&chain, ", struct s%d { struct s%d x; } *p%d", i, i-1, i)
		fmt.Fprintf(&twice, ", union u%d { union u%d x, y; } *p%d", i, i-1, i)
	}
	for name, in := range map[string]string{
		"parentheses": deep("int (", "x", ")"),
		"structs":     deep("struct { ", "int x;", "} y;"),
		"functions":   deep("void (*)(", "int", ")"),
		"pointers":    "int f(int " + strings.Repeat("*", 3000) + "x)",
		"arrays":      "int f(int x" + strings.Repeat("[1]", 3000) + ")",
		"parameters":  "int f(int" + strings.Repeat(", int", 3000) + ")",
		"long":        "int f(int" + strings.Repeat(" ", 1<<14) + ")",
		"chain":       chain.String() + ")",
		"members":     "int f(struct { char a, c[1073741824], d; } *p)",
		"doubling":    twice.String() + ")",
	} {
		if _, err := Parse(in); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Parse(chain.String()[:strings.Index(chain.String(), ", struct s32 ")] + ")"); err != nil {
		t.Errorf("chain: %v", err)
	}
}

func TestLayout(t *testing.T) {
	for _, c := range []struct {
		in          string
		size, align uintptr
		offsets     []uintptr
	}{
		{"struct { char a; int b; char c; }", 12, 4, []uintptr{0, 4, 8}},
		{"struct { char a; double b; short c; }", 24, 8, []uintptr{0, 8, 16}},
		{"struct { char a[3]; short b[2]; }", 8, 2, []uintptr{0, 4}},
		{"struct { float _Complex a; char b; double _Complex c; }", 32, 8, []uintptr{0, 8, 16}},
		{"union { char a[5]; int b; }", 8, 4, []uintptr{0, 0}},
		{"struct { char a; union { short s; char c[3]; }; _Bool b; }", 8, 2, []uintptr{0, 2, 6}},
		{"ldiv_t", 16, 8, []uintptr{0, 8}},
	} {
		typ, err := ParseType(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if typ.Size != c.size || typ.Align != c.align || len(typ.Fields) != len(c.offsets) {
			t.Errorf("%s: size %d align %d", c.in, typ.Size, typ.Align)
		}
		for i, f := range typ.Fields {
			if f.Offset != c.offsets[i] {
				t.Errorf("%s: %s at %d, want %d", c.in, f.Name, f.Offset, c.offsets[i])
			}
		}
	}
}
