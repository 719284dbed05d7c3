package cproto

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// gccPrototypes are compared with what GCC makes of them. "@tag" stands for the description of a struct, union or enum
// at its first use for this parser, and for its name alone in C, where the descriptions come before.
var gccPrototypes = []string{
	"double F(double)", "float F(float x)", "void F(void)", "int F(const char *, ...)", "_Bool F(_Bool)",
	"char F(signed char, unsigned char)", "short F(unsigned short, short int, short unsigned int, signed short)",
	"int F(unsigned, signed, unsigned int, int signed)", "long F(long int unsigned, long signed, unsigned long)",
	"long long F(long unsigned long, int long long, long long signed int, unsigned long long int)",
	"int8_t F(uint8_t, int16_t, uint16_t, int32_t, uint32_t, int64_t, uint64_t)",
	"int_least8_t F(uint_least8_t, int_least16_t, uint_least16_t, int_least32_t, uint_least32_t, int_least64_t, uint_least64_t)",
	"int_fast8_t F(uint_fast8_t, int_fast64_t, uint_fast64_t, intmax_t, uintmax_t)",
	"size_t F(ssize_t, off_t, off64_t, loff_t, ptrdiff_t, intptr_t, uintptr_t, time_t, clock_t)",
	"pid_t F(mode_t, uid_t, gid_t, id_t, dev_t, ino_t, nlink_t, blksize_t, blkcnt_t, key_t)",
	"wchar_t F(wint_t, char16_t, char32_t, sig_atomic_t, clockid_t, pthread_t, suseconds_t, useconds_t)",
	"socklen_t F(sa_family_t, in_addr_t, in_port_t, rlim_t, nfds_t, fsblkcnt_t, fsfilcnt_t, ino64_t)",
	"u_char F(u_short, u_int, u_long, uint, ulong, ushort, u_int8_t, u_int16_t, u_int32_t, u_int64_t, quad_t, u_quad_t)",
	"bool F(bool *)", "FILE *F(const char *restrict, FILE *)", "DIR *F(const char *)",
	"double _Complex F(float _Complex, _Complex double)", "float complex F(complex double)",
	"long double *F(long double *, long double _Complex *)", "__int128 *F(unsigned __int128 *, __uint128_t *, __int128_t *)",
	"void *F(void *restrict, const void *restrict, size_t)", "const char *const *F(char **, char *const *, const char **restrict)",
	"volatile int *F(const volatile int *, int *volatile, int *const)",
	"int F(int argc, char *argv[], char *env[static 2])", "void F(double m[3][4], int (*p)[5], int v[const 7], long w[restrict])",
	"void F(int n, double v[n], int w[*])",
	"void (*F(int sig, void (*func)(int)))(int)", "int (*(*F(void))(int, char))[3]", "void F(int cb(const void *, const void *))",
	"int (*F(double (*)(double), int (*[4])(long, ...)))(void)", "int ((F))(int ((x)), int (*(y)))",
	"void F(void *, size_t, size_t, int (*)(const void *, const void *, void *), void *)",
	"unsigned long long F(const struct stat *st, int (*cb)(void *, int), char buf[16], size_t n)",
	"extern int F(int) __attribute__((noreturn, cold))", "static inline int F(int a, int b __attribute__((unused)))",
	"register_t *F(fpos_t *, va_list *)",
	"div_t F(int, int)", "ldiv_t F(long, long)", "lldiv_t F(long long, long long)",
	"@point F(@point p, double k)", "const @point *F(@point *const p)", "@rgb F(@rgb, @rgb *)", "@mixed F(@mixed)", "int F(@arrays a)",
	"@floats F(@floats)", "@nested F(@nested n)", "@pointers *F(@pointers)", "@u F(@u)", "@inunion F(@inunion)", "@chars F(@chars *[3])", "@big F(@big)",
	"@cplx F(@cplx)", "@node *F(@node *)", "@bools F(@bools)", "@wide *F(@wide *)", "@dims F(@dims)", "@names F(@names)",
	"@color F(@color)", "@sign F(@sign)", "@large F(@large)", "@negative F(@negative)", "@withenum F(@withenum)",
	"@first F(@first a, @second b, int (*)(@first, @second))",
}

var gccTags = map[string]string{
	"point": "struct point { int x; double y; }", "rgb": "struct rgb { unsigned char r, g, b; }",
	"mixed":    "struct mixed { char a; short b; char c; int d; char e; long f; char g; }",
	"arrays":   "struct arrays { char a[3]; short b[5]; int c[2][3]; char d; }",
	"floats":   "struct floats { float a, b, c; }",
	"nested":   "struct nested { char a; struct { char b; double c; } d; struct { short e; struct { char f; int g; }; }; char h; }",
	"pointers": "struct pointers { char a; void *b; int (*c)(int, ...); const char *const d[2]; struct unknown *e; char f; }",
	"u":        "union u { char a[9]; int b; double c; short d; }",
	"inunion":  "struct inunion { char t; union { int i; float f; char s[5]; } v; union { long l; char c; }; char end; }",
	"chars":    "struct chars { char a[7]; signed char b; unsigned char c[4]; }",
	"big":      "struct big { long a[100]; char b; }",
	"cplx":     "struct cplx { char a; float _Complex b; char c; double _Complex d; }",
	"node":     "struct node { struct node *next, **prev; int value; }",
	"bools":    "struct bools { _Bool a, b; int c; bool d; }",
	"wide":     "struct wide { char a; long double b; char c; __int128 d; char e; long double _Complex f; }",
	"dims":     "struct dims { const volatile short a[2][3][4]; int *b[2], (*c)[2]; }",
	"names":    "struct names { size_t a; wchar_t b; mode_t c; uint8_t d; off_t e; pid_t f; time_t g; div_t h; }",
	"color":    "enum color { RED, GREEN = 5, BLUE }", "sign": "enum sign { MINUS = -1, PLUS = +1, }",
	"large": "enum large { SMALL, LARGE = 0x100000000 }", "negative": "enum negative { NEG = -0x100000000, OCT = 010, SAME = OCT }",
	"withenum": "struct withenum { enum inner { IN_A, IN_B } a; char b[IN_B]; enum inner c; }",
	"first":    "struct first { char a; }", "second": "struct second { struct first a[3]; short b; }",
}

// TestAgainstGCC has GCC check, at compile time, the type of each prototype as this parser prints it, the size, the sign
// and the kind of each parameter, and the layout of each struct.
func TestAgainstGCC(t *testing.T) {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Fatal("this test needs gcc: install it (Debian: apt-get install gcc libc6-dev)")
	}
	var c strings.Builder
	c.WriteString(`#define _GNU_SOURCE
#include <arpa/inet.h>
#include <complex.h>
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <uchar.h>
#include <wchar.h>
#define KIND(x) _Generic((x), _Bool: "b1", char: "c1", signed char: "i1", unsigned char: "u1", short: "i2", unsigned short: "u2", \
	int: "i4", unsigned: "u4", long: "i8", unsigned long: "u8", long long: "i8", unsigned long long: "u8", \
	float: "f4", double: "f8", long double: "L16", float _Complex: "z8", double _Complex: "z16", __int128: "w16", default: "other")
#define CHECK_KIND(x, k) _Static_assert(__builtin_strcmp(KIND(x), k) == 0, #x " is no " k)
`)
	tag, placeholder := regexp.MustCompile(`@(\w+)`), regexp.MustCompile(`\bF\b`)
	printed := map[string]bool{}
	describe := func(name string) {
		if !printed[name] {
			c.WriteString(gccTags[name] + ";\n")
			printed[name] = true
		}
	}
	var body strings.Builder
	for i, text := range gccPrototypes {
		seen := map[string]bool{}
		all := map[string]bool{}
		cText := text
		for _, m := range tag.FindAllStringSubmatch(text, -1) {
			describe(m[1])
			keyword := strings.Fields(gccTags[m[1]])[0] + " "
			all[keyword+m[1]] = true
			cText = strings.Replace(cText, m[0], keyword+m[1], 1)
			if seen[m[1]] {
				text = strings.Replace(text, m[0], keyword+m[1], 1)
			} else {
				seen[m[1]] = true
				text = strings.Replace(text, m[0], gccTags[m[1]], 1)
			}
		}
		name := fmt.Sprintf("f%d", i)
		text = placeholder.ReplaceAllString(text, name)
		p, err := Parse(text)
		if err != nil {
			t.Errorf("%s:\n%+v", text, err)
			continue
		}
		if p.Name != name {
			t.Fatalf("%s: named %s", text, p.Name)
		}
		// The types as C has them and as this parser prints them, without the descriptions.
		ours := Type{Kind: Function, Func: &Signature{p.Result, p.Params, p.Variadic}}
		pr := func(t Type, inner string) string { return (&printer{described: all}).declare(t, inner) }
		original := placeholder.ReplaceAllString(cText, name)
		fmt.Fprintf(&body, "%s;\n%s;\n_Static_assert(__builtin_types_compatible_p(__typeof__(%s), __typeof__(our_%s)), %q);\n",
			original, pr(ours, "our_"+name), name, name, p.String())
		for j, param := range append(p.Params, Param{"", p.Result}) {
			param.Type.Len = 0 // in a cast an array would be one
			if param.Type.Kind != Void {
				checkValue(&body, fmt.Sprintf("*(__typeof__(%s) *)0", pr(param.Type, "")), param.Type, fmt.Sprintf("%s_%d", name, j))
			}
		}
	}
	src := filepath.Join(t.TempDir(), "check.c")
	if err := os.WriteFile(src, []byte(c.String()+body.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(gcc, "-std=gnu11", "-fsyntax-only", "-w", "-fmax-errors=20", src).CombinedOutput()
	if err != nil {
		t.Errorf("gcc disagrees:\n%s", out)
	}
	if n := strings.Count(body.String(), "_Static_assert"); n < 400 {
		t.Errorf("only %d checks", n)
	}
}

// checkValue writes checks of the C expression x, which has the type t.
func checkValue(b *strings.Builder, x string, t Type, path string) {
	fmt.Fprintf(b, "_Static_assert(sizeof(%s) == %d && _Alignof(__typeof__(%s)) == %d, %q);\n", x, t.Size, x, t.Align, path+" "+t.String())
	letter := ""
	switch t.Kind {
	case Bool:
		letter = "b"
	case Int:
		letter = "u"
		if t.Signed {
			letter = "i"
		}
		if t.IsChar() {
			letter = "c"
		}
	case Float:
		letter = "f"
	case Complex:
		letter = "z"
	case Struct, Union:
		for _, f := range t.Fields {
			if f.Name == "" {
				continue // C has no way to name it
			}
			fmt.Fprintf(b, "_Static_assert(__builtin_offsetof(__typeof__(%s), %s) == %d, %q);\n", x, f.Name, f.Offset, path+"."+f.Name)
			checkValue(b, fmt.Sprintf("((__typeof__(%s) *)0)->%s", x, f.Name), f.Type, path+"."+f.Name)
		}
		return
	case Array:
		checkValue(b, "("+x+")[0]", *t.Elem, path+"[]")
		return
	default:
		return
	}
	fmt.Fprintf(b, "CHECK_KIND(%s, \"%s%d\");\n", x, letter, t.Size)
}
