package tests

import (
	"testing"
	"unsafe"

	"weld"
	"weld/internal/testenv"
)

// libc is what tests take from the C library: memory that C may keep.
type libc struct {
	Malloc func(n uint64) unsafe.Pointer `sym:"malloc"`
	Free   func(p unsafe.Pointer)        `sym:"free"`
}

func openLibc(t *testing.T) *libc {
	t.Helper()
	var c libc
	bindAll(t, open(t, "libc.so.6"), &c)
	return &c
}

// ffiCIF is ffi_cif of <ffi.h> on x86-64.
type ffiCIF struct {
	abi, nargs uint32
	args       unsafe.Pointer
	result     unsafe.Pointer
	bytes      uint32
	flags      uint32
}

const ffiUnix64 = 2

func TestFFI(t *testing.T) {
	lib := open(t, testenv.Library(t, "libffi8", "libffi.so.8", "libffi.so.*"))
	libm := open(t, "libm.so.6")
	c := openLibc(t)
	var f struct {
		Prep     func(cif *ffiCIF, abi, n uint32, result unsafe.Pointer, args unsafe.Pointer) int32             `sym:"ffi_prep_cif"`
		PrepVar  func(cif *ffiCIF, abi, fixed, n uint32, result unsafe.Pointer, args unsafe.Pointer) int32      `sym:"ffi_prep_cif_var"`
		Call     func(cif *ffiCIF, fn uintptr, result unsafe.Pointer, args *unsafe.Pointer)                     `sym:"ffi_call"`
		Alloc    func(n uint64, code *uintptr) unsafe.Pointer                                                   `sym:"ffi_closure_alloc"`
		Free     func(p unsafe.Pointer)                                                                         `sym:"ffi_closure_free"`
		PrepClos func(closure unsafe.Pointer, cif *ffiCIF, fn *weld.Callback, user uintptr, code uintptr) int32 `sym:"ffi_prep_closure_loc"`
	}
	bindAll(t, lib, &f)
	typ := func(name string) unsafe.Pointer {
		s, err := lib.Lookup("ffi_type_" + name)
		if err != nil {
			t.Fatal(err)
		}
		return pointer(s.Addr)
	}
	// A cif refers to its list of types, so both live in C's memory.
	prepare := func(result string, args ...string) *ffiCIF {
		mem := c.Malloc(uint64(unsafe.Sizeof(ffiCIF{})) + 8*uint64(len(args)) + 8)
		t.Cleanup(func() { c.Free(mem) })
		cif := (*ffiCIF)(mem)
		list := unsafe.Add(mem, unsafe.Sizeof(ffiCIF{}))
		for i, a := range args {
			*(*unsafe.Pointer)(unsafe.Add(list, 8*i)) = typ(a)
		}
		if rc := f.Prep(cif, ffiUnix64, uint32(len(args)), typ(result), list); rc != 0 {
			t.Fatalf("ffi_prep_cif: %d", rc)
		}
		return cif
	}
	addr := func(l *weld.Library, name string) uintptr {
		s, err := l.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		return s.Addr
	}

	// A function of the C library. The values are in C's memory too, as the
	// list holds their addresses.
	mem := c.Malloc(256)
	defer c.Free(mem)
	at := func(i int) unsafe.Pointer { return unsafe.Add(mem, 8*i) }
	args := unsafe.Slice((*unsafe.Pointer)(at(16)), 8)
	for i := range args {
		args[i] = at(i)
	}
	*(*float64)(at(0)), *(*float64)(at(1)) = 2, 0.5
	binary := prepare("double", "double", "double")
	f.Call(binary, addr(libm, "pow"), at(8), &args[0])
	if got := *(*float64)(at(8)); got != 1.4142135623730951 {
		t.Errorf("pow(2, 0.5) through ffi_call is %v", got)
	}

	// A Go function called by libffi.
	sum := callback(t, func(a int32, b float64, c int64) float64 { return float64(a) + b + float64(c) })
	mixed := prepare("double", "sint32", "double", "sint64")
	*(*int32)(at(0)), *(*float64)(at(1)), *(*int64)(at(2)) = -5, 0.25, 1<<40
	f.Call(mixed, sum.Addr(), at(8), &args[0])
	if got, want := *(*float64)(at(8)), -5+0.25+float64(1<<40); got != want {
		t.Errorf("a Go function through ffi_call gives %v, want %v", got, want)
	}

	// A closure of libffi whose body is in Go, called by Go.
	var code uintptr
	closure := f.Alloc(64, &code)
	if closure == nil {
		t.Fatal("ffi_closure_alloc fails")
	}
	defer f.Free(closure)
	body := callback(t, func(cif *ffiCIF, result *float64, args *[3]unsafe.Pointer, user uintptr) {
		*result = float64(*(*int32)(args[0]))*100 + *(*float64)(args[1])*10 + float64(*(*int64)(args[2])) + float64(user)
	})
	if rc := f.PrepClos(closure, mixed, body, 7000, code); rc != 0 {
		t.Fatalf("ffi_prep_closure_loc: %d", rc)
	}
	call, err := weld.FuncAt[func(a int32, b float64, c int64) float64](code)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if got := call(3, 2.5, int64(i)); got != 7325+float64(i) {
			t.Errorf("the closure gives %v, want %v", got, 7325+float64(i))
		}
	}
}
