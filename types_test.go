package weld_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
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
