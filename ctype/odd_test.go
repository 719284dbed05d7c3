package ctype

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// build compiles text with a compiler into a library, or, by -c, into an object.
func build(t testing.TB, dir, file, text string, cc ...string) (*Info, string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, file+".so")
	run(t, dir, cc[0], append(cc[1:], "-shared", "-fPIC", "-w", "-g", file, "-o", out)...)
	return openInfo(t, out, nil), out
}

// typeOfSymbol returns the type of a symbol of a library.
func typeOfSymbol(t testing.TB, in *Info, path, name string) *Type {
	t.Helper()
	for _, q := range exports(t, path) {
		if q.Name != name {
			continue
		}
		k, err := in.Lookup(q)
		if err != nil {
			t.Fatal(err)
		}
		return k.Type
	}
	t.Fatalf("%s has no %s", path, name)
	return nil
}

// TestRecursive has structs that are parameters of functions that they point to, each of which C allows.
func TestRecursive(t *testing.T) {
	t.Parallel()
	in, path := build(t, t.TempDir(), "rec.c", `
		struct s { int x; int (*f)(struct s); };
		struct b; struct a { void (*f)(struct b); }; struct b { struct a (*f)(struct a, struct b); long n; };
		int one(struct s s) { return s.x; }
		void two(struct a a, struct b b) { }
		void three(struct s a, struct s b) { }`, "gcc")
	for name, want := range map[string]string{
		"one":   "fn({@0 s32;@64 *fn(#0)s32}16)s32",
		"two":   "fn({@0 *fn({@0 *fn(#0,#1)#0;@64 s64}16)void}8,#1)void",
		"three": "fn({@0 s32;@64 *fn(#0)s32}16,#0)void",
	} {
		f := typeOfSymbol(t, in, path, name)
		if s, err := SignatureOf(f); err != nil || s.Text != want {
			t.Errorf("%s: %s %v, want %s", name, s.Text, err, want)
		}
		if list := Diff(f, f); list != nil {
			t.Errorf("%s differs from itself: %v", name, list)
		}
	}
}

// TestRepeated has structs of two of the same struct each, 60 deep, and arrays of nothing that are long: what is done with a type
// must not take as long as it is large.
func TestRepeated(t *testing.T) {
	start := time.Now()
	twice := NewStruct(Struct, "s0", 4, []Member{{Name: "v", Type: &Type{Kind: Int, Name: "int", Size: 4, Signed: true}}})
	nothing := NewStruct(Struct, "n0", 0, nil)
	for i := range 60 {
		twice = NewStruct(Struct, "s", 4<<min(i+1, 40), []Member{{Name: "a", Type: twice}, {Name: "b", Type: twice, Offset: twice.Size * 8}})
		nothing = NewStruct(Struct, "n", 0, []Member{{Name: "a", Type: nothing}, {Name: "b", Type: nothing}})
	}
	long := NewStruct(Struct, "l", 8, []Member{{Name: "v", Type: &Type{Kind: Array, Elem: nothing, Len: 1 << 45, Size: 0}}, {Name: "p", Type: PointerTo(voidType)}})
	for _, s := range []*Type{twice, nothing, long} {
		f := &Type{Kind: Func, Elem: s, Params: []Param{{"", s}, {"", PointerTo(s)}}}
		if _, err := SignatureOf(f); err != nil {
			t.Error(err)
		}
		other := NewStruct(s.Kind, s.Name, s.Size, append([]Member{}, s.body.members...))
		if list := Diff(PointerTo(s), PointerTo(other)); list != nil {
			t.Error(list)
		}
		Check(f, reflect.TypeFor[func(goPoint, *goPoint)](), Call)
	}
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("it took %v", d)
	}
}

// TestClasses compares what g++ and clang++ say of the same C++: of classes that are passed by the address of a copy, of what the kinds of constructors and
// destructors take, and of thunks.
func TestClasses(t *testing.T) {
	t.Parallel()
	const text = `
		struct plain { plain(const plain &) = default; plain(int); ~plain() = default; int v; };
		struct only { only(only &&) = default; int v; };
		struct copied { copied(const copied &); int v; };
		struct moved { moved(moved &&); int v; };
		struct gone { ~gone(); int v; };
		struct later { later(const later &); int v; };
		later::later(const later &) = default;
		struct assigned { assigned &operator=(const assigned &); int v; };
		template <class T> struct tmpl { tmpl(const tmpl &); T v; };
		struct derived : copied { char c; };
		typedef const tmpl<int> arr[2];
		struct within { struct inner { arr a; } in; };
		union either { either(const either &); int v; };
		struct other { other(const copied &); int v; };
		struct base { virtual ~base(); int v; };
		struct deep : virtual base { deep(int); ~deep(); int a; };
		base::~base() { }
		deep::deep(int x) : a(x) { }
		deep::~deep() { }
		extern "C" {
			int f_plain(plain p, only *o, assigned a, other t) { return p.v; }
			int f_copied(copied c, moved m, gone g, later l) { return c.v; }
			int f_within(derived d, tmpl<char> t, within w, either e) { return d.v; }
			copied f_result(copied *c) { return *c; }
			int f_virtual(base *b, base c) { return b->v; }
		}`
	want := map[string]string{
		"f_plain":      "fn({@0 s32}4,*struct only,#0,#0)s32",
		"f_copied":     "fn(byref struct copied,byref struct moved,byref struct gone,byref struct later)s32",
		"f_within":     "fn(byref struct derived,byref struct tmpl<char>,byref struct within,byref union either)s32",
		"f_result":     "fn(*struct copied)byref struct copied",
		"f_virtual":    "fn(*struct base,byref struct base)s32",
		"_ZN4deepC1Ei": "fn(*struct deep,s32)void", "_ZN4deepC2Ei": "fn(*struct deep,**void,s32)void",
		"_ZN4deepD0Ev": "fn(*struct deep)void", "_ZN4deepD1Ev": "fn(*struct deep)void", "_ZN4deepD2Ev": "fn(*struct deep,**void)void",
		"_ZN4baseD1Ev": "fn(*struct base)void", "_ZN4baseD2Ev": "fn(*struct base)void",
	}
	compilers := [][]string{{"clang++-19", "-O1", "-fstandalone-debug"}, {"g++", "-O2", "-gdwarf-5", "-fdebug-types-section"}, {"g++", "-O0", "-gdwarf-4"}}
	if testing.Short() {
		compilers = compilers[:2]
	}
	for _, cc := range compilers {
		in, path := build(t, t.TempDir(), "class.cc", text, cc...)
		n := 0
		for _, q := range exports(t, path) {
			got := sigText(in, q)
			switch w, ok := want[q.Name]; {
			case !ok && strings.HasPrefix(q.Name, "_ZT"):
				if strings.HasPrefix(got, "fn(") {
					t.Errorf("%v: %s, a thunk: %s", cc, q.Name, got)
				}
			case ok:
				if n++; got != w {
					t.Errorf("%v: %s: %s, want %s", cc, q.Name, got, w)
				}
			}
		}
		if n != len(want) {
			t.Errorf("%v: %d symbols, want %d", cc, n, len(want))
		}
	}
}

// TestShared has a pointer to a function without a prototype in a struct that dwz moves to a unit of its own, which says nothing of the
// language.
func TestShared(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a.c", "b.c"} {
		text := `struct h { int a; int (*any)(); int (*none)(void); int (*some)(int, ...); }; int f_` + name[:1] + `(struct h h) { return h.any(1, 2); }`
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, dir, "gcc", "-g", "-shared", "-fPIC", "a.c", "b.c", "-o", "lib.so")
	run(t, dir, "dwz", "lib.so")
	in := openInfo(t, filepath.Join(dir, "lib.so"), nil)
	partial := false
	if _, _, err := in.Source(); err != nil {
		t.Fatal(err)
	}
	for _, u := range in.dwarf.units {
		partial = partial || u.setup() == nil && u.tag == tagPartialUnit && u.lang == 0
	}
	if !partial {
		t.Error("dwz made no partial unit")
	}
	for _, q := range exports(t, in.Name()) {
		if got, want := sigText(in, q), "fn({@0 s32;@64 *fn(?)s32;@128 *fn()s32;@192 *fn(s32,...)s32}32)s32"; got != want {
			t.Errorf("%s: %s, want %s", q.Name, got, want)
		}
	}
}

// TestCheckClasses binds what C++ passes by address, which is a pointer in Go.
func TestCheckClasses(t *testing.T) {
	t.Parallel()
	in, path := build(t, t.TempDir(), "class.cc", `
		struct copied { copied(const copied &); int v; };
		struct holder { copied c; int n; };
		struct point { int x, y; };
		extern "C" {
			int take(copied c, int point::*p, void (point::*f)(int)) { return c.v; }
			copied make(int n, copied *c) { return *c; }
			int look(holder &h) { return h.n; }
		}`, "g++")
	type member struct{ F, Adj uintptr }
	for _, c := range []struct {
		name string
		g    any
		want string
	}{
		{"take", func(*int32, int64, member) int32 { return 0 }, ""},
		{"take", func(uintptr, uintptr, member) int32 { return 0 }, ""},
		{"take", func(struct{ V int32 }, int32, member) int32 { return 0 },
			"argument 1 (c): C wants struct copied (4 bytes), Go passes struct { V int32 } (4 bytes): C++ passes this class by the address of a copy; argument 2 (p): C wants a C++ pointer to member (8 bytes), Go passes int32: 4 bytes, not 8"},
		{"make", func(unsafe.Pointer, int32, unsafe.Pointer) uintptr { return 0 }, ""},
		{"make", func(unsafe.Pointer, int32, unsafe.Pointer) {}, ""},
		{"make", func(int32, unsafe.Pointer) uintptr { return 0 }, "C takes 3 arguments, Go passes 2; argument 1 (the result): C wants struct copied * (4 bytes), Go passes int32, which is no pointer; argument 2 (n): C wants int (4 bytes), Go passes unsafe.Pointer"},
		{"look", func(*struct{ V, N int32 }) int32 { return 0 }, ""},
	} {
		got := ""
		if err := Check(typeOfSymbol(t, in, path, c.name), reflect.TypeOf(c.g), Call); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s, %T:\n got %s\nwant %s", c.name, c.g, got, c.want)
		}
	}
}

// TestPacked has structs whose members are not where C puts them by itself: small ones are passed in memory, as nothing of Go's of their
// size is, and no declaration without attributes says what they are.
func TestPacked(t *testing.T) {
	t.Parallel()
	in, path := build(t, t.TempDir(), "packed.c", `
		struct __attribute__((packed)) small { char c; int i; };
		struct __attribute__((packed)) nested { char c; union { struct small s; char b; } u; };
		struct __attribute__((packed)) large { char c; long l[2]; };
		struct __attribute__((packed)) same { int i; char c[4]; };
		struct apart { char c; _Alignas(8) char d; };
		int take_small(struct small s) { return s.i; }
		struct small give_small(void) { return (struct small){1, 2}; }
		int take_nested(struct nested n) { return n.c; }
		int take_large(struct large l) { return l.c; }
		int take_same(struct same s) { return s.i; }
		int take_apart(struct apart a) { return a.d; }
		int look_small(struct small *s) { return s->i; }
	`, "gcc")
	type small struct {
		C byte
		I [4]byte
	}
	type large struct {
		C byte
		L [16]byte
	}
	const memory = ": it is packed, and passed in memory, as no Go type of its size is"
	for _, c := range []struct {
		name      string
		g         any
		want      string
		prototype string
	}{
		{"take_small", func(small) int32 { return 0 }, memory, ""},
		{"give_small", func() (s small) { return }, memory, ""},
		{"take_nested", func(struct {
			C byte
			S [5]byte
		}) int32 {
			return 0
		}, memory, ""},
		{"take_large", func(large) int32 { return 0 }, "", ""},
		{"take_same", func(struct {
			I int32
			C [4]byte
		}) int32 {
			return 0
		}, "", "int take_same(struct same { int i; char c[4]; } s)"},
		{"take_apart", func(struct {
			C byte
			_ [7]byte
			D byte
			_ [7]byte
		}) int32 {
			return 0
		}, "", ""},
		{"look_small", func(*small) int32 { return 0 }, "", "int look_small(struct small *s)"},
	} {
		typ := typeOfSymbol(t, in, path, c.name)
		err := Check(typ, reflect.TypeOf(c.g), Call)
		if (err == nil) != (c.want == "") || err != nil && !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
		if text, err := Prototype(typ, c.name); (err == nil) != (c.prototype != "") || err == nil && text != c.prototype {
			t.Errorf("%s: %s, %v, want %q", c.name, text, err, c.prototype)
		}
	}
}

// foreign builds what C is in another language by DWARF: numbers are those of a language and, of the second pair, of tags that become others.
func foreign(t *testing.T, text string, lang string, tags ...string) (*Info, string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "c.c"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "clang-19", "-S", "-g", "-O1", "-fPIC", "-w", "c.c", "-o", "c.s")
	b, err := os.ReadFile(filepath.Join(dir, "c.s"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	lines := strings.Split(string(b), "\n")
	for i, line := range lines {
		switch {
		case strings.HasPrefix(line, "\t.short") && strings.HasSuffix(line, "# DW_AT_language"):
			lines[i] = "\t.short " + lang
			n++
		case len(tags) == 2 && strings.HasSuffix(line, "# "+tags[0]):
			lines[i] = "\t.byte " + tags[1]
			n++
		}
	}
	if n < 1+len(tags)/2 {
		t.Fatalf("only %d of clang's lines are as they should be", n)
	}
	if err := os.WriteFile(filepath.Join(dir, "c.s"), []byte(strings.Join(lines, "\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "c.so")
	run(t, dir, "clang-19", "-shared", "c.s", "-o", path)
	return openInfo(t, path, nil), path
}

// TestLanguages has what Rust does that C does not, and functions that are not called as they are declared.
func TestLanguages(t *testing.T) {
	t.Parallel()
	const rust, fortran = "0x1c", "0x0e"
	find := func(in *Info, path, name string) (*Known, error) {
		for _, q := range exports(t, path) {
			if q.Name == name {
				return in.Lookup(q)
			}
		}
		return nil, os.ErrNotExist
	}

	// Functions of the same code are merged, and only one of them is described.
	const alias = `int f(int a) { return a; } unsigned g(unsigned) __attribute__((alias("f")));
		enum __attribute__((packed)) c_void { A, B }; enum c_void *h(enum c_void *p) { return p; }`
	in, path := foreign(t, alias, rust)
	if _, err := find(in, path, "g"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a merged function: %v", err)
	}
	for name, want := range map[string]string{"f": "fn(s32)s32", "h": "fn(*void)*void"} {
		k, err := find(in, path, name)
		if err != nil {
			t.Fatal(err)
		}
		if s, err := SignatureOf(k.Type); s.Text != want || err != nil {
			t.Errorf("%s: %s %v, want %s", name, s.Text, err, want)
		}
	}

	// An enum with data may be passed as anything of its size.
	in, path = foreign(t, `struct opt { void *p; }; int f(struct opt o, struct opt *p) { return o.p != 0; }`, rust, "DW_TAG_member", "0x33")
	k, err := find(in, path, "f")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range []any{func(uintptr, *uintptr) int32 { return 0 }, func(*int32, unsafe.Pointer) int32 { return 0 }, func(struct{ V int64 }, uintptr) int32 { return 0 }} {
		if err := Check(k.Type, reflect.TypeOf(g), Call); err != nil {
			t.Errorf("%T: %v", g, err)
		}
	}
	if err := Check(k.Type, reflect.TypeFor[func(int32, uintptr) int32](), Call); err == nil {
		t.Error("4 bytes were taken for 8")
	}

	in, path = foreign(t, "int f(int a) { return a; } int v;", fortran)
	if _, err := find(in, path, "f"); !errors.Is(err, ErrLanguage) {
		t.Errorf("a function of Fortran: %v", err)
	}
	if k, err := find(in, path, "v"); err != nil || k.Type.Kind != Int {
		t.Errorf("a variable of Fortran: %v", err)
	}
}

// TestConventions reads the names that clang's conventions have.
func TestConventions(t *testing.T) {
	t.Parallel()
	text, n := "", 0
	for _, cc := range []string{"ms_abi", "preserve_most", "preserve_all", "preserve_none", "swiftcall"} {
		text += fmt.Sprintf("__attribute__((%s)) int %s(int a) { return a; }\n", cc, cc)
	}
	in, path := build(t, t.TempDir(), "cc.c", text, "clang-19")
	for _, q := range exports(t, path) {
		n++
		if k, err := in.Lookup(q); err != nil || k.Type.Convention != q.Name {
			t.Errorf("%s: %v %+v", q.Name, err, k)
		}
	}
	if n != 5 {
		t.Errorf("%d functions", n)
	}
}

// TestAlignedTypedef has a member of a typedef with an alignment of its own, which clang says of the typedef in DWARF 5 only.
func TestAlignedTypedef(t *testing.T) {
	t.Parallel()
	for _, cc := range [][]string{{"gcc", "-gdwarf-5"}, {"clang-19", "-gdwarf-4"}, {"clang-19", "-gdwarf-5"}} {
		in, path := build(t, t.TempDir(), "a.c", `typedef int big __attribute__((aligned(32)));
			struct s { const big b; short c; }; int f(struct s s) { return s.b; }`, append(cc, "-O1")...)
		if s, err := SignatureOf(typeOfSymbol(t, in, path, "f")); err != nil || s.Text != "fn({@0 s32;@32 s16}32/32)s32" {
			t.Errorf("%v: %s %v", cc, s.Text, err)
		}
	}
}

// TestManyGroups reads an object with a section group for each of many types, whose relocations share a symbol table: what may be read
// suffices if that is read once.
func TestManyGroups(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 300 {
		fmt.Fprintf(&b, "struct s%d { int v%d; void m%d(); }; void s%d::m%d() { }\n", i, i, i, i, i)
	}
	b.WriteString("int last(s299 s) { return s.v299; }")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "many.cc"), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "g++", "-c", "-g", "-fdebug-types-section", "many.cc")
	in := openInfo(t, filepath.Join(dir, "many.o"), &Options{MaxBytes: 1 << 20})
	if got := sigText(in, Query{Name: "_Z4last4s299"}); got != "fn({@0 s32}4)s32" {
		t.Error(got)
	}
}

// TestLateVariadic has clang say behind a function's blocks that it takes variable arguments.
func TestLateVariadic(t *testing.T) {
	for _, cc := range [][]string{{"clang-19", "-O1"}, {"clang-19", "-O0"}, {"gcc", "-O2"}} {
		in, path := build(t, t.TempDir(), "late.c", `#include <stdarg.h>
			int g(int x) { return x; }
			int v(int n, const char *f, ...) { va_list ap; int r = 0; va_start(ap, f); { int k = g(n); if (k) { int z = g(k); r += z; } }
				for (int i = 0; i < n; i++) { int q = va_arg(ap, int); r += g(q); } va_end(ap); return r; }`, cc...)
		if s, err := SignatureOf(typeOfSymbol(t, in, path, "v")); err != nil || s.Text != "fn(s32,*s8,...)s32" {
			t.Errorf("%v: %s %v", cc, s.Text, err)
		}
	}
}

// TestOldStyle has functions defined as before C89. clang says that they have prototypes, and puts static variables before the
// parameters.
func TestOldStyle(t *testing.T) {
	const text = "int f(char *, long); int f(p, n) char *p; long n; { static const short order[4] = {1, 2}; static int calls; calls++; return order[n & 3] + *p + calls; }\n"
	for _, c := range []struct {
		cc   []string
		want string
	}{{[]string{"clang-19", "-O2"}, "fn(*s8,s64)s32"}, {[]string{"clang-19", "-O0"}, "fn(*s8,s64)s32"}} {
		in, path := build(t, t.TempDir(), "old.c", text, c.cc...)
		if s, err := SignatureOf(typeOfSymbol(t, in, path, "f")); err != nil || s.Text != c.want {
			t.Errorf("%v: %s %v, want %s", c.cc, s.Text, err, c.want)
		}
	}
}
