package weld_test

import (
	"fmt"
	"log"
	"reflect"
	"syscall"
	"unsafe"

	"weld"
)

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
