package module_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"weld"
	"weld/internal/testenv"
	"weld/module"
)

// An exported is a Go func that a host exports, and how a module calls it.
type exported struct {
	proto string // with %s for the name
	call  string // an expression of long, with %s for the name
	fn    any
	want  int64 // of the expression
}

// fifty returns 50 Go funcs of ten kinds of signature.
func fifty(t testing.TB, calls *atomic.Int64) []exported {
	var list []exported
	for i := range 5 {
		k := int64(i + 1)
		n := func() int64 { calls.Add(1); return k }
		list = append(list,
			exported{"int %s(int a, int b)", "%s(7, 3)", func(a, b int32) int32 { return a*int32(n()) + b }, 7*k + 3},
			exported{"double %s(double d)", "(long)%s(2.5)", func(d float64) float64 { return d * float64(n()) * 2 }, 5 * k},
			exported{"unsigned char %s(unsigned char a, short b)", "%s(200, -100)", func(a uint8, b int16) uint8 { return a + uint8(b) + uint8(n()) }, 100 + k},
			exported{"long %s(const char *s)", "%s(\"four\")", func(s *byte) int64 {
				return n() * int64(bytes.IndexByte(unsafe.Slice(s, 5), 0))
			}, 4 * k},
			exported{"struct pt %s(struct pt p)", "%s((struct pt){4, 5}).y", func(p pt) pt { return pt{p.Y, p.X * int32(n())} }, 4 * k},
			exported{"void %s(int *out, int n)", "(%s(out, 3), out[0] + out[1] + out[2])", func(out *int32, count int32) {
				for j := range unsafe.Slice(out, count) {
					unsafe.Slice(out, count)[j] = int32(k) * int32(j)
				}
				n()
			}, 3 * k},
			exported{"float %s(float a, float b)", "(long)%s(1.5f, 2)", func(a, b float32) float32 { return a*2 + b + float32(n()) }, 5 + k},
			exported{"int %s(int (*f)(int), int n)", "%s(triple, 5)", func(f uintptr, arg int32) int32 {
				call, err := weld.FuncAt[func(int32) int32](f)
				if err != nil {
					t.Error(err)
				}
				return call(arg) + int32(n())
			}, 15 + k},
			exported{"unsigned long %s(unsigned long a, int b, long c, short d, char e, unsigned f, long g, double h, long i)", "(long)%s(1, 2, 3, 4, 5, 6, 7, 8, 9)",
				func(a uint64, b int32, c int64, d int16, e int8, f uint32, g int64, h float64, i int64) uint64 {
					return a + uint64(b) + uint64(c) + uint64(d) + uint64(e) + uint64(f) + uint64(g) + uint64(h) + uint64(i) + uint64(n())
				}, 45 + k},
			exported{"struct big %s(struct big b)", "(long)%s((struct big){1, 2, {3, 4, 5}}).c[2]", func(b big) big { b.C[2] *= int32(n()); return b }, 5 * k},
		)
	}
	return list
}

// source is a module that calls all of a list.
func source(list []exported, cxx bool) string {
	var b strings.Builder
	b.WriteString("struct pt { int x, y; };\nstruct big { long a; double b; int c[3]; };\nstatic int triple(int n) { return 3 * n; }\n")
	if cxx {
		b.WriteString("extern \"C\" {\n")
	}
	for i, x := range list {
		fmt.Fprintf(&b, x.proto+";\n", fmt.Sprintf("host_%02d", i))
	}
	b.WriteString("long call_all(void)\n{\n\tlong sum = 0;\n\tint out[3];\n")
	for i, x := range list {
		fmt.Fprintf(&b, "\tsum = sum * 3 + "+x.call+";\n", fmt.Sprintf("host_%02d", i))
	}
	b.WriteString("\treturn sum;\n}\n")
	if cxx {
		b.WriteString("}\n")
	}
	return b.String()
}

// TestFifty has modules in C and C++ call 50 Go funcs, from several goroutines at a time.
func TestFifty(t *testing.T) {
	var calls atomic.Int64
	list := fifty(t, &calls)
	want := int64(0)
	for _, x := range list {
		want = want*3 + x.want
	}
	d := testenv.NewDir(t)
	for _, name := range []string{"c", "cc"} {
		t.Run(name, func(t *testing.T) {
			var host module.Exports
			for i, x := range list {
				if err := host.Func(fmt.Sprintf("host_%02d", i), x.fn); err != nil {
					t.Fatal(err)
				}
			}
			if n := len(host.Symbols()); n != 50 {
				t.Fatalf("%d symbols", n)
			}
			path := d.Write("fifty."+name, source(list, name == "cc"))
			m := load(t, linkModule(t, linkNothing, d.Object("fifty_"+name+".o", "-fPIC", path)), &host, nil)
			if n := len(m.Imports()); n != 50 {
				t.Errorf("%d imports", n)
			}
			all := must[func() int64](t, m, "call_all")
			calls.Store(0)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for range 20 {
						if got := all(); got != want {
							t.Errorf("%d, want %d", got, want)
						}
					}
				})
			}
			wg.Wait()
			if calls.Load() != 4*20*50 {
				t.Errorf("%d calls", calls.Load())
			}
			if err := m.Free(); err != nil {
				t.Error(err)
			}
			if err := host.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestHundred loads a module all of whose 100 imports are wrong, each of another way: all are reported.
func TestHundred(t *testing.T) {
	var host module.Exports
	defer host.Close()
	var src strings.Builder
	src.WriteString("struct pt { int x, y; };\n")
	long := strings.Repeat("very_", 100) + "long_name"
	ways := []struct{ module, host, want string }{
		{"int %s(int)", "", "not in the host's table of exports\n\tmodule: int %s(int)"},
		{"int %s(int)", "int %s(long)", "argument 1: the module has int, the host long"},
		{"int %s(int)", "int %s(int, int)", "the module passes 1 arguments, the host takes 2"},
		{"double %s(float)", "double %s(double)", "argument 1: the module has float, the host double\n\tmodule: double %s(float)\n\thost:   double %s(double)"},
		{"int %s(struct pt *)", "int %s(struct other *)", "argument 1: the module has struct pt *, the host struct other *"},
		{"int %s(struct pt)", "int %s(struct pt { int x, y, z; } p)", "argument 1, struct pt"},
		{"int %s(const char *, ...)", "int %s(const char *)", "variable arguments"},
		{"long %s(void)", "int %s(void)", "result: the module has long, the host int"},
		{"unsigned %s(void)", "int %s(void)", "result: the module has unsigned int, the host int"},
		{"int %s(int (*)(int))", "int %s(int (*)(long))", "argument 1"},
	}
	for i := range 100 {
		name := fmt.Sprintf("bad_%02d", i)
		if i == 53 {
			name = "bad_53_" + long
		}
		w := ways[i%10]
		fmt.Fprintf(&src, strings.ReplaceAll(w.module, "%", "%[1]")+";\nvoid *use_%[1]s(void) { return (void *)%[1]s; }\n", name)
		if w.host != "" {
			if err := host.Func(fmt.Sprintf(w.host, name), goFunc(t, w.host)); err != nil {
				t.Fatalf("%s: %v", w.host, err)
			}
		}
	}
	d := testenv.NewDir(t)
	data := linkModule(t, linkNothing, d.Object("hundred.o", "-fPIC", d.Write("hundred.c", src.String())))
	_, err := module.Load(bytes.NewReader(data), int64(len(data)), &host, nil)
	var all *module.ImportsError
	if !errors.As(err, &all) || len(all.Imports) != 100 {
		t.Fatalf("%v", err)
	}
	for i, e := range all.Imports {
		w := ways[i%10]
		want := strings.ReplaceAll(w.want, "%s", e.Name)
		kind := module.ErrMismatch
		if w.host == "" {
			kind = module.ErrUndefined
		}
		if !strings.HasPrefix(e.Name, fmt.Sprintf("bad_%02d", i)) || !errors.Is(e, kind) || !strings.Contains(e.Error(), want) {
			t.Errorf("%v\nwant %s", e, want)
		}
		if kind == module.ErrMismatch && (e.Module == "" || e.Host == "") {
			t.Errorf("%s: without both types: %+v", e.Name, e)
		}
	}
	if !strings.Contains(err.Error(), "100 imports cannot be bound") || !strings.Contains(err.Error(), long) || !errors.Is(err, module.ErrUndefined) {
		t.Errorf("%v", err)
	}
}

// goFunc is a Go func for a prototype of TestHundred.
func goFunc(t *testing.T, proto string) any {
	switch proto {
	case "int %s(long)":
		return func(int64) int32 { return 0 }
	case "int %s(int, int)":
		return func(a, b int32) int32 { return 0 }
	case "double %s(double)":
		return func(float64) float64 { return 0 }
	case "int %s(struct other *)", "int %s(const char *)", "int %s(int (*)(long))":
		return func(unsafe.Pointer) int32 { return 0 }
	case "int %s(struct pt { int x, y, z; } p)":
		return func(struct{ X, Y, Z int32 }) int32 { return 0 }
	case "int %s(void)":
		return func() int32 { return 0 }
	}
	t.Fatal(proto)
	return nil
}
