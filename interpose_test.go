package weld_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"unsafe"

	"weld"
	"weld/internal/testenv"
)

// hookLib compiles and opens testdata/hook.c.
func hookLib(t *testing.T, opts ...weld.Option) *weld.Library {
	t.Helper()
	lib := openAt(t, testenv.NewDir(t).Shared("libhook.so", "hook.c", "-lm"), opts...)
	t.Cleanup(func() { closeLib(t, lib) })
	return lib
}

func function[F any](t *testing.T, lib *weld.Library, name string) F {
	t.Helper()
	f, err := weld.Func[F](lib, name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

type openFunc = func(path *byte, flags int32, mode uint32) int32

// cstring reads a C string in a test.
func cstring(p *byte) string {
	var b []byte
	for ; *p != 0; p = (*byte)(unsafe.Add(unsafe.Pointer(p), 1)) {
		b = append(b, *p)
	}
	return string(b)
}

func interpose[F any](t *testing.T, name string, with func(next F) F, opts ...weld.FuncOption) *weld.Interposition[F] {
	t.Helper()
	ip, err := weld.InterposeWith(nil, name, with, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ip.Close() })
	return ip
}

// TestInterpose has a library, whose slots are bound already or not, call Go instead of the C library's open, by every
// way that leads there.
func TestInterpose(t *testing.T) {
	for _, mode := range []struct {
		name string
		opt  weld.Option
	}{{"lazy", weld.Lazy}, {"now", weld.Now}} {
		t.Run(mode.name, func(t *testing.T) {
			lib := hookLib(t, mode.opt)
			file, err := filepath.Abs("go.mod")
			if err != nil {
				t.Fatal(err)
			}
			open := function[func(string) int32](t, lib, "hook_open")
			if fd := open("/no/such"); fd != -1 {
				t.Fatalf("open of nothing gave %d", fd)
			}
			if mode.opt == weld.Now {
				open(file) // now it is bound
			}
			var calls atomic.Int32
			ip := interpose(t, "open", func(next openFunc) openFunc {
				return func(path *byte, flags int32, mode uint32) int32 {
					calls.Add(1)
					if cstring(path) == "/no/such" {
						p := append([]byte(file), 0)
						return next(&p[0], flags, mode)
					}
					return next(path, flags, mode)
				}
			})
			for i, name := range []string{"hook_open", "hook_open_by_pointer", "hook_open_in_thread"} {
				if fd := function[func(string) int32](t, lib, name)("/no/such"); fd < 0 || calls.Load() != int32(i+1) {
					t.Errorf("%s: %d, with %d calls of the interposer", name, fd, calls.Load())
				}
			}
			calls.Store(0)
			dlsym := function[func(string, int32) int32](t, lib, "hook_open_by_dlsym")
			if fd := dlsym("/no/such", 0); fd < 0 || calls.Load() != 1 {
				t.Errorf("by dlsym(RTLD_DEFAULT): %d, %d calls", fd, calls.Load())
			}
			if fd := dlsym("/no/such", 1); fd != -1 || calls.Load() != 1 {
				t.Errorf("by dlsym(RTLD_NEXT): %d, %d calls", fd, calls.Load())
			}
			if e := function[func(string) int32](t, lib, "hook_errno")("/no/such/file"); syscall.Errno(e) != syscall.ENOENT {
				t.Errorf("errno behind the interposer: %v", syscall.Errno(e))
			}
			// A variadic function: the mode gets through.
			made := filepath.Join(t.TempDir(), "made")
			if fd := function[func(string, int32) int32](t, lib, "hook_create")(made, 0o751&^0o022); fd < 0 {
				t.Fatal(fd)
			}
			if st, err := os.Stat(made); err != nil || st.Mode().Perm() != 0o751&^0o022 {
				t.Errorf("open with O_CREAT made %v, %v", st.Mode(), err)
			}
			if mode.opt == weld.Now { // nothing is bound in a child without Go
				child := function[func(string) int32](t, lib, "hook_open_in_child")
				if a, b := child("/no/such"), child(file); a != 8 || b != 7 {
					t.Errorf("in a child without Go: status %d and %d, not those of the C library's open", a, b)
				}
			}
			// A second library, opened later.
			d := testenv.NewDir(t)
			later := openAt(t, d.Shared("liblater.so", "hook.c", "-lm"), mode.opt)
			calls.Store(0)
			if fd := function[func(string) int32](t, later, "hook_open")("/no/such"); fd < 0 || calls.Load() != 1 {
				t.Errorf("in a library that is opened later: %d, %d calls", fd, calls.Load())
			}
			closeLib(t, later)

			if err := ip.Close(); err != nil {
				t.Fatal(err)
			}
			if err := ip.Close(); !errors.Is(err, weld.ErrClosed) {
				t.Errorf("second Close: %v", err)
			}
			calls.Store(0)
			for _, name := range []string{"hook_open", "hook_open_by_pointer"} {
				if fd := function[func(string) int32](t, lib, name)("/no/such"); fd != -1 || calls.Load() != 0 {
					t.Errorf("%s after Close: %d, %d calls", name, fd, calls.Load())
				}
			}
			p := append([]byte(file), 0)
			if fd := ip.Next(&p[0], 0, 0); fd < 0 {
				t.Errorf("Next after Close: %d", fd)
			} else {
				syscall.Close(int(fd))
			}
		})
	}
}

// TestInterposeStack stacks two interpositions of one name and closes the lower one first.
func TestInterposeStack(t *testing.T) {
	lib := hookLib(t)
	pow := function[func(x, y float64) float64](t, lib, "hook_pow")
	type f = func(x, y float64) float64
	low := interpose(t, "pow", func(next f) f { return func(x, y float64) float64 { return next(x, y) + 1 } })
	interpose(t, "pow", func(next f) f { return func(x, y float64) float64 { return next(x, y) * 10 } })
	if v := pow(2, 3); v != 90 {
		t.Errorf("two: %v", v)
	}
	if err := low.Close(); err != nil {
		t.Fatal(err)
	}
	if v := pow(2, 3); v != 80 {
		t.Errorf("the upper one: %v", v)
	}
}

// TestInterposeVersions: pow has two versions in glibc; a library that was linked with either reaches its own by Next.
func TestInterposeVersions(t *testing.T) {
	d := testenv.NewDir(t)
	const src = `int v1(void) { return 1; } int v2(void) { return 2; }
__asm__(".symver v1,which@V1"); __asm__(".symver v2,which@@V2");`
	path := d.Shared("libver.so", d.Write("ver.c", src), "-Wl,--version-script="+d.Write("ver.map", "V1 {}; V2 {} V1;"))
	oldUser := d.Shared("libold.so", d.Write("old.c", `__asm__(".symver which,which@V1"); int which(void); int old(void) { return which(); }`), "-lver", "-Wl,-rpath,"+d.Path)
	newUser := d.Shared("libnew.so", d.Write("new.c", `int which(void); int new(void) { return which(); }`), "-lver", "-Wl,-rpath,"+d.Path)
	for _, p := range []string{path, oldUser, newUser} {
		lib := openAt(t, p)
		t.Cleanup(func() { closeLib(t, lib) })
	}
	older, newer := openAt(t, oldUser), openAt(t, newUser)
	t.Cleanup(func() { closeLib(t, older); closeLib(t, newer) })
	type f = func() int32
	oldf, newf := function[f](t, older, "old"), function[f](t, newer, "new")
	check := func(what string, wantOld, wantNew int32) {
		t.Helper()
		if o, n := oldf(), newf(); o != wantOld || n != wantNew {
			t.Errorf("%s: %d and %d, want %d and %d", what, o, n, wantOld, wantNew)
		}
	}
	check("without", 1, 2)
	all := interpose(t, "which", func(next f) f { return func() int32 { return 10 + next() } })
	check("every version", 11, 12)
	if v := all.Next(); v != 2 {
		t.Errorf("Next outside of a call: %d", v)
	}
	one := interpose(t, "which", func(next f) f { return func() int32 { return 20 + next() } }, weld.Version("V1"))
	check("V1 on top", 31, 12)
	all.Close()
	check("V1 only", 21, 2)
	one.Close()
	check("closed", 1, 2)
}

// TestInterposeMalloc counts allocations of a library and of the C library itself, in many goroutines at once, while Go
// allocates and collects.
func TestInterposeMalloc(t *testing.T) {
	lib := hookLib(t)
	alloc := function[func(uintptr) uintptr](t, lib, "hook_alloc")
	var mallocs, frees atomic.Int64
	type mallocFunc = func(n uintptr) uintptr
	type freeFunc = func(p uintptr)
	m := interpose(t, "malloc", func(next mallocFunc) mallocFunc {
		return func(n uintptr) uintptr {
			mallocs.Add(1)
			_ = make([]byte, 100) // Go's own
			return next(n)
		}
	})
	f := interpose(t, "free", func(next freeFunc) freeFunc {
		return func(p uintptr) { frees.Add(1); next(p) }
	})
	const goroutines, each = 8, 200
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := range each {
				if alloc(uintptr(i+1)) == 0 {
					t.Error("malloc returned NULL")
				}
			}
			runtime.GC()
		})
	}
	wg.Wait()
	if n, k := mallocs.Load(), frees.Load(); n < goroutines*each || k < goroutines*each {
		t.Errorf("%d and %d calls, at least %d were made", n, k, goroutines*each)
	}
	m.Close()
	f.Close()
	before := mallocs.Load()
	alloc(10)
	if mallocs.Load() != before {
		t.Error("malloc is interposed after Close")
	}
}

// TestInterposeConcurrently interposes and closes while other goroutines call, first through lazily bound slots.
func TestInterposeConcurrently(t *testing.T) {
	lib := hookLib(t)
	pow := function[func(x, y float64) float64](t, lib, "hook_pow")
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				if v := pow(3, 2); v != 9 && v != 109 {
					t.Errorf("pow(3, 2) = %v", v)
					return
				}
			}
		})
	}
	type f = func(x, y float64) float64
	for range 100 {
		ip := interpose(t, "pow", func(next f) f { return func(x, y float64) float64 { return next(x, y) + 100 } })
		if v := pow(3, 2); v != 109 {
			t.Errorf("interposed: %v", v)
		}
		ip.Close()
		if v := pow(3, 2); v != 9 {
			t.Errorf("closed: %v", v)
		}
	}
	stop.Store(true)
	wg.Wait()
}

// TestInterposeMany: arguments in memory and in both kinds of registers, to a function of the library itself.
func TestInterposeMany(t *testing.T) {
	lib := hookLib(t)
	type f = func(a, b, c, d, e, f int32, g, h int, x float64) int32
	call := function[func() int32](t, lib, "hook_call_many")
	want := call()
	interpose(t, "hook_many", func(next f) f {
		return func(a, b, c, d, e, f int32, g, h int, x float64) int32 {
			return next(a, b, c, d, e, f, g, h, x+1000) - 1000
		}
	})
	if got := call(); got != want {
		t.Errorf("%d, want %d", got, want)
	}
}

// TestInterposeNamespace: another namespace is not affected.
func TestInterposeNamespace(t *testing.T) {
	path := testenv.NewDir(t).Shared("libhook.so", "hook.c", "-lm")
	type f = func(x, y float64) float64
	var libs [2]*weld.Library
	var spaces [2]*weld.Namespace
	for i := range libs {
		ns, err := weld.NewNamespace(weld.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer ns.Close()
		if libs[i], err = ns.Open(path); err != nil {
			t.Fatal(err)
		}
		spaces[i] = ns
	}
	ip, err := weld.Interpose(spaces[0], "pow", func(x, y float64) float64 { return -1 })
	if err != nil {
		t.Fatal(err)
	}
	a, b := function[f](t, libs[0], "hook_pow")(2, 2), function[f](t, libs[1], "hook_pow")(2, 2)
	if a != -1 || b != 4 {
		t.Errorf("%v in the namespace, %v in the other", a, b)
	}
	ip.Close()
}

func TestInterposeErrors(t *testing.T) {
	hookLib(t)
	if _, err := weld.Interpose(nil, "no_such_function", func() {}); !errors.Is(err, weld.ErrNotFound) || !errors.As(err, new(*weld.SymbolError)) {
		t.Errorf("a name that nothing defines: %v", err)
	}
	if _, err := weld.Interpose(nil, "open", func(func()) {}); !errors.As(err, new(*weld.SignatureError)) {
		t.Errorf("a parameter that C cannot have: %v", err)
	}
	if _, err := weld.Interpose(nil, "open", 7); !errors.As(err, new(*weld.SignatureError)) {
		t.Errorf("no func: %v", err)
	}
	if _, err := weld.Interpose[func()](nil, "abort", nil); !errors.As(err, new(*weld.SignatureError)) {
		t.Errorf("nil: %v", err)
	}
	var e *weld.InterposeError
	if _, err := weld.Interpose(nil, "stdout", func() {}); !errors.As(err, &e) || e.Name != "stdout" {
		t.Errorf("a variable: %v", err)
	}
	ns, err := weld.NewNamespace(weld.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ns.Close()
	if _, err := weld.Interpose(ns, "open", func() {}); !errors.Is(err, weld.ErrClosed) {
		t.Errorf("a closed namespace: %v", err)
	}
}

func ExampleInterpose() {
	lib := open("libz.so.1")
	defer lib.Close()
	// Each file that zlib opens is looked for in another place.
	type openFunc = func(path *byte, flags int32, mode uint32) int32
	ip, err := weld.InterposeWith(nil, "open", func(next openFunc) openFunc {
		return func(path *byte, flags int32, mode uint32) int32 {
			other := []byte("/dev/null\x00")
			return next(&other[0], flags, mode)
		}
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ip.Close()
	gzopen := must(weld.Func[func(path, mode string) uintptr](lib, "gzopen"))
	gzclose := must(weld.Func[func(file uintptr) int32](lib, "gzclose"))
	file := gzopen("/no/such/file", "r")
	fmt.Println(file != 0, gzclose(file))
	// Output: true 0
}
