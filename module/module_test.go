package module_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"weld"
	"weld/ctype"
	"weld/internal/testenv"
	"weld/link"
	"weld/module"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// linkModule links objects to a module.
func linkModule(t testing.TB, opt link.Options, objects ...string) []byte {
	t.Helper()
	for _, o := range objects {
		opt.Inputs = append(opt.Inputs, link.Input{Path: o})
	}
	opt.Module = true
	res, err := link.Link(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	return res.Data
}

// built are modules by their sources, made once.
var built sync.Map

// build compiles a source of testdata and makes a module of it. The bytes are not to be changed.
func build(t testing.TB, source string, args ...string) []byte {
	t.Helper()
	type once struct {
		sync.Once
		data []byte
	}
	x, _ := built.LoadOrStore(source+strings.Join(args, " "), new(once))
	b := x.(*once)
	b.Do(func() { b.data = linkModule(t, link.Options{}, compile(t, testenv.NewDir(t), source, args...)) })
	if b.data == nil {
		t.Fatal("it could not be built")
	}
	return b.data
}

func compile(t testing.TB, d *testenv.Dir, source string, args ...string) string {
	t.Helper()
	return d.Object(strings.NewReplacer("/", "_", ".", "_").Replace(source)+".o", append([]string{"-fPIC", source}, args...)...)
}

func load(t testing.TB, data []byte, e *module.Exports, o *module.Options) *module.Module {
	t.Helper()
	m, err := module.Load(bytes.NewReader(data), int64(len(data)), e, o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func must[T any](t testing.TB, m *module.Module, name string) T {
	t.Helper()
	f, err := module.Import[T](m, name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

type pt struct{ X, Y int32 }

type big struct {
	A int64
	B float64
	C [3]int32
	_ [4]byte
}

// host is what mod.c and mod.cc want. The log has what host_log was given.
type host struct {
	module.Exports
	log []string
	sum int32
}

func newHost(t testing.TB) *host {
	t.Helper()
	h := &host{}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	libc, err := weld.Open("libc.so.6")
	ok(err)
	t.Cleanup(func() { libc.Close() })
	data := testenv.NewDir(t)
	vars, err := weld.Open(data.Shared("libvars.so", data.Write("vars.c", "long host_count = 42;\n")))
	ok(err)
	t.Cleanup(func() { vars.Close() })
	ok(h.Func("host_add", func(a, b int32) int32 { h.sum += b; return a + b }))
	ok(h.Func("host_scale", func(d float64) float64 { return 10 * d }))
	ok(h.Func("host_log", func(s *byte) {
		b := unsafe.Slice(s, 100)
		h.log = append(h.log, string(b[:bytes.IndexByte(b, 0)]))
	}))
	ok(h.Func("host_norm", func(p *pt, v pt) int32 { return p.X*v.X + p.Y*v.Y }))
	ok(h.Func("struct big { long a; double b; int c[3]; } host_big(struct big { long a; double b; int c[3]; } b)", func(b big) big {
		b.A++
		b.C[2] *= 10
		return b
	}))
	ok(h.Func("host_each", func(f uintptr, n int32) (sum int32) {
		call, err := weld.FuncAt[func(int32) int32](f)
		if err != nil {
			t.Error(err)
		}
		for i := range n {
			sum += call(i)
		}
		return sum
	}))
	ok(h.Library(vars, "host_count"))
	ok(h.Library(libc, "void *memcpy(void *, const void *, unsigned long)"))
	return h
}

// TestModule loads a module in C, stripped, with initialisers, thread-local variables and an indirect function, and uses all of it.
func TestModule(t *testing.T) {
	testenv.Need(t, "strip")
	d := testenv.NewDir(t)
	path := d.Join("mod.so")
	if err := os.WriteFile(path, build(t, "mod.c"), 0o666); err != nil {
		t.Fatal(err)
	}
	if msg, err := exec.Command("strip", path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, []byte(".debug_info")) {
		t.Fatal("it is not stripped")
	}
	h := newHost(t)
	m := load(t, data, &h.Exports, &module.Options{Name: "mod"})
	if got := must[func() int32](t, m, "mod_inited")(); got != 21 {
		t.Errorf("the initialiser has left %d", got)
	}
	if got := must[func([]pt, int32) int32](t, m, "mod_sum")([]pt{{1, 2}, {3, 4}}, 2); got != 10 {
		t.Errorf("mod_sum: %d", got)
	}
	local := must[func() int32](t, m, "mod_local")
	if a := local(); a != 4 {
		t.Errorf("mod_local: %d", a)
	}
	if got := must[func() int64](t, m, "mod_count")(); got != 42 || len(h.log) != 1 || h.log[0] != "count" {
		t.Errorf("mod_count: %d %v", got, h.log)
	}
	if got := must[func(float64) float64](t, m, "mod_scale")(1.5); got != 16 {
		t.Errorf("mod_scale: %v", got)
	}
	if got := must[func(int32, int32) int32](t, m, "mod_norm")(3, 4); got != 25 {
		t.Errorf("mod_norm: %v", got)
	}
	if got := must[func(int64, float64) float64](t, m, "mod_big")(1, 0.5); got != 32.5 {
		t.Errorf("mod_big: %v", got)
	}
	if got := must[func(int32) int32](t, m, "mod_each")(9); got != 72 {
		t.Errorf("mod_each: %v", got)
	}
	if got := must[func() int32](t, m, "mod_chosen")(); got != 1 {
		t.Errorf("mod_chosen: %v", got)
	}
	to := make([]byte, 3)
	must[func([]byte, string, uint64)](t, m, "mod_copy")(to, "abc", 3)
	if string(to) != "abc" {
		t.Errorf("mod_copy: %q", to)
	}
	counter := must[*int32](t, m, "counter")
	if *counter != 5 || must[uintptr](t, m, "counter") != uintptr(unsafe.Pointer(counter)) || must[func() unsafe.Pointer](t, m, "mod_counter")() != unsafe.Pointer(counter) {
		t.Error("counter")
	}
	if table := must[*[4]float64](t, m, "table"); table[3] != 4 {
		t.Error("table")
	}

	var te *weld.TypeError
	for _, err := range []error{
		second(module.Import[func(int64, int64) int32](m, "mod_norm")),
		second(module.Import[func([]big, int32) int32](m, "mod_sum")),
		second(module.Import[*int64](m, "counter")),
		second(module.Import[func()](m, "counter")),
		second(module.Import[func(float32) float64](m, "mod_scale")),
	} {
		if !errors.As(err, &te) || te.From != ctype.FromTable || te.C == nil || te.Go == nil {
			t.Errorf("another type: %v", err)
		}
	}
	if _, err := module.Import[func()](m, "host_add"); !errors.Is(err, module.ErrNotFound) {
		t.Errorf("what it does not export: %v", err)
	}
	if _, err := module.Import[int](m, "counter"); err == nil {
		t.Error("as an int")
	}

	exports, imports := m.Exports(), m.Imports()
	if len(exports) != 13 || exports.FindSym("mod_sum").Decl() != "int mod_sum(struct pt *, int)" && exports.FindSym("mod_sum").Decl() != "int mod_sum(const struct pt *, int)" || exports.FindSym("chosen") != nil ||
		exports.FindSym("local") != nil || exports.FindSym("mod_sum").Signature.Text != "fn(*struct pt,s32)s32" {
		t.Errorf("%v", exports.FindSym("mod_sum"))
	}
	names := []string{"host_add", "host_big", "host_count", "host_each", "host_log", "host_norm", "host_scale", "memcpy"}
	if len(imports) != len(names) {
		t.Errorf("%d imports: %v", len(imports), imports)
	}
	for i, s := range imports {
		if x := h.Symbols().FindSym(s.Name); s.Name != names[i] || x == nil || x.Addr != s.Addr || s.Addr == 0 {
			t.Errorf("import %d: %+v, %+v", i, s, x)
		}
	}
	m.FreeImports()
	if m.Imports() != nil {
		t.Error("FreeImports")
	}
	if err := h.Close(); !errors.Is(err, module.ErrInUse) {
		t.Errorf("closing the table: %v", err)
	}
	if err := m.Free(); err != nil {
		t.Fatal(err)
	}
	if len(h.log) != 2 || h.log[1] != "fini" {
		t.Errorf("the finaliser: %v", h.log)
	}
	func() {
		defer func() {
			if r := recover(); r != module.ErrFreed {
				t.Errorf("a call of a freed module: %v", r)
			}
		}()
		local()
	}()
	if err := m.Free(); err != module.ErrFreed {
		t.Errorf("again: %v", err)
	}
	if _, err := module.Import[func() int32](m, "mod_local"); err != module.ErrFreed {
		t.Errorf("Import: %v", err)
	}
	if _, err := m.Hold(); err != module.ErrFreed {
		t.Errorf("Hold: %v", err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if err := h.Close(); err != module.ErrClosed {
		t.Error(err)
	}
}

var linkNothing link.Options

func second[T any](_ T, err error) error { return err }

// cxxRuntime are the symbols that g++ has mod.cc refer to.
var cxxRuntime = []string{"_Unwind_Resume", "_ZTVN10__cxxabiv117__class_type_infoE", "_ZTVN10__cxxabiv120__si_class_type_infoE", "_ZTIi", "__cxa_allocate_exception",
	"__cxa_begin_catch", "__cxa_end_catch", "__cxa_throw", "__gxx_personality_v0", "_ZdlPvm", "_Znwm", "__cxa_free_exception"}

// TestModuleCXX loads a module in C++, whose objects are made and destroyed with it, which has virtual functions and catches
// exceptions, twice at a time.
func TestModuleCXX(t *testing.T) {
	var libs []*weld.Library
	for _, name := range []string{"libstdc++.so.6", "libgcc_s.so.1", "libc.so.6"} {
		lib, err := weld.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer lib.Close()
		libs = append(libs, lib)
	}
	h := newHost(t)
	for _, err := range []error{h.Unchecked(libs[0], cxxRuntime...), h.Unchecked(libs[2], "__cxa_atexit", "__cxa_finalize")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	data := linkModule(t, link.Options{ModuleImports: []link.Text{{Name: "imports", Data: []byte("*\nunchecked _Znwm _ZdlPvm\n")}}}, compile(t, testenv.NewDir(t), "mod.cc"))
	before := h.sum
	a, b := load(t, data, &h.Exports, nil), load(t, data, &h.Exports, nil)
	for range 2 {
		must[func() int32](t, a, "cxx_get")()
	}
	if got := must[func() int32](t, a, "cxx_get")(); got != 13 {
		t.Errorf("cxx_get: %d", got)
	}
	if got := must[func() int32](t, b, "cxx_get")(); got != 11 {
		t.Errorf("cxx_get of the second: %d", got)
	}
	if got := must[func(int32) int32](t, a, "cxx_catch")(5); got != 10 {
		t.Errorf("cxx_catch: %d", got)
	}
	if got := must[func(int32) int32](t, a, "cxx_object")(5); got != 20 {
		t.Errorf("cxx_object: %d", got)
	}
	was := h.sum
	for _, m := range []*module.Module{a, b} {
		if err := m.Free(); err != nil {
			t.Error(err)
		}
	}
	if h.sum != was-2000 || before == was {
		t.Errorf("the destructors of two global objects: %d", h.sum-was)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}
