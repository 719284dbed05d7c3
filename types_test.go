package weld_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"weld"
	"weld/ctype"
	"weld/internal/testenv"
	"weld/link"
)

const typedSource = `
struct point { int x, y; };
struct span { struct point from, to; double length; };
int counter = 7;
long twice(long n) { return 2 * n; }
double length(const struct span *s) { return s->length; }
int apply(int (*f)(int), int n) { return f(n); }
static long impl(long n) { return n + 1; }
long next_long(long) __attribute__((alias("impl")));
static long (*choose(void))(long) { return impl; }
long picked(long) __attribute__((ifunc("choose")));
`

type (
	point struct{ X, Y int32 }
	span  struct {
		From, To point
		Length   float64
	}
	wrongSpan struct {
		From, To point
		Length   float32
		_        [4]byte
	}
)

// TestTypes binds functions of a library that has debugging information with the right and with wrong types.
func TestTypes(t *testing.T) {
	d := testenv.NewDir(t)
	path := d.Shared("libtyped.so", d.Write("typed.c", typedSource), "-Wl,--build-id=sha1")
	lib := openAt(t, path)
	defer closeLib(t, lib)

	twice, err := weld.Func[func(int64) int64](lib, "twice")
	if err != nil || twice(21) != 42 {
		t.Fatal(err)
	}
	_, err = weld.Func[func(int32) int32](lib, "twice")
	var te *weld.TypeError
	if !errors.As(err, &te) || te.Symbol != "twice" || te.From != ctype.FromDWARF || te.Library != path ||
		!strings.Contains(err.Error(), "argument 1 (n): C wants long (8 bytes), Go passes int32: 4 bytes, not 8; result: C returns long (8 bytes), Go wants int32: 4 bytes, not 8\n\tC, by DWARF of ") ||
		!strings.Contains(err.Error(), "long twice(long)\n\tGo: func(int32) int32") {
		t.Errorf("twice: %v", err)
	}
	if _, err := weld.Func[func(int32) int32](lib, "twice", weld.IgnoreTypes); err != nil {
		t.Error(err)
	}
	if _, err := weld.Func[func(int16) int16](lib, "twice", weld.Declared("short twice(short)")); err != nil {
		t.Error(err)
	}
	for _, o := range []weld.FuncOption{{}, weld.DebugDir(d.Path), weld.RequireTypes} { // what was made unchecked is checked now
		if _, err := weld.Func[func(int32) int32](lib, "twice", o); !errors.As(err, &te) {
			t.Errorf("twice, after IgnoreTypes: %v", err)
		}
		if _, err := weld.Func[func(int16) int16](lib, "twice", o); !errors.As(err, &te) {
			t.Errorf("twice, after Declared: %v", err)
		}
	}
	if _, err := weld.Func[func(*span) float64](lib, "length"); err != nil {
		t.Error(err)
	}
	if _, err := weld.Func[func(*wrongSpan) float64](lib, "length"); err == nil || !strings.Contains(err.Error(), "field Length is float32, C's member length is double") {
		t.Errorf("length: %v", err)
	}
	if _, err := weld.Func[func(*weld.Callback, int32) int32](lib, "apply"); err != nil {
		t.Error(err)
	}
	if _, err := weld.Func[func(int64) int64](lib, "next_long"); err != nil {
		t.Errorf("an alias: %v", err)
	}
	if _, err := weld.Func[func(int32) int64](lib, "next_long"); !errors.As(err, &te) {
		t.Errorf("an alias: %v", err)
	}
	if f, err := weld.Func[func(int64) int64](lib, "picked"); err != nil || f(1) != 2 {
		t.Errorf("an indirect function: %v", err)
	}

	var b struct {
		Twice   func(int32) int64   `sym:"twice"`
		Length  func(*span) float32 `sym:"length"`
		Counter *int64              `sym:"counter"`
	}
	err = weld.Bind(lib, &b)
	for _, want := range []string{"argument 1 (n): C wants long", "result: C returns double", "C has int (4 bytes), Go points to it with *int64"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Bind: %v, want %s", err, want)
		}
	}
	var good struct {
		Twice   func(int64) int64 `sym:"twice"`
		Counter *int32            `sym:"counter"`
	}
	if err := weld.Bind(lib, &good); err != nil || *good.Counter != 7 {
		t.Errorf("Bind: %v", err)
	}
	k, err := lib.TypeOf("length")
	if err != nil || k.From != ctype.FromDWARF || k.Type.Declare("length") != "double length(const struct span *)" {
		t.Errorf("TypeOf: %+v %v", k, err)
	}
}

// TestTypesUnknown is a library without debugging information: its functions can be bound with any type, unless the caller says
// otherwise.
func TestTypesUnknown(t *testing.T) {
	d := testenv.NewDir(t)
	path := d.Shared("libtyped.so", d.Write("typed.c", typedSource), "-Wl,--build-id=sha1")
	testenv.Need(t, "strip", "objcopy")
	if msg, err := exec.Command("objcopy", "--only-keep-debug", path, d.Join("libtyped.debug")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	if msg, err := exec.Command("strip", path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	if msg, err := exec.Command("objcopy", "--add-gnu-debuglink="+d.Join("libtyped.debug"), path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	lib := openAt(t, path)
	defer closeLib(t, lib)
	if _, err := weld.Func[func(int32) int64](lib, "twice"); err != nil {
		t.Errorf("by default: %v", err)
	}
	var te *weld.TypeError
	if _, err := weld.Func[func(int32) int64](lib, "twice", weld.RequireTypes); !errors.As(err, &te) || te.From != ctype.FromDebugFile {
		t.Errorf("with RequireTypes: %v", err)
	}
	if _, err := weld.Func[func(int64) int64](lib, "twice", weld.RequireTypes); err != nil {
		t.Errorf("with RequireTypes: %v", err)
	}
	if _, err := weld.Func[func(int32) int64](lib, "twice", weld.Declared("long twice(long n)")); !errors.As(err, &te) || te.From != ctype.FromDecl {
		t.Errorf("with Declared: %v", err)
	}
	if _, err := weld.Func[func(int64) int64](lib, "twice", weld.Declared("long twice(long n)")); err != nil {
		t.Errorf("with Declared: %v", err)
	}
	if _, err := weld.Func[func(int64) int64](lib, "twice", weld.Declared("long thrice(long n)")); err == nil {
		t.Error("with the declaration of another function")
	}
	var b struct {
		Twice func(int32) int64 `sym:"twice"`
	}
	if err := weld.Bind(lib, &b, weld.RequireTypes); !errors.As(err, &te) {
		t.Errorf("Bind: %v", err)
	}

	if err := os.Remove(d.Join("libtyped.debug")); err != nil {
		t.Fatal(err)
	}
	bare := openAt(t, d.Shared("libbare.so", d.Write("bare.c", "int one(void) { return 1; }\n"), "-s"))
	defer closeLib(t, bare)
	if _, err := weld.Func[func() int32](bare, "one"); err != nil {
		t.Error(err)
	}
	if _, err := weld.Func[func() int32](bare, "one", weld.RequireTypes); !errors.Is(err, ctype.ErrNoDebugInfo) {
		t.Errorf("with RequireTypes: %v", err)
	}
	if _, err := bare.TypeOf("one"); !errors.Is(err, ctype.ErrNoDebugInfo) {
		t.Errorf("TypeOf: %v", err)
	}
}

// TestTypesReplaced puts another file in the place of a library that is loaded, whose types that says nothing of.
func TestTypesReplaced(t *testing.T) {
	for _, id := range [][2]string{{"none", "none"}, {"sha1", "none"}} {
		d := testenv.NewDir(t)
		path := d.Shared("libf.so", d.Write("f.c", "long f(long a) { return a; }"), "-Wl,--build-id="+id[0])
		other := d.Shared("libother.so", d.Write("other.c", "int f(char *a, int b) { return b; }"), "-Wl,--build-id="+id[1])
		lib := openAt(t, path)
		if err := os.Rename(other, path); err != nil {
			t.Fatal(err)
		}
		if f, err := weld.Func[func(int64) int64](lib, "f"); err != nil || f(7) != 7 {
			t.Errorf("%v: %v", id, err)
		}
		closeLib(t, lib)
	}
}

// TestTypesOfMemory is a library that has no path.
func TestTypesOfMemory(t *testing.T) {
	d := testenv.NewDir(t)
	path := d.Shared("libtyped.so", d.Write("typed.c", typedSource))
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	lib, err := weld.Load("typed", file, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	defer closeLib(t, lib)
	var te *weld.TypeError
	if _, err := weld.Func[func(int32) int64](lib, "twice"); !errors.As(err, &te) {
		t.Errorf("from memory: %v", err)
	}
	if _, err := weld.Func[func(int64) int64](lib, "twice"); err != nil {
		t.Errorf("from memory: %v", err)
	}
}

// TestTypesOfTable is a library with a table of signatures, which goes before its debugging information, and stays without it.
func TestTypesOfTable(t *testing.T) {
	d := testenv.NewDir(t)
	object := d.Object("typed.o", "-fPIC", d.Write("typed.c", typedSource))
	for _, strip := range []link.Strip{link.StripNone, link.StripAll} {
		path := d.Join(fmt.Sprintf("libtable%d.so", strip))
		if _, err := link.Link(t.Context(), link.Options{
			Inputs: []link.Input{{Path: object}}, Mode: link.Shared, Output: path, ExportTable: true, Strip: strip, EhFrameHdr: true,
		}); err != nil {
			t.Fatal(err)
		}
		lib := openAt(t, path)
		defer closeLib(t, lib)
		for name, want := range map[string]string{"twice": "long twice(long)", "length": "double length(const struct span *)", "counter": "int counter", "next_long": "long next_long(long)"} {
			k, err := lib.TypeOf(name)
			if err != nil || k.From != ctype.FromTable || k.File != path || k.Type.Declare(name) != want {
				t.Errorf("%s: %+v %v", name, k, err)
			}
		}
		if k, err := lib.TypeOf("picked"); strip == link.StripNone && (err != nil || k.From != ctype.FromDWARF) || strip == link.StripAll && err == nil {
			t.Errorf("picked, which is not in the table: %+v %v", k, err)
		}
		if f, err := weld.Func[func(int64) int64](lib, "twice", weld.RequireTypes); err != nil || f(4) != 8 {
			t.Error(err)
		}
		var b struct {
			Twice   func(int32) int32        `sym:"twice"`
			Length  func(*wrongSpan) float64 `sym:"length"`
			Counter *int64                   `sym:"counter"`
		}
		var te *weld.TypeError
		err := weld.Bind(lib, &b)
		for _, want := range []string{"argument 1 (n): C wants long (8 bytes), Go passes int32", "field Length is float32, C's member length is double", "C has int (4 bytes), Go points to it with *int64", "by a table of signatures of " + path} {
			if !errors.As(err, &te) || te.From != ctype.FromTable || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		}
	}
}

// TestTypesSeparate has debugging information be in other files.
func TestTypesSeparate(t *testing.T) {
	// A small file in /usr/lib/debug is read without being asked for; that of the C library is not.
	resolv, err := weld.Open("libresolv.so.2")
	if err != nil {
		t.Fatal(err)
	}
	defer closeLib(t, resolv)
	var te *weld.TypeError
	if _, err := weld.Func[func(float64) uint32](resolv, "ns_get16"); !errors.As(err, &te) || te.From != ctype.FromDebugFile {
		t.Errorf("libresolv, whose debug file is in libc6-dbg: %v", err)
	}
	if _, err := weld.Func[func(*byte) uint32](resolv, "ns_get16"); err != nil {
		t.Error(err)
	}
	libc, err := weld.Open("libc.so.6")
	if err != nil {
		t.Fatal(err)
	}
	defer closeLib(t, libc)
	if _, err := weld.Func[func(float64) int32](libc, "getppid"); err != nil {
		t.Errorf("a large debug file is read: %v", err)
	}
	// What stands for dlopen and the like, and what resolvers choose, is of the type that the C library says.
	if _, err := weld.Func[func(int32) uintptr](libc, "dlopen", weld.RequireTypes); !errors.As(err, &te) {
		t.Errorf("dlopen: %v", err)
	}
	if _, err := weld.Func[func(string, int32) uintptr](libc, "dlopen", weld.RequireTypes); err != nil {
		t.Errorf("dlopen: %v", err)
	}
	if _, err := weld.Func[func(*int64) int64](libc, "time", weld.RequireTypes); err != nil {
		t.Errorf("time, which is in the vDSO: %v", err)
	}
	s, err := libc.Lookup("qsort")
	if err != nil {
		t.Fatal(err)
	}
	if k, err := s.CType(); err != nil || k.From != ctype.FromDebugFile || k.Type.Declare("qsort") != "void qsort(void *, size_t, size_t, __compar_fn_t)" {
		t.Errorf("qsort: %+v, %v", k, err)
	}

	// A folder that is given.
	d := testenv.NewDir(t)
	path := d.Shared("lib/libtyped.so", d.Write("typed.c", typedSource), "-Wl,--build-id=sha1")
	testenv.Need(t, "strip", "objcopy")
	id := func() string {
		in, err := weld.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer closeLib(t, in)
		return hex.EncodeToString(in.BuildID)
	}()
	debug := d.Join("debug/.build-id/" + id[:2] + "/" + id[2:] + ".debug")
	if err := os.MkdirAll(filepath.Dir(debug), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"objcopy", "--only-keep-debug", path, debug}, {"strip", path}} {
		if msg, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, msg)
		}
	}
	lib := openAt(t, path)
	defer closeLib(t, lib)
	if _, err := weld.Func[func(int32) int32](lib, "twice"); err != nil {
		t.Error(err)
	}
	if _, err := weld.Func[func(int32) int64](lib, "twice", weld.DebugDir(d.Join("debug"))); !errors.As(err, &te) || te.File != debug {
		t.Errorf("a folder that is given: %v", err)
	}
	if _, err := weld.Func[func(int32) int32](lib, "twice", weld.DebugDir(d.Join("debug"))); !errors.As(err, &te) {
		t.Errorf("a folder that is given, after a bind without it: %v", err)
	}
	if _, err := weld.Func[func(int16) int64](lib, "twice", weld.DebugDir(d.Join("nothing"))); err != nil {
		t.Errorf("a folder with nothing: %v", err)
	}

	// A header that is given.
	header := weld.Header("long twice(long n); /* the only one */ int length(int);")
	var b struct {
		Twice func(int32) int64   `sym:"twice"`
		Next  func(float32) int64 `sym:"next_long"`
	}
	if err := weld.Bind(lib, &b, header); !errors.As(err, &te) || te.From != ctype.FromDecl || te.Symbol != "twice" {
		t.Errorf("a header: %v", err)
	}
	var good struct {
		Twice func(int64) int64   `sym:"twice"`
		Next  func(float32) int64 `sym:"next_long"`
	}
	if err := weld.Bind(lib, &good, header); err != nil {
		t.Errorf("a header: %v", err)
	}
}

// TestTypeIDs binds functions of which nothing is known but the type ids that clang has put before them.
func TestTypeIDs(t *testing.T) {
	testenv.Need(t, "clang-19")
	d := testenv.NewDir(t)
	path := d.Join("libids.so")
	d.Write("ids.c", "struct p;\ndouble half(double x) { return x / 2; }\nint add(int a, int b) { return a + b; }\nfloat mixed(char c, unsigned short s) { return c + s; }\n"+
		"int point(const struct p *p) { return p != 0; }\n")
	if msg, err := exec.Command("clang-19", "-shared", "-fPIC", "-w", "-O2", "-fsanitize=kcfi", d.Join("ids.c"), "-o", path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	lib := openAt(t, path)
	defer closeLib(t, lib)
	for _, c := range []struct {
		name string
		bind func(opts ...weld.FuncOption) error
		opts []weld.FuncOption
		want string
	}{
		{"half", bindTo[func(float64) float64](lib, "half"), nil, ""},
		{"half", bindTo[func(float64) float64](lib, "half"), []weld.FuncOption{weld.RequireTypes}, ""},
		{"half", bindTo[func(float32) float64](lib, "half"), nil, "half of " + path + ": the type id before the function, 0x9264fa89, is not that of what func(float32) float64 stands for"},
		{"half", bindTo[func(float32) float64](lib, "half"), []weld.FuncOption{weld.IgnoreTypes}, ""},
		{"add", bindTo[func(int32, int32) int32](lib, "add"), []weld.FuncOption{weld.RequireTypes}, ""},
		{"add", bindTo[func(int64, int32) int32](lib, "add"), nil, ""}, // an enum of 8 bytes would be that
		{"add", bindTo[func(int64, int32) int32](lib, "add"), []weld.FuncOption{weld.RequireTypes}, "its type is not known"},
		{"mixed", bindTo[func(int8, uint16) float32](lib, "mixed"), []weld.FuncOption{weld.RequireTypes}, ""},
		{"mixed", bindTo[func(int8, int16) float32](lib, "mixed"), nil, ""}, // so would an enum of 2 bytes
		{"mixed", bindTo[func(int8, int16) float32](lib, "mixed"), []weld.FuncOption{weld.Declared("float mixed(char, short)")}, "is not that of the prototype that is given"},
		{"half", bindTo[func(float64) float64](lib, "half"), []weld.FuncOption{weld.Declared("double half(double")}, "column 19"},
		{"point", bindTo[func(uintptr) int32](lib, "point"), nil, ""},
		{"point", bindTo[func(uintptr) int32](lib, "point"), []weld.FuncOption{weld.Declared("int point(const struct p *p)")}, ""},
		{"point", bindTo[func(uintptr) int32](lib, "point"), []weld.FuncOption{weld.Declared("int point(const struct q *p)")}, "is not that of the prototype that is given, int point(const struct q *)"},
	} {
		err := c.bind(c.opts...)
		if err == nil != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) && c.want != "its type is not known" {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

func bindTo[F any](lib *weld.Library, name string) func(opts ...weld.FuncOption) error {
	return func(opts ...weld.FuncOption) error {
		_, err := weld.Func[F](lib, name, opts...)
		return err
	}
}
