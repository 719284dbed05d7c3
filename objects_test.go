package weld_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"weld"
	"weld/internal/testenv"
	"weld/link"
)

// object compiles a source to an object as it goes into a library.
func object(t testing.TB, d *testenv.Dir, name, source string, flags ...string) string {
	t.Helper()
	return d.Object(strings.TrimSuffix(name, filepath.Ext(name))+".o", append([]string{d.Write(name, source), "-fPIC"}, flags...)...)
}

func openObjects(t testing.TB, ns *weld.Namespace, files ...string) *weld.Library {
	t.Helper()
	lib, err := weld.OpenObjects(ns, files...)
	if err != nil {
		t.Fatal(err)
	}
	return lib
}

func bind[F any](t testing.TB, lib *weld.Library, name string) F {
	t.Helper()
	f, err := weld.Func[F](lib, name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestOpenObjectsC links C that calls the C library, has variables, thread-local ones, constructors, destructors and functions
// that are registered to be called at the end.
func TestOpenObjectsC(t *testing.T) {
	d := testenv.NewDir(t)
	a := object(t, d, "a.c", `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
extern int shared_int;
extern __thread int per_thread;
static __thread char buf[64];
int *ended;
static int order(const void *a, const void *b) { return *(int *)a - *(int *)b; }
static void at_end(void) { *ended += 10; }
__attribute__((destructor)) static void last(void) { if (ended) *ended *= 2; }
int begun;
__attribute__((constructor)) static void first(void) { begun = 7; }
int has_begun(void) { return begun; }
int text(int n) { snprintf(buf, sizeof buf, "%d-%d", n, shared_int); return strlen(buf); }
int smallest(void) { int v[] = {5, 3, 9}; qsort(v, 3, sizeof *v, order); return v[0]; }
int next(void) { return ++per_thread; }
int end_with(int *p) { ended = p; return atexit(at_end); }
`)
	b := object(t, d, "b.c", "int shared_int = 1234; __thread int per_thread = 40;\n")
	lib := openObjects(t, nil, a, b)
	if n := bind[func(int32) int32](t, lib, "text")(56); n != 7 {
		t.Errorf("text: %d, wanted 7", n)
	}
	if n := bind[func() int32](t, lib, "smallest")(); n != 3 {
		t.Errorf("smallest: %d, wanted 3", n)
	}
	if n := bind[func() int32](t, lib, "next")(); n != 41 {
		t.Errorf("next: %d, wanted 41", n)
	}
	if n := bind[func() int32](t, lib, "has_begun")(); n != 7 {
		t.Errorf("the constructor has not run: %d", n)
	}
	libc := openAt(t, "libc.so.6")
	defer closeLib(t, libc)
	mem := bind[func(uint64) *int32](t, libc, "malloc")(4)
	*mem = 1
	if r := bind[func(*int32) int32](t, lib, "end_with")(mem); r != 0 {
		t.Errorf("atexit: %d", r)
	}
	if lib.Path != "a.o" || lib.BuildID == nil {
		t.Errorf("path %s, build ID %x", lib.Path, lib.BuildID)
	}
	closeLib(t, lib)
	if n := *mem; n != 22 {
		t.Errorf("the ends of the library left %d, wanted (1 + 10) * 2", n)
	}
}

// TestOpenObjectsCXX links C++ with exceptions, templates in both objects and static objects, whose destructors run at the close.
func TestOpenObjectsCXX(t *testing.T) {
	d := testenv.NewDir(t)
	a := object(t, d, "a.cc", `
#include <map>
#include <stdexcept>
#include <string>
struct counter { int *at = nullptr; ~counter() { if (at) *at += 5; } };
static counter count;
thread_local int calls;
static const std::string text = "thread";
int thrower(int);
extern "C" int caught(int n) {
  std::map<std::string, int> m{{text, n + calls}};
  try { return thrower(m.at("thread")); } catch (const std::out_of_range &e) { return (int)std::string(e.what()).size(); }
}
extern "C" void count_at(int *p) { count.at = p; }
`)
	b := object(t, d, "b.cc", `
#include <stdexcept>
#include <vector>
int thrower(int n) { std::vector<int> v(3, 1); if (n > 2) throw std::out_of_range("too far"); return v[n]; }
`)
	lib := openObjects(t, nil, a, b)
	caught := bind[func(int32) int32](t, lib, "caught")
	if x, y := caught(1), caught(9); x != 1 || y != 7 {
		t.Errorf("caught: %d and %d, wanted 1 and 7", x, y)
	}
	libc := openAt(t, "libc.so.6")
	defer closeLib(t, libc)
	mem := bind[func(uint64) *int32](t, libc, "malloc")(4)
	*mem = 0
	bind[func(*int32)](t, lib, "count_at")(mem)
	closeLib(t, lib)
	if n := *mem; n != 5 {
		t.Errorf("the destructor left %d, wanted 5", n)
	}
}

// TestOpenObjectsFiles has archives, libraries, and namespaces.
func TestOpenObjectsFiles(t *testing.T) {
	d := testenv.NewDir(t)
	use := object(t, d, "use.c", "int member(void); int of_lib(void); unsigned long crc32(unsigned long, const char *, unsigned); int use(void) { return member() + of_lib() + (crc32(0, \"a\", 1) == 0xe8b7be43); }\n")
	object(t, d, "member.c", "int member(void) { return 1; }\n")
	object(t, d, "unused.c", "int undefined(void); int unused(void) { return undefined(); }\n")
	run(t, d, "ar", "rcs", "libm.a", "member.o", "unused.o")
	run(t, d, "ar", "rcs", "whole.a", "member.o")
	lib := d.Shared("libof.so", d.Write("of.c", "int of_lib(void) { return 20; }\n"))
	opened := openObjects(t, nil, use, d.Join("libm.a"), lib, "libz.so.1")
	if n := bind[func() int32](t, opened, "use")(); n != 22 {
		t.Errorf("use: %d, wanted 22", n)
	}
	if _, err := opened.Lookup("unused"); !errors.Is(err, weld.ErrNotFound) {
		t.Errorf("a member that nothing needs was linked: %v", err)
	}
	closeLib(t, opened)
	whole := openObjects(t, nil, d.Join("whole.a"))
	if n := bind[func() int32](t, whole, "member")(); n != 1 {
		t.Errorf("member: %d", n)
	}
	closeLib(t, whole)
	// What is open in a namespace is found there, and only there.
	ns, err := weld.NewNamespace(weld.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	if _, err := ns.Open(lib); err != nil {
		t.Fatal(err)
	}
	of := object(t, d, "calls.c", "int of_lib(void); int calls(void) { return of_lib(); }\n")
	if n := bind[func() int32](t, openObjects(t, ns, of), "calls")(); n != 20 {
		t.Errorf("calls: %d, wanted 20", n)
	}
	if _, err := weld.OpenObjects(nil, of); !errors.As(err, new(*link.UndefinedError)) {
		t.Errorf("in the default namespace: %v", err)
	}
}

// TestOpenObjectsErrors has what cannot be opened: the error says why, and nothing stays.
func TestOpenObjectsErrors(t *testing.T) {
	d := testenv.NewDir(t)
	before := len(weld.Libraries())
	undefined := object(t, d, "undefined.c", "int misssing(int);\nint printfs(const char *, ...);\nint missing(int n) { return misssing(n) +\n  printfs(\"\"); }\n")
	_, err := weld.OpenObjects(nil, undefined)
	list, _ := err.(link.Errors)
	if len(list) != 2 || !strings.Contains(err.Error(), "undefined symbol: misssing\n\treferenced by undefined.c:3 (") || !strings.Contains(err.Error(), "did you mean: missing") {
		t.Errorf("undefined symbols: %v", err)
	}
	if !strings.Contains(err.Error(), "did you mean: printf") {
		t.Errorf("no hint from the C library: %v", err)
	}
	two := object(t, d, "two.c", "int missing(int n) { return n; }\n")
	if _, err := weld.OpenObjects(nil, undefined, two); !errors.As(err, new(*link.DuplicateError)) {
		t.Errorf("two definitions: %v", err)
	}
	nopic := d.Object("nopic.o", d.Write("nopic.c", "#include <stdio.h>\nFILE **f(void) { return &stdout; }\n"), "-fno-pic")
	if _, err := weld.OpenObjects(nil, nopic); !errors.Is(err, link.ErrReloc) {
		t.Errorf("code of fixed address: %v", err)
	}
	for _, files := range [][]string{nil, {d.Join("missing.o")}, {d.Write("text.o", "some text")}, {"libno-such-thing.so.1"}} {
		if _, err := weld.OpenObjects(nil, files...); err == nil {
			t.Errorf("%q were opened", files)
		}
	}
	if _, err := weld.OpenObjects(nil, d.Join("missing.o")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	// The C library stays once it is there.
	for _, lib := range weld.Libraries()[before:] {
		if strings.HasSuffix(lib.Path, ".o") {
			t.Errorf("%s is still there", lib.Path)
		}
	}
}

// TestOpenObjectsConcurrent opens the same object often.
func TestOpenObjectsConcurrent(t *testing.T) {
	d := testenv.NewDir(t)
	obj := object(t, d, "own.c", "#include <stdlib.h>\nstatic int v; int add(int n) { return v += abs(n); }\n")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				lib, err := weld.OpenObjects(nil, obj)
				if err != nil {
					t.Error(err)
					return
				}
				f, err := weld.Func[func(int32) int32](lib, "add")
				if err != nil || f(-2) != 2 || f(-2) != 4 {
					t.Errorf("it is not a copy of its own: %v", err)
				}
				if err := lib.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func run(t testing.TB, d *testenv.Dir, name string, args ...string) {
	t.Helper()
	testenv.Need(t, name)
	cmd := exec.Command(name, args...)
	cmd.Dir = d.Path
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
}

// A library that was made of objects has the name of the first one, which is no library to link with: neither where the
// file is, nor where another one is.
func TestOpenObjectsHere(t *testing.T) {
	d := testenv.NewDir(t)
	a := object(t, d, "a.c", "static int n;\nint count(void) { return ++n; }\n")
	b := object(t, d, "b.c", "int count(void);\nint twice(void) { count(); return count(); }\n")
	t.Chdir(d.Path)
	for range 2 {
		lib := openObjects(t, nil, filepath.Base(a))
		defer lib.Close()
		if n := bind[func() int32](t, lib, "count")(); n != 1 {
			t.Errorf("count() is %d", n)
		}
	}
	if lib, err := weld.OpenObjects(nil, b); !errors.As(err, new(*link.UndefinedError)) {
		t.Errorf("%v, %v: wanted an undefined symbol", lib, err)
	}
	lib := openObjects(t, nil, b, filepath.Base(a))
	defer lib.Close()
	if n := bind[func() int32](t, lib, "twice")(); n != 2 {
		t.Errorf("twice() is %d", n)
	}
}
