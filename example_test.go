package weld_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"unsafe"

	"weld"
)

// open opens a library for an example.
func open(name string) *weld.Library {
	lib, err := weld.Open(name)
	if err != nil {
		log.Fatal(err)
	}
	return lib
}

// must returns what another function does when its error is nil.
func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func Example() {
	lib, err := weld.Open("libz.so.1")
	if err != nil {
		log.Fatal(err)
	}
	defer lib.Close()
	crc32, err := weld.Func[func(crc uint64, p []byte, n uint32) uint64](lib, "crc32")
	if err != nil {
		log.Fatal(err)
	}
	data := []byte("hello, world")
	fmt.Printf("%#x\n", crc32(0, data, uint32(len(data))))
	// Output: 0xffab723a
}

func ExampleOpenObjects() {
	dir := must(os.MkdirTemp("", ""))
	defer os.RemoveAll(dir)
	source, object := filepath.Join(dir, "area.c"), filepath.Join(dir, "area.o")
	if err := os.WriteFile(source, []byte("#include <math.h>\ndouble area(double r) { return floor(M_PI * r * r); }\n"), 0o666); err != nil {
		log.Fatal(err)
	}
	if out, err := exec.Command("gcc", "-c", "-fPIC", source, "-o", object).CombinedOutput(); err != nil {
		log.Fatalf("%v\n%s", err, out)
	}
	lib, err := weld.OpenObjects(nil, object) // and libm, which has floor
	if err != nil {
		log.Fatal(err)
	}
	defer lib.Close()
	area := must(weld.Func[func(float64) float64](lib, "area"))
	fmt.Println(area(10))
	// Output: 314
}

func ExampleOpen() {
	lib, err := weld.Open("libz.so.1")
	if err != nil {
		log.Fatal(err)
	}
	defer lib.Close()
	fmt.Println(lib.Soname, filepath.IsAbs(lib.Path), lib.Size > 0)

	again, err := weld.Open(lib.Path) // it is loaded already
	if err != nil {
		log.Fatal(err)
	}
	defer again.Close()
	fmt.Println(again == lib)
	// Output:
	// libz.so.1 true true
	// true
}

func ExampleOpen_options() {
	_, err := weld.Open("libsqlite3.so.0", weld.NoLoad)
	fmt.Println("before:", errors.Is(err, weld.ErrNotFound))

	lib, err := weld.Open("libsqlite3.so.0", weld.Now, weld.Global)
	if err != nil {
		log.Fatal(err)
	}
	defer lib.Close()
	same, err := weld.Open("libsqlite3.so.0", weld.NoLoad)
	if err != nil {
		log.Fatal(err)
	}
	defer same.Close()
	fmt.Println("after:", same == lib)
	// Output:
	// before: true
	// after: true
}

func ExampleOpenFS() {
	// Any fs.FS will do, an embed.FS too. This one is the folder that libz lies in.
	z := open("libz.so.1")
	defer z.Close()
	fsys := os.DirFS(filepath.Dir(z.Path))

	lib, err := weld.OpenFS(fsys, filepath.Base(z.Path))
	if err != nil {
		log.Fatal(err)
	}
	defer lib.Close()
	fmt.Println(lib.Soname, lib != z)
	// Output: libz.so.1 true
}

func ExampleLoad() {
	z := open("libz.so.1")
	defer z.Close()
	image := must(os.ReadFile(z.Path)) // or unpacked, decrypted, received

	lib, err := weld.Load("a copy of libz", bytes.NewReader(image), int64(len(image)))
	if err != nil {
		log.Fatal(err)
	}
	defer lib.Close()
	fmt.Println(lib.Path, lib.Soname, lib.Base != z.Base)
	// Output: a copy of libz libz.so.1 true
}

func ExampleLibrary_Close() {
	lib := open("libz.so.1")
	version := must(weld.Func[func() string](lib, "zlibVersion"))
	fmt.Println(version() != "")
	if err := lib.Close(); err != nil {
		log.Fatal(err)
	}

	defer func() { fmt.Println(recover() == weld.ErrClosed) }()
	version()
	// Output:
	// true
	// true
}

func ExampleLibrary_Lookup() {
	lib := open("libc.so.6")
	defer lib.Close()
	sym, err := lib.Lookup("qsort")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sym.Name, sym.Version, sym.Type, sym.Addr > lib.Base)

	_, err = lib.Lookup("quicksort")
	fmt.Println(errors.Is(err, weld.ErrNotFound))
	// Output:
	// qsort GLIBC_2.2.5 STT_FUNC true
	// true
}

func ExampleLibrary_LookupVersion() {
	lib := open("libc.so.6")
	defer lib.Close()
	old := must(lib.LookupVersion("fmemopen", "GLIBC_2.2.5"))
	now := must(lib.Lookup("fmemopen"))
	fmt.Println(old.Version, now.Version, old.Addr != now.Addr)
	// Output: GLIBC_2.2.5 GLIBC_2.22 true
}

func ExampleLibrary_Symbols() {
	lib := open("libz.so.1")
	defer lib.Close()
	for sym := range lib.Symbols() {
		if sym.Name == "adler32" {
			fmt.Println(sym.Name, sym.Type, sym.Size > 0)
		}
	}
	// Output: adler32 STT_FUNC true
}

func ExampleLibrary_Needed() {
	lib := open("libz.so.1")
	defer lib.Close()
	for _, l := range lib.Needed() {
		fmt.Println(l.Soname)
	}
	// Output: libc.so.6
}

func ExampleNewNamespace() {
	z := open("libz.so.1")
	defer z.Close()

	ns, err := weld.NewNamespace(weld.Config{Path: []string{"/opt/app/lib"}, BindNow: true})
	if err != nil {
		log.Fatal(err)
	}
	defer ns.Close()
	own, err := ns.Open("libz.so.1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(own.Path == z.Path, own.Base == z.Base) // the same file, loaded twice
	// Output: true false
}

func ExampleNamespace_Open() {
	ns := must(weld.NewNamespace(weld.Config{}))
	defer ns.Close()
	lib, err := ns.Open("libsqlite3.so.0", weld.Now)
	if err != nil {
		log.Fatal(err)
	}
	threadsafe := must(weld.Func[func() int32](lib, "sqlite3_threadsafe"))
	fmt.Println(threadsafe() > 0)
	// Output: true
}

func ExampleNamespace_OpenFS() {
	z := open("libz.so.1")
	defer z.Close()
	ns := must(weld.NewNamespace(weld.Config{}))
	defer ns.Close()
	lib, err := ns.OpenFS(os.DirFS(filepath.Dir(z.Path)), filepath.Base(z.Path))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(lib.Soname)
	// Output: libz.so.1
}

func ExampleNamespace_Load() {
	z := open("libz.so.1")
	defer z.Close()
	ns := must(weld.NewNamespace(weld.Config{}))
	defer ns.Close()
	f := must(os.Open(z.Path))
	defer f.Close()
	info := must(f.Stat())
	lib, err := ns.Load("plugin", f, info.Size())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(lib.Path)
	// Output: plugin
}

func ExampleNamespace_Libraries() {
	ns := must(weld.NewNamespace(weld.Config{}))
	defer ns.Close()
	lib := must(ns.Open("libz.so.1"))
	list := ns.Libraries()
	fmt.Println(list[len(list)-1] == lib, slices.Contains(weld.Libraries(), lib))
	// Output: true false
}

func ExampleNamespace_Close() {
	ns := must(weld.NewNamespace(weld.Config{}))
	lib := must(ns.Open("libz.so.1"))
	if err := ns.Close(); err != nil {
		log.Fatal(err)
	}
	_, err := lib.Lookup("crc32")
	fmt.Println(err == weld.ErrClosed)
	_, err = ns.Open("libz.so.1")
	fmt.Println(errors.Is(err, weld.ErrClosed))
	// Output:
	// true
	// true
}

func ExampleLibraries() {
	lib := open("libz.so.1")
	defer lib.Close()
	for _, l := range weld.Libraries() {
		if l.Soname == "libc.so.6" || l.Soname == "libz.so.1" {
			fmt.Println(l.Soname, l.Size > 0)
		}
	}
	// Output:
	// libc.so.6 true
	// libz.so.1 true
}

func ExampleFindAddr() {
	lib := open("libz.so.1")
	defer lib.Close()
	adler32 := must(lib.Lookup("adler32"))
	at, ok := weld.FindAddr(adler32.Addr + 4)
	fmt.Println(ok, at.Library == lib, at.Symbol, at.Offset)
	// Output: true true adler32 4
}

func ExampleTraceBindings() {
	calls := map[string]int{}
	weld.TraceBindings(func(lib *weld.Library, symbol string) { calls[lib.Soname+" "+symbol]++ })
	defer weld.TraceBindings(nil)

	lib := open("libz.so.1")
	defer lib.Close()
	crc32 := must(weld.Func[func(uint64, []byte, uint32) uint64](lib, "crc32"))
	for range 3 {
		crc32(0, []byte("abc"), 3)
	}
	// Each call is bound once at most; not even that where the library asks for all to be bound at once.
	fmt.Println(calls["libz.so.1 crc32_z"] <= 1)
	// Output: true
}

func ExampleTrace() {
	z := open("libz.so.1")
	defer z.Close()
	image := must(os.ReadFile(z.Path))

	weld.Trace(func(e *weld.Event) {
		if e.Kind == "load" || e.Kind == "unload" {
			fmt.Println(e.Kind, e.Object, e.Why)
		}
	})
	defer weld.Trace(nil)
	lib := must(weld.Load("a copy of libz", bytes.NewReader(image), int64(len(image))))
	lib.Close()
	// Output:
	// load a copy of libz open
	// unload a copy of libz
}

func ExampleFlush() {
	lib := open("libc.so.6")
	defer lib.Close()
	var c struct {
		Open func(path, mode string) unsafe.Pointer `sym:"fopen"`
		Puts func(s string, f unsafe.Pointer) int32 `sym:"fputs"`
		End  func(f unsafe.Pointer) int32           `sym:"fclose"`
	}
	if err := weld.Bind(lib, &c); err != nil {
		log.Fatal(err)
	}
	dir := must(os.MkdirTemp("", "weld"))
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "out")
	f := c.Open(path, "w")
	defer c.End(f)

	c.Puts("buffered", f)
	fmt.Printf("%q\n", must(os.ReadFile(path)))
	weld.Flush()
	fmt.Printf("%q\n", must(os.ReadFile(path)))
	// Output:
	// ""
	// "buffered"
}

// Instead of os.Exit: what C has buffered is written, and what it registered with atexit runs.
func ExampleExit() {
	lib := open("libc.so.6")
	puts := must(weld.Func[func(string) int32](lib, "puts"))
	puts("written at exit")
	weld.Exit(0)
}

func ExampleSetStackSize() {
	weld.SetStackSize(64 << 20) // for code that recurses deeply, from the next native thread on
	defer weld.SetStackSize(8 << 20)
	lib := open("libm.so.6")
	defer lib.Close()
	trunc := must(weld.Func[func(float64) float64](lib, "trunc"))
	fmt.Println(trunc(3.5))
	// Output: 3
}

func ExampleOpenError() {
	_, err := weld.Open("libdoesnotexist.so.1")
	var e *weld.OpenError
	fmt.Println(errors.As(err, &e), e.Name, len(e.Tried) > 0)
	fmt.Println(errors.Is(err, weld.ErrNotFound))

	text := []byte("not a library at all")
	_, err = weld.Load("plugin", bytes.NewReader(text), int64(len(text)))
	fmt.Println(err)
	// Output:
	// true libdoesnotexist.so.1 true
	// true
	// open plugin: offset 0x0: not an ELF file: it begins with "not ", wanted "\x7fELF"
}

func ExampleSymbolError() {
	lib := open("libz.so.1")
	defer lib.Close()
	_, err := weld.Func[func()](lib, "crc33")
	var e *weld.SymbolError
	fmt.Println(errors.As(err, &e), e.Name, e.Library == lib.Path)
	// Output: true crc33 true
}

// All symbols that are missing are listed at once.
func ExampleUndefinedError() {
	lib := open("libz.so.1")
	defer lib.Close()
	var z struct {
		Version func() string `sym:"zlibVersion"`
		Fold    func()        `sym:"fold"`
		Spindle func()        `sym:"spindle"`
	}
	err := weld.Bind(lib, &z)
	var e *weld.UndefinedError
	if errors.As(err, &e) {
		for _, s := range e.Symbols {
			fmt.Println(s.Name)
		}
	}
	fmt.Println(z.Version == nil)
	// Output:
	// fold
	// spindle
	// true
}

func ExampleSignatureError() {
	lib := open("libz.so.1")
	defer lib.Close()
	_, err := weld.Func[func(map[string]int) int32](lib, "crc32")
	var e *weld.SignatureError
	fmt.Println(errors.As(err, &e), e.Arg, e.Type)
	_, err = weld.NewCallback(func(io.Reader) {})
	fmt.Println(errors.As(err, &e), e.Arg, e.Type)
	// Output:
	// true 0 map[string]int
	// true 0 io.Reader
}
