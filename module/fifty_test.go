package module_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
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

// TestReload loads a module a thousand times, each time another version of it, and leaves nothing behind.
func TestReload(t *testing.T) {
	var host module.Exports
	defer host.Close()
	if err := host.Func("host_add", func(a, b int32) int32 { return a + b }); err != nil {
		t.Fatal(err)
	}
	d := testenv.NewDir(t)
	var versions [][]byte
	for i := range 2 {
		src := fmt.Sprintf("int host_add(int, int);\n__thread int calls; int version(int n) { calls++; return host_add(n, %d) + calls; }\n", 100*i)
		versions = append(versions, linkModule(t, linkNothing, d.Object(fmt.Sprintf("v%d.o", i), "-fPIC", d.Write(fmt.Sprintf("v%d.c", i), src))))
	}
	n := 1000
	if testing.Short() {
		n = 100
	}
	var before [2]int
	for i := range n {
		if i == 20 {
			before = [2]int{mappings(t), descriptors(t)}
		}
		m := load(t, versions[i%2], &host, nil)
		f := must[func(int32) int32](t, m, "version")
		if got, want := f(1), int32(100*(i%2)+2); got != want {
			t.Fatalf("round %d: %d, want %d", i, got, want)
		}
		if err := m.Free(); err != nil {
			t.Fatal(err)
		}
	}
	if after := [2]int{mappings(t), descriptors(t)}; after[0] > before[0]+4 || after[1] > before[1] {
		t.Errorf("mappings and descriptors: %v before, %v after %d loads", before, after, n)
	}
}

func mappings(t testing.TB) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(b, []byte("\n"))
}

func descriptors(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestInUse frees modules that are in use: by a call, by somebody who holds them, by another module.
func TestInUse(t *testing.T) {
	in, out := make(chan bool), make(chan bool)
	var host module.Exports
	for _, err := range []error{
		host.Func("host_add", func(a, b int32) int32 { in <- true; <-out; return a + b }),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	d := testenv.NewDir(t)
	first := load(t, linkModule(t, linkNothing, d.Object("first.o", "-fPIC", d.Write("first.c", "int host_add(int, int);\nint waits(int n) { return host_add(n, 1); }\nint plain(int n) { return n + 7; }\n"))), &host, &module.Options{Name: "first"})
	waits := must[func(int32) int32](t, first, "waits")
	users := func(what string, want int64) {
		t.Helper()
		var e *module.InUseError
		if err := first.Free(); !errors.As(err, &e) || !errors.Is(err, module.ErrInUse) || e.Users != want {
			t.Errorf("%s: %v", what, err)
		}
	}
	done := make(chan int32)
	go func() { done <- waits(1) }()
	<-in
	users("during a call", 1)
	out <- true
	if got := <-done; got != 2 {
		t.Error(got)
	}
	release, err := first.Hold()
	if err != nil {
		t.Fatal(err)
	}
	users("held", 1)
	release()
	release()

	var both module.Exports
	if err := both.Module(first, "nothing"); !errors.Is(err, module.ErrNotFound) {
		t.Error(err)
	}
	if err := both.Module(first, "plain"); err != nil {
		t.Fatal(err)
	}
	users("exported", 1)
	second := load(t, linkModule(t, linkNothing, d.Object("second.o", "-fPIC", d.Write("second.c", "int plain(int);\nint through(int n) { return plain(n) * 2; }\n"))), &both, nil)
	if got := must[func(int32) int32](t, second, "through")(1); got != 16 {
		t.Errorf("through another module: %d", got)
	}
	if err := both.Close(); !errors.Is(err, module.ErrInUse) {
		t.Error(err)
	}
	if err := second.Free(); err != nil {
		t.Error(err)
	}
	users("exported", 1)
	if err := both.Close(); err != nil {
		t.Error(err)
	}
	if err := first.Free(); err != nil {
		t.Error(err)
	}
	if err := host.Close(); err != nil {
		t.Error(err)
	}
}

// TestPanic has a host function panic in an initialiser and in a call: nothing is left behind, and the module can be freed.
func TestPanic(t *testing.T) {
	var host module.Exports
	fail := true
	if err := host.Func("host_add", func(a, b int32) int32 {
		if fail {
			panic("host")
		}
		return a + b
	}); err != nil {
		t.Fatal(err)
	}
	d := testenv.NewDir(t)
	data := linkModule(t, linkNothing, d.Object("init.o", "-fPIC", d.Write("init.c", "int host_add(int, int);\nint n;\n__attribute__((constructor)) static void init(void) { n = host_add(1, 2); }\nint again(void) { return host_add(n, 1); }\n")))
	recovered := func(f func()) (r any) {
		defer func() { r = recover() }()
		f()
		return nil
	}
	before := mappings(t)
	if r := recovered(func() { module.Load(bytes.NewReader(data), int64(len(data)), &host, nil) }); r != "host" {
		t.Errorf("an initialiser that panics: %v", r)
	}
	if n := mappings(t); n > before+4 {
		t.Errorf("%d mappings, %d before", n, before)
	}
	fail = false
	m := load(t, data, &host, nil)
	fail = true
	again := must[func() int32](t, m, "again")
	if r := recovered(func() { again() }); r != "host" {
		t.Errorf("a call that panics: %v", r)
	}
	if err := m.Free(); err != nil {
		t.Error(err)
	}
	if err := host.Close(); err != nil {
		t.Error(err)
	}
}

// TestConcurrent calls a module from several goroutines, and reloads it meanwhile: no call is lost, and none is made to what is gone.
func TestConcurrent(t *testing.T) {
	var host module.Exports
	if err := host.Func("host_add", func(a, b int32) int32 { return a + b }); err != nil {
		t.Fatal(err)
	}
	d := testenv.NewDir(t)
	data := linkModule(t, linkNothing, d.Object("calls.o", "-fPIC", d.Write("calls.c", "int host_add(int, int);\nint call(int n) { return host_add(n, 1); }\n")))
	type version struct {
		m    *module.Module
		call func(int32) int32
	}
	var now atomic.Pointer[version]
	next := func() *version {
		m := load(t, data, &host, nil)
		return now.Swap(&version{m, must[func(int32) int32](t, m, "call")})
	}
	next()
	var wg sync.WaitGroup
	var stop atomic.Bool
	var good, freed atomic.Int64
	for range 2 {
		wg.Go(func() {
			for !stop.Load() {
				func() {
					defer func() {
						if r := recover(); r != nil {
							if r != module.ErrFreed {
								t.Errorf("%v", r)
							}
							freed.Add(1)
						}
					}()
					if got := now.Load().call(1); got != 2 {
						t.Errorf("%d", got)
					}
					good.Add(1)
				}()
			}
		})
	}
	for i := 0; i < 8 || good.Load() < 100; i++ {
		old := next()
		for errors.Is(old.m.Free(), module.ErrInUse) {
			time.Sleep(50 * time.Microsecond)
		}
	}
	stop.Store(true)
	wg.Wait()
	t.Logf("%d calls, %d of them of what was freed", good.Load()+freed.Load(), freed.Load())
	if err := now.Load().m.Free(); err != nil {
		t.Error(err)
	}
	if err := host.Close(); err != nil {
		t.Error(err)
	}
}

// TestExampleSoak runs examples/plugins: the module is replaced while it runs, by a new version and by one that does not fit.
func TestExampleSoak(t *testing.T) {
	if !testenv.Soak() {
		t.Skip("WELD_SOAK is not set")
	}
	d := testenv.NewDir(t)
	src, err := os.ReadFile(filepath.Join(testenv.Root(t), "examples/plugins/testdata/count.c"))
	if err != nil {
		t.Fatal(err)
	}
	path := d.Join("count.so")
	versions := 0
	put := func(old, now string) {
		t.Helper()
		versions++
		name := fmt.Sprintf("count%d", versions)
		data := linkModule(t, linkNothing, d.Object(name+".o", "-fPIC", d.Write(name+".c", strings.ReplaceAll(string(src), old, now))))
		if err := os.WriteFile(path+".new", data, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	put("", "")
	cmd := exec.Command(testenv.GoProgram(t, "weld/examples/plugins"), path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(out)
	ask := func(line, want string) {
		t.Helper()
		fmt.Fprintln(in, line)
		if got, err := answers.ReadString('\n'); err != nil || got != want+"\n" {
			t.Fatalf("%q %v, want %s", got, err, want)
		}
	}
	ask("a", "a 1")
	put("+ 1", "+ 100")
	ask("b", "b 101")
	put("long host_get", "int host_get")
	ask("c", "module "+path+": 1 import cannot be bound:")
	for _, want := range []string{"host_get: of another type: result: the module has int, the host long", "\tmodule: int host_get(const char *)", "\thost:   long host_get(const char *)", "c 201"} {
		if got, err := answers.ReadString('\n'); err != nil || got != want+"\n" {
			t.Errorf("%q %v, want %s", got, err, want)
		}
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
