package weld_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"weld"
	"weld/image/elf"
	"weld/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// fixtures compiles the libraries of testdata: libbox.so, and liblid.so which needs it.
func fixtures(t *testing.T) *testenv.Dir {
	t.Helper()
	d := testenv.NewDir(t)
	versions, err := filepath.Abs(filepath.Join("testdata", "box.map"))
	if err != nil {
		t.Fatal(err)
	}
	d.Shared("libbox.so", "box.c", "-Wl,--version-script="+versions)
	d.Shared("liblid.so", "lid.c", "-lbox", "-Wl,-rpath,$ORIGIN", "-Wl,-z,lazy")
	return d
}

func openAt(t *testing.T, path string, opts ...weld.Option) *weld.Library {
	t.Helper()
	lib, err := weld.Open(path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return lib
}

func closeLib(t *testing.T, lib *weld.Library) {
	t.Helper()
	if err := lib.Close(); err != nil {
		t.Error(err)
	}
}

// panicOf returns what f panics with.
func panicOf(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

// loaded reports whether a file is mapped.
func loaded(t *testing.T, path string) bool {
	t.Helper()
	return len(testenv.MapsOf(t, path)) > 0
}

func TestOpensAreCounted(t *testing.T) {
	d := fixtures(t)
	path := d.Join("libbox.so")
	a, b := openAt(t, path), openAt(t, path)
	if a != b {
		t.Error("two opens of one file gave two Libraries")
	}
	add, err := weld.Func[func(a, b int32) int32](a, "box_add")
	if err != nil {
		t.Fatal(err)
	}
	closeLib(t, a)
	if got := add(1, 2); got != 3 {
		t.Errorf("after the first of two closes box_add(1, 2) = %d", got)
	}
	closeLib(t, b)
	if v := panicOf(func() { add(1, 2) }); v != weld.ErrClosed {
		t.Errorf("the call after the last close panics with %v", v)
	}
	if loaded(t, path) {
		t.Error("it is mapped after the last close")
	}
	if err := a.Close(); err != weld.ErrClosed {
		t.Errorf("one close too many returns %v", err)
	}

	again := openAt(t, path)
	defer closeLib(t, again)
	if again == a {
		t.Error("the closed Library came back")
	}
	if v := panicOf(func() { add(1, 2) }); v != weld.ErrClosed {
		t.Errorf("a function of the closed Library panics with %v once the file is open again", v)
	}
}

func TestClosedLibrary(t *testing.T) {
	d := fixtures(t)
	lib := openAt(t, d.Join("libbox.so"))
	closeLib(t, lib)
	var dst struct {
		Add func(a, b int32) int32 `sym:"box_add"`
		Sub func(a, b int32) int32 `sym:"box_sub"`
	}
	for what, f := range map[string]func() error{
		"Lookup":        func() error { _, err := lib.Lookup("box_add"); return err },
		"LookupVersion": func() error { _, err := lib.LookupVersion("box_twice", "BOX_1"); return err },
		"Func":          func() error { _, err := weld.Func[func()](lib, "box_add"); return err },
		"Bind":          func() error { return weld.Bind(lib, &dst) },
		"Close":         lib.Close,
	} {
		if err := f(); err != weld.ErrClosed {
			t.Errorf("%s: %v", what, err)
		}
	}
	for s := range lib.Symbols() {
		t.Fatalf("a symbol: %v", s)
	}
	if lib.Soname != "libbox.so" {
		t.Errorf("its soname has become %q", lib.Soname)
	}
}

// What a library needs is unmapped with it, and functions taken from it by itself panic then.
func TestCloseOfWhatIsNeeded(t *testing.T) {
	d := fixtures(t)
	lid := openAt(t, d.Join("liblid.so"))
	box := lid.Needed()[0]
	if box.Soname != "libbox.so" {
		t.Fatalf("it needs %s first", box.Soname)
	}
	add, err := weld.Func[func(a, b int32) int32](box, "box_add")
	if err != nil {
		t.Fatal(err)
	}
	if got := add(1, 2); got != 3 {
		t.Errorf("box_add(1, 2) = %d", got)
	}
	if err := box.Close(); err != weld.ErrClosed {
		t.Errorf("the close of what nobody opened returns %v", err)
	}
	closeLib(t, lid)
	if v := panicOf(func() { add(1, 2) }); v != weld.ErrClosed {
		t.Errorf("the call panics with %v", v)
	}
	if _, err := box.Lookup("box_add"); err != weld.ErrClosed {
		t.Errorf("Lookup returns %v", err)
	}
}

// A finaliser may call Go, and Go a function of the library that is going.
func TestCallFromFinaliser(t *testing.T) {
	d := fixtures(t)
	lid := openAt(t, d.Join("liblid.so"))
	box := lid.Needed()[0]
	var b struct {
		OnUnload func(*weld.Callback)       `sym:"box_on_unload"`
		Add      func(a, b int32) int32     `sym:"box_add"`
		Call     func(uintptr, int32) int32 `sym:"box_call"`
	}
	if err := weld.Bind(box, &b); err != nil {
		t.Fatal(err)
	}
	sum := int32(0)
	cb, err := weld.NewCallback(func() { sum = b.Add(20, 3) })
	if err != nil {
		t.Fatal(err)
	}
	defer cb.Close()
	b.OnUnload(cb)
	closeLib(t, lid)
	if sum != 23 {
		t.Errorf("the finaliser's callback made the sum %d", sum)
	}
}

func TestNamespaceClose(t *testing.T) {
	d := fixtures(t)
	path := d.Join("libbox.so")
	ns, err := weld.NewNamespace(weld.Config{Path: []string{d.Path}})
	if err != nil {
		t.Fatal(err)
	}
	lib, err := ns.Open("libbox.so")
	if err != nil {
		t.Fatal(err)
	}
	other := openAt(t, path)
	defer closeLib(t, other)
	if lib == other || lib.Base == other.Base {
		t.Error("two namespaces share a library")
	}
	add, err := weld.Func[func(a, b int32) int32](lib, "box_add")
	if err != nil {
		t.Fatal(err)
	}
	if err := ns.Close(); err != nil {
		t.Fatal(err)
	}
	if v := panicOf(func() { add(1, 2) }); v != weld.ErrClosed {
		t.Errorf("the call panics with %v", v)
	}
	if err := ns.Close(); err != weld.ErrClosed {
		t.Errorf("the second Close returns %v", err)
	}
	if err := lib.Close(); err != weld.ErrClosed {
		t.Errorf("the library's Close returns %v", err)
	}
	if _, err := other.Lookup("box_add"); err != nil {
		t.Errorf("in the default namespace: %v", err)
	}
}

// The file is loaded anew for each call, and what it needs is found beside it.
func TestLoadAndOpenFS(t *testing.T) {
	d := fixtures(t)
	read := func(name string) []byte {
		b, err := os.ReadFile(d.Join(name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	fsys := fstest.MapFS{"lib/liblid.so": {Data: read("liblid.so")}, "lib/libbox.so": {Data: read("libbox.so")}}
	a, err := weld.OpenFS(fsys, "lib/liblid.so")
	if err != nil {
		t.Fatal(err)
	}
	defer closeLib(t, a)
	if loaded(t, d.Join("libbox.so")) {
		t.Error("libbox.so comes from the machine and not from the file system")
	}
	b, err := weld.OpenFS(fsys, "lib/liblid.so")
	if err != nil {
		t.Fatal(err)
	}
	defer closeLib(t, b)
	image := read("libbox.so")
	c, err := weld.Load("box", bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	defer closeLib(t, c)
	if a == b || a.Base == b.Base || a.Path != "lib/liblid.so" || c.Path != "box" || c.Soname != "libbox.so" {
		t.Errorf("%v at %#x, %v at %#x, %v", a.Path, a.Base, b.Path, b.Base, c)
	}
	for _, lib := range []*weld.Library{a, b} {
		add, err := weld.Func[func(a, b int32) int32](lib, "lid_add")
		if err != nil {
			t.Fatal(err)
		}
		if got := add(4, 5); got != 9 {
			t.Errorf("lid_add(4, 5) = %d", got)
		}
	}
	if _, err := weld.OpenFS(fsys, "lib/absent.so"); !errors.Is(err, fs.ErrNotExist) || !errors.As(err, new(*weld.OpenError)) {
		t.Errorf("OpenFS of a file that is not there: %v", err)
	}
}

func TestOptions(t *testing.T) {
	d := fixtures(t)
	box := d.Join("libbox.so")
	t.Run("NoLoad", func(t *testing.T) {
		if _, err := weld.Open(box, weld.NoLoad); !errors.Is(err, weld.ErrNotFound) {
			t.Errorf("before: %v", err)
		}
		defer closeLib(t, openAt(t, box))
		closeLib(t, openAt(t, box, weld.NoLoad))
	})
	t.Run("NoInit", func(t *testing.T) {
		lib := openAt(t, box, weld.NoInit)
		onUnload, err := weld.Func[func(*weld.Callback)](lib, "box_on_unload")
		if err != nil {
			t.Fatal(err)
		}
		ran := false
		cb, err := weld.NewCallback(func() { ran = true })
		if err != nil {
			t.Fatal(err)
		}
		defer cb.Close()
		onUnload(cb)
		closeLib(t, lib)
		if ran {
			t.Error("the finaliser has run")
		}
	})
	t.Run("binding", func(t *testing.T) {
		if os.Getenv("LD_BIND_NOW") != "" {
			t.Setenv("LD_BIND_NOW", "")
		}
		bound := func(opts ...weld.Option) (list []string) {
			var mu sync.Mutex
			weld.TraceBindings(func(lib *weld.Library, symbol string) {
				mu.Lock()
				defer mu.Unlock()
				if lib.Soname == "liblid.so" {
					list = append(list, symbol)
				}
			})
			defer weld.TraceBindings(nil)
			lid := openAt(t, d.Join("liblid.so"), opts...)
			defer closeLib(t, lid)
			add, err := weld.Func[func(a, b int32) int32](lid, "lid_add")
			if err != nil {
				t.Fatal(err)
			}
			for i := range int32(3) {
				if got := add(i, 5); got != i+5 {
					t.Errorf("lid_add(%d, 5) = %d", i, got)
				}
			}
			return list
		}
		if got := bound(); !reflect.DeepEqual(got, []string{"box_add"}) {
			t.Errorf("bound when first called: %v", got)
		}
		if got := bound(weld.Now); got != nil {
			t.Errorf("with Now bound when first called: %v", got)
		}
		t.Setenv("LD_BIND_NOW", "1")
		if got := bound(); got != nil {
			t.Errorf("with LD_BIND_NOW bound when first called: %v", got)
		}
	})
	t.Run("Global", func(t *testing.T) {
		user := d.Shared("libuser.so", "lid.c") // says nothing of what it needs
		if _, err := weld.Open(user, weld.Now); !errors.As(err, new(*weld.UndefinedError)) {
			t.Errorf("without it: %v", err)
		}
		defer closeLib(t, openAt(t, box, weld.Global))
		closeLib(t, openAt(t, user, weld.Now))
	})
	t.Run("NoDelete", func(t *testing.T) {
		keep := d.Shared("libkeep.so", "lid.c")
		closeLib(t, openAt(t, keep, weld.NoDelete))
		if !loaded(t, keep) {
			t.Error("it is not mapped after its close")
		}
	})
}

func TestLookup(t *testing.T) {
	d := fixtures(t)
	lid := openAt(t, d.Join("liblid.so"))
	defer closeLib(t, lid)
	box := lid.Needed()[0]
	for _, c := range []struct {
		name, version string
		got           string // version found
		typ           weld.SymbolType
		missing       bool
	}{
		{name: "lid_add", typ: elf.STT_FUNC},
		{name: "box_add", got: "BOX_1", typ: elf.STT_FUNC},
		{name: "box_twice", got: "BOX_2", typ: elf.STT_FUNC},
		{name: "box_twice", version: "BOX_1", got: "BOX_1", typ: elf.STT_FUNC},
		{name: "box_answer", got: "BOX_1", typ: elf.STT_OBJECT},
		{name: "box_twice", version: "BOX_3", missing: true},
		{name: "twice1", missing: true},
		{name: "", missing: true},
		{name: "lid_add\x00", missing: true},
	} {
		s, err := lid.LookupVersion(c.name, c.version)
		if c.missing {
			var e *weld.SymbolError
			if !errors.As(err, &e) || !errors.Is(err, weld.ErrNotFound) || e.Library != lid.Path || e.Name != c.name || e.Version != c.version {
				t.Errorf("%q@%q: %v", c.name, c.version, err)
			}
			continue
		}
		if err != nil || s.Name != c.name || s.Version != c.got || s.Type != c.typ {
			t.Errorf("%s@%s: %+v, %v", c.name, c.version, s, err)
			continue
		}
		if at, ok := weld.FindAddr(s.Addr); !ok || at.Symbol != c.name || at.Offset != 0 || at.Library != lid && at.Library != box {
			t.Errorf("%#x, the address of %s, is %+v", s.Addr, c.name, at)
		}
	}
	versions := map[string]bool{}
	for s := range box.Symbols() {
		versions[s.Name+"@"+s.Version] = true
	}
	for _, want := range []string{"box_twice@BOX_1", "box_twice@BOX_2", "box_add@BOX_1"} {
		if !versions[want] {
			t.Errorf("among the symbols is no %s: %v", want, versions)
		}
	}
	for range lid.Symbols() {
		break // leaving the loop is no harm
	}
	if _, ok := weld.FindAddr(1); ok {
		t.Error("something is at address 1")
	}
}

func TestOpenErrors(t *testing.T) {
	d := fixtures(t)
	text := d.Write("libtext.so", "this is no library\n")
	script := d.Write("libscript.so", "GROUP ( libbox.so AS_NEEDED ( liblid.so ) )\n")
	hole := d.Shared("libhole.so", "hole.c")
	d.Shared("libgone.so", "lid.c")
	orphan := d.Shared("liborphan.so", "hole.c", "-Wl,--no-as-needed", "-lgone", "-Wl,-rpath,$ORIGIN")
	if err := os.Remove(d.Join("libgone.so")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		path string
		is   func(*weld.OpenError) bool
		want string
	}{
		{"an absent path", d.Join("libabsent.so"), func(e *weld.OpenError) bool { return errors.Is(e, weld.ErrNotFound) }, "not found"},
		{"an absent name", "libabsent.so.7", func(e *weld.OpenError) bool { return errors.Is(e, weld.ErrNotFound) && len(e.Tried) > 0 }, "not found; tried "},
		{"no name", "", func(e *weld.OpenError) bool { return errors.As(e, new(*elf.FormatError)) }, "not a file name"},
		{"a directory", d.Path, func(e *weld.OpenError) bool { return e.Err != nil }, "not a regular file"},
		{"text", text, func(e *weld.OpenError) bool { return errors.As(e, new(*elf.FormatError)) }, "not an ELF file"},
		{"a linker script", script, func(e *weld.OpenError) bool { return errors.Is(e, elf.ErrLinkerScript) }, "libbox.so"},
		{"a missing need", orphan, func(e *weld.OpenError) bool {
			return e.Name == "libgone.so" && e.NeededBy == orphan && errors.Is(e, weld.ErrNotFound)
		}, "open libgone.so (needed by " + orphan + "): not found"},
		{"undefined symbols", hole, func(e *weld.OpenError) bool {
			var u *weld.UndefinedError
			return errors.As(e, &u) && len(u.Symbols) == 2
		}, "2 undefined symbols: "},
	} {
		lib, err := weld.Open(c.path, weld.Now)
		var e *weld.OpenError
		if lib != nil || !errors.As(err, &e) || !c.is(e) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v (%#v)", c.name, err, e)
		}
		if c.path != "" && strings.Contains(c.path, "/lib") && loaded(t, c.path) {
			t.Errorf("%s: it is mapped after the error", c.name)
		}
	}
	if _, err := weld.Load("short", bytes.NewReader([]byte("\x7fELF")), 4); !errors.As(err, new(*weld.OpenError)) {
		t.Errorf("four bytes: %v", err)
	}
	if _, err := weld.Load("long", bytes.NewReader(nil), 1<<62); !errors.As(err, new(*weld.OpenError)) {
		t.Errorf("4 EiB: %v", err)
	}
	if _, err := weld.Load("negative", bytes.NewReader(nil), -1); !errors.As(err, new(*weld.OpenError)) {
		t.Errorf("-1 bytes: %v", err)
	}
}

// Exit writes what the C library has buffered, runs finalisers, and passes the status on.
func TestExit(t *testing.T) {
	d := fixtures(t)
	r := testenv.Run(t, testenv.ChildCommand(t, "exit", d.Join("libbox.so")), testenv.Patience)
	if r.Code != 7 || string(r.Stdout) != "buffered\nfinalised\n" {
		t.Errorf("%v: %q\n%s", r, r.Stdout, r.Stderr)
	}
	r = testenv.Run(t, testenv.ChildCommand(t, "exit"), testenv.Patience)
	if r.Code != 7 || len(r.Stdout) > 0 {
		t.Errorf("without a C library: %v: %q\n%s", r, r.Stdout, r.Stderr)
	}
}

func init() {
	testenv.Child("exit", func(args []string) {
		if len(args) == 0 {
			weld.Flush()
			weld.Exit(7)
		}
		libc, box := must(weld.Open("libc.so.6")), must(weld.Open(args[0]))
		puts := must(weld.Func[func(string) int32](libc, "puts"))
		onUnload := must(weld.Func[func(*weld.Callback)](box, "box_on_unload"))
		onUnload(must(weld.NewCallback(func() {
			weld.Flush()
			fmt.Println("finalised")
		})))
		puts("buffered")
		weld.Exit(7)
	})
}
