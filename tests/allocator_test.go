package tests

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"weld"
	"weld/internal/testenv"
)

// Allocators keep state in every thread and cannot be unloaded, so each is used
// in a process of its own.

func init() {
	testenv.Child("jemalloc", jemallocChild)
	testenv.Child("tcmalloc", tcmallocChild)
}

// Where the C library was there before weld, what jemalloc asks of initial-exec
// TLS has to fit into the reserve of that one, and mostly does not.
func TestJemalloc(t *testing.T) {
	path := testenv.Library(t, "libjemalloc2", "libjemalloc.so.2")
	if startedWith != "" {
		r := testenv.Run(t, testenv.ChildCommand(t, "jemalloc", path), testenv.Patience)
		if !strings.HasSuffix(string(r.Stdout), "ok\n") && !strings.Contains(string(r.Stderr), "static TLS") {
			t.Errorf("%v\n%s%s", r, r.Stdout, tail(r.Stderr, 60))
		}
		return
	}
	runChild(t, "jemalloc", path)
}

func TestTcmalloc(t *testing.T) {
	runChild(t, "tcmalloc", testenv.Library(t, "libtcmalloc-minimal4", "libtcmalloc_minimal.so.4", "libtcmalloc.so.4"))
}

// runChild runs a child that prints "ok" as its last line, and returns what it
// printed before.
func runChild(t *testing.T, name string, args ...string) string {
	t.Helper()
	r := testenv.Run(t, testenv.ChildCommand(t, name, args...), testenv.Patience)
	out, ok := strings.CutSuffix(string(r.Stdout), "ok\n")
	if r.Code != 0 || !ok {
		t.Errorf("%s: %v\n%s%s", name, r, r.Stdout, tail(r.Stderr, 60))
	}
	return out
}

// must ends a child that cannot go on.
func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func expect(ok bool, format string, args ...any) {
	if !ok {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
		os.Exit(1)
	}
}

type allocator struct {
	Malloc   func(n uint64) unsafe.Pointer                   `sym:"malloc"`
	Calloc   func(n, size uint64) unsafe.Pointer             `sym:"calloc"`
	Realloc  func(p unsafe.Pointer, n uint64) unsafe.Pointer `sym:"realloc"`
	Free     func(p unsafe.Pointer)                          `sym:"free"`
	Usable   func(p unsafe.Pointer) uint64                   `sym:"malloc_usable_size"`
	Memalign func(align, n uint64) unsafe.Pointer            `sym:"memalign"`
}

// exercise allocates, grows, fills and frees from many goroutines.
func (a *allocator) exercise() {
	var wg sync.WaitGroup
	zeros := make([]byte, 1<<16)
	for g := range 16 {
		wg.Go(func() {
			var live []unsafe.Pointer
			for i := range 500 {
				n := uint64(1 + (i*i+g)%20000)
				p := a.Malloc(n)
				expect(p != nil && a.Usable(p) >= n, "malloc of %d", n)
				block := unsafe.Slice((*byte)(p), n)
				block[0], block[n-1] = byte(g), byte(g)
				p = a.Realloc(p, 2*n)
				expect(p != nil && *(*byte)(p) == byte(g) && *(*byte)(unsafe.Add(p, n-1)) == byte(g), "realloc of %d", n)
				live = append(live, p)
				z := a.Calloc(n, 2)
				expect(bytes.Equal(unsafe.Slice((*byte)(z), 2*n), zeros[:2*n]), "calloc of %d is not zero", n)
				m := a.Memalign(4096, n)
				expect(uintptr(m)%4096 == 0, "memalign gives %p", m)
				live = append(live, z, m)
			}
			for _, p := range live {
				a.Free(p)
			}
		})
	}
	wg.Wait()
}

func jemallocChild(args []string) {
	lib, err := weld.Open(args[0], weld.Now, weld.NoDelete)
	must(err)
	var a allocator
	must(weld.Bind(lib, &a))
	mallctl, err := weld.Func[func(name string, old unsafe.Pointer, size *uint64, value *uint64, n uint64) int32](lib, "mallctl")
	must(err)
	read := func(name string) uint64 {
		var v uint64
		size := uint64(8)
		rc := mallctl(name, unsafe.Pointer(&v), &size, nil, 0)
		expect(rc == 0, "mallctl %s: %d", name, rc)
		return v
	}
	epoch := uint64(1)
	refresh := func() { expect(mallctl("epoch", nil, nil, &epoch, 8) == 0, "mallctl epoch") }
	before := read("stats.allocated")
	p := a.Malloc(64 << 20)
	refresh()
	expect(read("stats.allocated")-before >= 64<<20, "64 MB are not counted: %d to %d", before, read("stats.allocated"))
	a.Free(p)
	a.exercise()
	fmt.Println("ok")
}

func tcmallocChild(args []string) {
	lib, err := weld.Open(args[0], weld.Now, weld.NoDelete)
	must(err)
	var a allocator
	must(weld.Bind(lib, &a))
	version, err := weld.Func[func(major, minor *int32, patch *uintptr) string](lib, "tc_version")
	must(err)
	var major, minor int32
	var patch uintptr
	text := version(&major, &minor, &patch)
	expect(strings.Contains(text, fmt.Sprint(major)), "tc_version: %q, %d.%d", text, major, minor)
	size, err := weld.Func[func(p unsafe.Pointer) uint64](lib, "tc_malloc_size")
	must(err)
	p := a.Malloc(1000)
	expect(size(p) >= 1000 && size(p) == a.Usable(p), "tc_malloc_size: %d and %d", size(p), a.Usable(p))
	a.Free(p)
	a.exercise()
	fmt.Println("ok")
}
