package weld_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"syscall"
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

func ExampleFunc() {
	lib := open("libm.so.6")
	defer lib.Close()
	pow, err := weld.Func[func(x, y float64) float64](lib, "pow")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(pow(2, 10))
	// Output: 1024
}

// A last result of type syscall.Errno is the errno of the call.
func ExampleFunc_errno() {
	lib := open("libc.so.6")
	defer lib.Close()
	chdir := must(weld.Func[func(path string) (int32, syscall.Errno)](lib, "chdir"))
	r, errno := chdir("/no/such/directory")
	fmt.Println(r, errno)
	// Output: -1 no such file or directory
}

// Strings are copied: to a NUL-terminated one for the call, and from the one that is returned.
func ExampleFunc_string() {
	lib := open("libc.so.6")
	defer lib.Close()
	basename := must(weld.Func[func(path string) string](lib, "basename"))
	fmt.Println(basename("/usr/lib/libz.so.1"))
	// Output: libz.so.1
}

// Structs are passed and returned by value, as C does.
func ExampleFunc_struct() {
	type div struct{ Quot, Rem int32 } // div_t of <stdlib.h>

	lib := open("libc.so.6")
	defer lib.Close()
	divide := must(weld.Func[func(numer, denom int32) div](lib, "div"))
	fmt.Println(divide(17, 5))
	// Output: {3 2}
}

// A last parameter ...any stands for the variable arguments of C. An argument is passed as its Go type says.
func ExampleFunc_variadic() {
	lib := open("libc.so.6")
	defer lib.Close()
	snprintf := must(weld.Func[func(buf []byte, size uint64, format string, args ...any) int32](lib, "snprintf"))
	buf := make([]byte, 64)
	n := snprintf(buf, uint64(len(buf)), "%s has %d symbols, %.1f%%", "libz", int32(93), 99.5)
	fmt.Println(string(buf[:n]))
	// Output: libz has 93 symbols, 99.5%
}

func ExampleLeaf() {
	lib := open("libm.so.6")
	defer lib.Close()
	floor := must(weld.Func[func(float64) float64](lib, "floor", weld.Leaf))
	fmt.Println(floor(2.75))
	// Output: 2
}

func ExampleVersion() {
	lib := open("libc.so.6")
	defer lib.Close()
	type pointer = unsafe.Pointer
	memcpy := must(weld.Func[func(dst, src []byte, n uint64) pointer](lib, "memcpy", weld.Version("GLIBC_2.14")))
	dst := make([]byte, 5)
	memcpy(dst, []byte("hello"), 5)
	fmt.Println(string(dst))
	// Output: hello
}

func ExampleFuncAt() {
	lib := open("libc.so.6")
	defer lib.Close()
	sym := must(lib.Lookup("toupper"))
	toupper, err := weld.FuncAt[func(c int32) int32](sym.Addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%c\n", toupper('w'))
	// Output: W
}

func ExampleMakeFunc() {
	lib := open("libc.so.6")
	defer lib.Close()
	long := reflect.TypeFor[int]()
	sym := must(lib.Lookup("labs"))
	labs, err := weld.MakeFunc(sym.Addr, reflect.FuncOf([]reflect.Type{long}, []reflect.Type{long}, false))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(labs.Call([]reflect.Value{reflect.ValueOf(-7)})[0])
	// Output: 7
}

func ExampleBind() {
	lib := open("libsqlite3.so.0")
	defer lib.Close()
	var sqlite struct {
		Complete  func(sql string) int32  `sym:"sqlite3_complete"`
		StrICmp   func(a, b string) int32 `sym:"sqlite3_stricmp,leaf"`
		Version   *[8]byte                `sym:"sqlite3_version"` // a variable
		FromLater func()                  `sym:"sqlite3_of_the_future,optional"`
		Comment   string                  // no tag: left alone
	}
	if err := weld.Bind(lib, &sqlite); err != nil {
		log.Fatal(err)
	}
	fmt.Println(sqlite.Complete("SELECT 1;"), sqlite.Complete("SELECT 1"))
	fmt.Println(sqlite.StrICmp("WELD", "weld"))
	fmt.Printf("%c.\n", sqlite.Version[0])
	fmt.Println(sqlite.FromLater == nil)
	// Output:
	// 1 0
	// 0
	// 3.
	// true
}

func ExampleNewCallback() {
	lib := open("libc.so.6")
	defer lib.Close()
	qsort := must(weld.Func[func(base []int32, n, size uint64, compare *weld.Callback)](lib, "qsort"))

	compare, err := weld.NewCallback(func(a, b *int32) int32 { return *a - *b })
	if err != nil {
		log.Fatal(err)
	}
	defer compare.Close()
	numbers := []int32{5, 3, 8, 1}
	qsort(numbers, uint64(len(numbers)), 4, compare)
	fmt.Println(numbers)
	// Output: [1 3 5 8]
}

// A panic of a callback goes through the native frames to the Go code that called them.
func ExampleNewCallback_panic() {
	lib := open("libc.so.6")
	defer lib.Close()
	qsort := must(weld.Func[func(base []int32, n, size uint64, compare *weld.Callback)](lib, "qsort"))
	compare := must(weld.NewCallback(func(a, b *int32) int32 { panic("cannot compare") }))
	defer compare.Close()

	defer func() { fmt.Println("recovered:", recover()) }()
	qsort([]int32{2, 1}, 2, 4, compare)
	// Output: recovered: cannot compare
}

// The address is what goes into a struct that C reads, or into a parameter declared as uintptr.
func ExampleCallback_Addr() {
	lib := open("libc.so.6")
	defer lib.Close()
	bsearch := must(weld.Func[func(key *int32, base []int32, n, size uint64, compare uintptr) *int32](lib, "bsearch"))
	compare := must(weld.NewCallback(func(a, b *int32) int32 { return *a - *b }))
	defer compare.Close()

	key := int32(8)
	fmt.Println(*bsearch(&key, []int32{1, 3, 5, 8}, 4, 4, compare.Addr()))
	// Output: 8
}

func ExampleCallback_Close() {
	cb := must(weld.NewCallback(func() {}))
	fmt.Println(cb.Close(), cb.Close() == weld.ErrClosed)
	// Output: <nil> true
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
	// open plugin: plugin: offset 0x0: not an ELF file: it begins with "not ", wanted "\x7fELF"
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
