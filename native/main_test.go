package native

import (
	"reflect"
	"sync"
	"testing"
	"unsafe"

	"weld/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// fn returns the native function at addr as a Go func.
func fn[F any](t testing.TB, addr uintptr, leaf bool) F {
	t.Helper()
	f, err := NewFunc(addr, reflect.TypeFor[F](), leaf)
	if err != nil {
		t.Fatal(err)
	}
	p := f.Pointer()
	return *(*F)(unsafe.Pointer(&p))
}

// callback returns a thunk for f that the end of the test closes.
func callback(t testing.TB, f any) uintptr {
	t.Helper()
	c, err := NewCallback(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.Addr()
}

var fixture struct {
	sync.Mutex
	object *SystemObject
}

// symbol returns the address of a function of testdata/calls.c, which the system's run-time linker has loaded.
func symbol(t testing.TB, name string) uintptr {
	t.Helper()
	fixture.Lock()
	defer fixture.Unlock()
	if fixture.object == nil {
		bringUp(t)
		load(t, testenv.NewDir(t).Shared("libcalls.so", "calls.c", "-lm"))
	}
	a := fixture.object.symbol(name)
	if a == 0 {
		t.Fatalf("calls.c does not define %s", name)
	}
	return a
}

func load(t testing.TB, path string) {
	t.Helper()
	if _, err := SystemOpen(path, true); err != nil {
		t.Fatal(err)
	}
	for _, o := range SystemObjects() {
		if o.Name == path {
			fixture.object = &o
			return
		}
	}
	t.Fatalf("%s is not among the objects of the system's run-time linker", path)
}

// family is the C library of these tests: that of the process if it has one.
var family = sync.OnceValue(func() Family {
	libc.mu.Lock()
	defer libc.mu.Unlock()
	if libc.up.Load() {
		return libc.family
	}
	if host, err := libc.host(); host && err == nil {
		return libc.family
	}
	return Glibc
})

func bringUp(t testing.TB) {
	t.Helper()
	if err := BringUp(family(), ""); err != nil {
		t.Fatal(err)
	}
}

// c is fn for a function of calls.c, called with the scheduler told.
func c[F any](t testing.TB, name string) F {
	t.Helper()
	return fn[F](t, symbol(t, name), false)
}

// bothWays runs a test with a function as a leaf and as one that is not.
func bothWays[F any](t *testing.T, name string, test func(t *testing.T, f F)) {
	t.Helper()
	a := symbol(t, name)
	for _, leaf := range []bool{false, true} {
		f := fn[F](t, a, leaf)
		t.Run(map[bool]string{false: name, true: name + " as a leaf"}[leaf], func(t *testing.T) { test(t, f) })
	}
}
