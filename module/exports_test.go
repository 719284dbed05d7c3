package module_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"weld"
	"weld/ctype"
	"weld/internal/testenv"
	"weld/link"
	"weld/live"
	"weld/module"
)

// TestExports fills tables in every way there is, and in ways that are refused.
func TestExports(t *testing.T) {
	d := testenv.NewDir(t)
	typed, err := weld.Open(d.Shared("libtyped.so", d.Write("typed.c", "int f(int n) { return n + 1; }\ndouble var = 2;\n__thread int tls;\n")))
	if err != nil {
		t.Fatal(err)
	}
	defer typed.Close()
	bare, err := weld.Open(d.Shared("libbare.so", d.Write("bare.c", "int g(int n) { return n + 2; }\n"), "-s"))
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	tablePath := d.Join("libtable.so")
	if _, err := link.Link(t.Context(), link.Options{Inputs: []link.Input{{Path: d.Object("table.o", "-fPIC", d.Write("table.c", "int h(int n) { return n + 3; }\nlong other = 5;\n"))}}, Mode: link.Shared,
		ExportTable: true, Strip: link.StripAll, Output: tablePath}); err != nil {
		t.Fatal(err)
	}
	table, err := weld.Open(tablePath)
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	obj, err := live.New(nil, "made", live.Options{Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer obj.Close()
	code, err := obj.Alloc(1, 1, live.Text)
	if err == nil {
		err = errors.Join(code.Write(0, []byte{0xc3}), obj.Bind("made", code, live.Function), obj.Commit())
	}
	if err != nil {
		t.Fatal(err)
	}

	var e module.Exports
	for _, err := range []error{
		e.Func("go", func(n int32) int32 { return n }),
		e.Func("int declared(const char *s);", func(s *byte) int32 { return 0 }),
		e.Library(typed, "f", "var"),
		e.Library(bare, "int g(int n)"),
		e.Table(table),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for _, s := range e.Symbols() {
		names = append(names, s.Decl())
		if s.Addr == 0 || s.Signature.Hash == 0 {
			t.Errorf("%+v", s)
		}
	}
	if got, want := strings.Join(names, "; "), "int declared(const char *); int f(int); int g(int); int go(int); int h(int); long other; double var"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	var te *weld.TypeError
	var se *weld.SignatureError
	var ue *ctype.UnknownError
	var me *weld.SymbolError
	for _, c := range []struct {
		what string
		err  error
		as   any
		want string
	}{
		{"a name twice", e.Func("go", func() {}), nil, "go is in the table of exports already"},
		{"a library's name twice", e.Library(typed, "f"), nil, "f is in the table"},
		{"a Go func of another type", e.Func("int wrong(long n)", func(n int32) int32 { return n }), &te, "argument 1"},
		{"no prototype", e.Func("int wrong(", func() {}), nil, "1"},
		{"no func", e.Func("number", 5), &se, "not a func"},
		{"nothing", e.Func("null", nil), &se, ""},
		{"nothing, with a prototype", e.Func("int null(void)", nil), &te, ""},
		{"a nil func, with a prototype", e.Func("void null(void)", (func())(nil)), &se, ""},
		{"a nil func", e.Func("null", (func())(nil)), &se, ""},
		{"a type that C has not", e.Func("chan", func(chan int) {}), &se, "chan"},
		{"no name", e.Func("", func() {}), nil, "no name"},
		{"symbols that there are not, and of no known type", e.Library(bare, "g", "gone", "int lost(void)"), &ue, "gone"},
		{"the same", e.Library(bare, "int lost(void)"), &me, "lost"},
		{"a thread-local variable", e.Library(typed, "tls"), nil, "thread-local"},
		{"a table that there is not", e.Table(typed), nil, "no table of exports"},
		{"unchecked symbols that there are not", e.Unchecked(bare, "gone"), &me, "gone"},
		{"code made at run time", e.Unchecked(obj.Library(), "made"), nil, "made at run time"},
	} {
		if c.err == nil || c.as != nil && !errors.As(c.err, c.as) || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %v", c.what, c.err)
		}
	}
	if n := len(e.Symbols()); n != len(names) {
		t.Errorf("errors have left %d symbols more", n-len(names))
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	for _, err := range []error{e.Func("late", func() {}), e.Library(typed, "f"), e.Table(table)} {
		if err != module.ErrClosed {
			t.Errorf("after Close: %v", err)
		}
	}
	if _, err := module.Load(bytes.NewReader(nil), 0, &e, nil); err != module.ErrClosed {
		t.Errorf("after Close: %v", err)
	}
}

// TestUntyped binds what no type is known of, on either side.
func TestUntyped(t *testing.T) {
	d := testenv.NewDir(t)
	o := d.Object("u.o", "-fPIC", d.Write("u.c", "int f(int);\nint call(int n) { return f(n); }\n"))
	untyped := linkModule(t, link.Options{ModuleImports: []link.Text{{Name: "list", Data: []byte("unchecked f")}}, ExportList: []link.Text{{Name: "exports", Data: []byte("unchecked call")}}}, o)
	typed := linkModule(t, linkNothing, o)
	lib, err := weld.Open(d.Shared("libf.so", d.Write("f.c", "int f(int n) { return n + 1; }\nlong other(long n) { return n; }\n")))
	if err != nil {
		t.Fatal(err)
	}
	defer lib.Close()
	var checked, unchecked module.Exports
	if err := errors.Join(checked.Library(lib, "f"), unchecked.Unchecked(lib, "f")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what  string
		data  []byte
		host  *module.Exports
		allow bool
		kind  error
	}{
		{"an import of no known type", untyped, &checked, false, module.ErrUntyped},
		{"the same, allowed", untyped, &checked, true, nil},
		{"no type on either side", untyped, &unchecked, false, nil},
		{"an export of no known type", typed, &unchecked, false, nil},
		{"both known", typed, &checked, false, nil},
	} {
		m, err := module.Load(bytes.NewReader(c.data), int64(len(c.data)), c.host, &module.Options{AllowUntyped: c.allow})
		if !errors.Is(err, c.kind) || (err == nil) != (c.kind == nil) {
			t.Errorf("%s: %v", c.what, err)
		}
		if err != nil {
			continue
		}
		f, err := module.Import[func(int32) int32](m, "call")
		known := m.Exports().FindSym("call").Type != nil
		if (err == nil) != (known || c.allow) || err != nil && !errors.As(err, new(*ctype.UnknownError)) {
			t.Errorf("%s: %v", c.what, err)
		}
		if err == nil && f(4) != 5 {
			t.Errorf("%s: %d", c.what, f(4))
		}
		if err := m.Free(); err != nil {
			t.Error(err)
		}
	}
	if err := errors.Join(checked.Close(), unchecked.Close()); err != nil {
		t.Error(err)
	}
}

// TestLibraryCloses closes the library that a table has symbols of: before a module is loaded that is an error, afterwards the module keeps it.
func TestLibraryCloses(t *testing.T) {
	d := testenv.NewDir(t)
	path := d.Shared("libv.so", d.Write("v.c", "int value = 7;\nint get(void) { return value; }\n"))
	data := linkModule(t, linkNothing, d.Object("g.o", "-fPIC", d.Write("g.c", "int get(void);\nextern int value;\nint both(void) { return get() + value; }\n")))
	open := func() (*weld.Library, *module.Exports) {
		lib, err := weld.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		e := new(module.Exports)
		if err := e.Library(lib, "get", "value"); err != nil {
			t.Fatal(err)
		}
		return lib, e
	}
	lib, e := open()
	m := load(t, data, e, nil)
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
	if got := must[func() int32](t, m, "both")(); got != 14 {
		t.Errorf("%d", got)
	}
	_, err := module.Load(bytes.NewReader(data), int64(len(data)), e, nil)
	var ie *module.ImportsError
	if !errors.As(err, &ie) || len(ie.Imports) != 2 || !strings.Contains(err.Error(), "its library is closed") {
		t.Errorf("a closed library: %v", err)
	}
	if err := errors.Join(m.Free(), e.Close()); err != nil {
		t.Error(err)
	}
	if _, err := weld.Open(path, weld.NoLoad); !errors.Is(err, weld.ErrNotFound) {
		t.Errorf("the library is still there: %v", err)
	}
}

// TestNamespace closes the namespace that a module is in: that frees it.
func TestNamespace(t *testing.T) {
	var host module.Exports
	if err := host.Func("host_add", func(a, b int32) int32 { return a + b }); err != nil {
		t.Fatal(err)
	}
	ns, err := weld.NewNamespace(weld.Config{})
	if err != nil {
		t.Fatal(err)
	}
	data := small(t)
	m := load(t, data, &host, &module.Options{Name: "small", Namespace: ns})
	if libs := ns.Libraries(); len(libs) == 0 || libs[len(libs)-1].Path != "small" || libs[len(libs)-1].Base != m.Base {
		t.Errorf("%v", libs)
	}
	if _, err := ns.Open("small"); err == nil {
		t.Error("a module is opened by its name")
	}
	call := must[func(int32) int32](t, m, "call")
	if got := call(4); got != 7 {
		t.Error(got)
	}
	if err := ns.Close(); err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if r := recover(); r != module.ErrFreed {
				t.Errorf("%v", r)
			}
		}()
		call(4)
	}()
	if err := m.Free(); err != module.ErrFreed {
		t.Error(err)
	}
	if _, err := module.Load(bytes.NewReader(data), int64(len(data)), &host, &module.Options{Namespace: ns}); !errors.Is(err, weld.ErrClosed) {
		t.Errorf("in a closed namespace: %v", err)
	}
	if err := host.Close(); err != nil {
		t.Error(err)
	}
}

// TestThreadLocal loads modules with thread-local variables of every model that a shared object may have.
func TestThreadLocal(t *testing.T) {
	d := testenv.NewDir(t)
	src := d.Write("tls.c", "__thread long a = 5;\nstatic __thread long b;\nlong next(void) { return a++ + b--; }\nint *unused(void) { return 0; }\n")
	for _, args := range [][]string{{"-ftls-model=global-dynamic"}, {"-ftls-model=local-dynamic"}, {"-ftls-model=initial-exec"}, {"-mtls-dialect=gnu2"}} {
		data := linkModule(t, linkNothing, d.Object("tls"+args[0]+".o", append([]string{"-fPIC", src}, args...)...))
		m := load(t, data, nil, nil)
		next := must[func() int64](t, m, "next")
		if got := next(); got != 5 {
			t.Errorf("%v: %d", args, got)
		}
		if err := m.Free(); err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkCall(b *testing.B) {
	d := testenv.NewDir(b)
	data := linkModule(b, linkNothing, d.Object("b.o", "-fPIC", d.Write("b.c", "int add(int a, int b) { return a + b; }\n")))
	m := load(b, data, nil, nil)
	defer m.Free()
	lib, err := weld.Load("b", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		b.Fatal(err)
	}
	defer lib.Close()
	direct, err := weld.Func[func(a, b int32) int32](lib, "add")
	if err != nil {
		b.Fatal(err)
	}
	for name, f := range map[string]func(a, b int32) int32{"module": must[func(a, b int32) int32](b, m, "add"), "library": direct} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f(1, 2)
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	data := small(b)
	var host module.Exports
	if err := host.Func("host_add", func(a, b int32) int32 { return a + b }); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := load(b, data, &host, nil).Free(); err != nil {
			b.Fatal(err)
		}
	}
}

// TestBehindPointers has a Go func take a pointer to a struct of the same name as the module's, with other members.
func TestBehindPointers(t *testing.T) {
	d := testenv.NewDir(t)
	data := linkModule(t, linkNothing, d.Object("p.o", "-fPIC", d.Write("p.c", "struct pair { int x; int y; };\nint f(struct pair *p);\nint call(void) { struct pair p = {1, 2}; return f(&p); }\n")))
	type pair struct{ X, Y int64 }
	type right struct{ X, Y int32 }
	var wrong, good module.Exports
	if err := errors.Join(wrong.Func("f", func(*pair) int32 { return 0 }), good.Func("f", func(p *right) int32 { return p.Y })); err != nil {
		t.Fatal(err)
	}
	if _, err := module.Load(bytes.NewReader(data), int64(len(data)), &wrong, nil); !errors.Is(err, module.ErrMismatch) || !strings.Contains(err.Error(), "16 bytes, not 8") {
		t.Errorf("%v", err)
	}
	m := load(t, data, &good, nil)
	if got := must[func() int32](t, m, "call")(); got != 2 {
		t.Error(got)
	}
	if err := errors.Join(m.Free(), good.Close(), wrong.Close()); err != nil {
		t.Error(err)
	}
}
