package ctype

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"weld/image/elf"
)

// buildKCFI builds a library with type ids in the folder of its source.
func buildKCFI(t *testing.T, src, option string) (*Info, *elf.Mapped) {
	t.Helper()
	dir := filepath.Dir(src)
	out := filepath.Join(dir, "lib"+option+".so")
	run(t, dir, "clang-19", option, "-shared", "-fPIC", "-w", "-g", "-fsanitize=kcfi", src, "-o", out)
	f, err := elf.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return openInfo(t, out, nil), f
}

// TestKCFI compares the type ids that clang has put before functions with those of their types in DWARF.
func TestKCFI(t *testing.T) {
	if got := xxHash64(nil); got != 0xef46db3751d8e999 {
		t.Errorf("xxHash64 of nothing is %#x", got)
	}
	if got := uint32(xxHash64([]byte("_ZTSFddE"))); got != 0x9264fa89 {
		t.Errorf("the id of double (double) is %#x", got)
	}
	dir := t.TempDir()
	src := source(t, dir, "kinds.c")
	in, f := buildKCFI(t, filepath.Join(dir, src), "-O1")
	n := 0
	for _, q := range exports(t, f.Name) {
		if q.Type != elf.STT_FUNC || strings.HasPrefix(q.Name, "__cfi_") {
			continue
		}
		id, ok := KCFIBefore(f.File, q.Addr)
		if !ok {
			t.Errorf("%s has no type id", q.Name)
			continue
		}
		k, err := in.Lookup(q)
		if err != nil {
			t.Errorf("%s: %v", q.Name, err)
			continue
		}
		got, err := KCFI(k.Type)
		if err != nil {
			t.Logf("%s: %v", q.Name, err)
			continue
		}
		if n++; got[0] != id {
			t.Errorf("%s, %s: %#x, want %#x", q.Name, k.Type, got[0], id)
		}
	}
	if n < 45 {
		t.Errorf("%d functions", n)
	}
}

// TestMatchKCFI compares Go func types with type ids.
func TestMatchKCFI(t *testing.T) {
	for _, c := range []struct {
		decl           string
		g              any
		match, certain bool
	}{
		{"double f(double)", func(float64) float64 { return 0 }, true, true},
		{"double f(double)", func(float32) float64 { return 0 }, false, true},
		{"double f(double)", func(float64) {}, false, false},
		{"void f(double)", func(float64) {}, true, true},
		{"int f(int, long)", func(int32, int64) int32 { return 0 }, true, true},
		{"int f(int, long long)", func(int32, int) int32 { return 0 }, true, true},
		{"int f(int)", func(int64) int32 { return 0 }, false, false},
		{"float f(char, unsigned short)", func(int8, uint16) float32 { return 0 }, true, true},
		{"float f(char, unsigned short)", func(int8, int16) float32 { return 0 }, false, false},
		{"int f(const char *)", func(string) int32 { return 0 }, true, true},
		{"int f(struct s *)", func(unsafe.Pointer) int32 { return 0 }, false, false},
		{"float f(void)", func() float32 { return 0 }, true, true},
		{"float f(void)", func() float64 { return 0 }, false, true},
		{"int f(int, ...)", func(int32, ...any) int32 { return 0 }, false, false},
	} {
		k, err := ParseDecl(c.decl)
		if err != nil {
			t.Fatal(err)
		}
		id, err := KCFI(k.Type)
		if err != nil {
			t.Fatal(err)
		}
		if match, certain := MatchKCFI(id[0], reflect.TypeOf(c.g)); match != c.match || certain != c.certain {
			t.Errorf("%s, %T: %v, %v", c.decl, c.g, match, certain)
		}
	}
	for _, decl := range []string{"int f(FILE *)", "int f(struct { int x; } *)"} {
		k, err := ParseDecl(decl)
		if err != nil {
			t.Fatal(err)
		}
		if id, err := KCFI(k.Type); err == nil {
			t.Errorf("%s: %#x", decl, id)
		}
	}
}

// TestHeader reads prototypes out of headers.
func TestHeader(t *testing.T) {
	h := ParseHeader(`/* int commented(int); */
#ifndef X
#define MACRO(x) \
	int macro(x);
#endif
extern "C" {
extern int one(int a); // int two(int);
const char *text(struct s { int x; double d; } *p,
	unsigned long n);
typedef int number;
number unknown(number n);
struct other { int (*f)(void); };
int variable;
int one(long again);
void last(void)
	;
static inline int body(int x) { return x; } int after(void);
}
int outside(struct v { int x; int y; } v);
`)
	for name, want := range map[string]string{
		"one": "int one(int)", "text": "const char *text(struct s *, unsigned long)", "last": "void last(void)", "outside": "int outside(struct v)",
		"commented": "", "macro": "", "two": "", "unknown": "", "variable": "", "body": "",
	} {
		got := ""
		if k := h.Find(name); k != nil {
			got = k.Type.Declare(name)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if (*Header)(nil).Find("x") != nil {
		t.Error("no header finds something")
	}
}

// FuzzHeader has any text be a header.
func FuzzHeader(f *testing.F) {
	f.Add("int f(int a); /* x */ #define y\nextern \"C\" { void g(struct s { int x; } *p); }")
	f.Fuzz(func(t *testing.T, text string) { ParseHeader(text) })
}
