package tests

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"weld"
	"weld/internal/testenv"
)

// A library from memory and from an fs.FS behaves as one from a path.
func TestOpenFromMemory(t *testing.T) {
	d := testenv.NewDir(t)
	data, err := os.ReadFile(d.Shared("libtls.so", "tls.c", "-pthread"))
	if err != nil {
		t.Fatal(err)
	}
	use := func(t *testing.T, lib *weld.Library, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		add := bind[func(int64) int32](t, lib, "add")
		if got := add(3); got != 8 {
			t.Errorf("add(3) is %d, want 8", got)
		}
		if got := bind[func() int64](t, lib, "in_thread")(); got != 5150909 {
			t.Errorf("in_thread() is %d", got)
		}
		loc, ok := weld.FindAddr(lib.Base)
		if !ok || loc.Library != lib {
			t.Errorf("FindAddr of the base: %+v, %v", loc, ok)
		}
		if err := lib.Close(); err != nil {
			t.Error(err)
		}
	}
	before := testenv.FDs(t)
	for range 3 {
		lib, err := weld.Load("libmemory.so", bytes.NewReader(data), int64(len(data)))
		use(t, lib, err)
		lib, err = weld.OpenFS(fstest.MapFS{"dir/libtls.so": {Data: data}}, "dir/libtls.so")
		use(t, lib, err)
		lib, err = weld.OpenFS(os.DirFS(d.Path), "libtls.so")
		use(t, lib, err)
	}
	if after := testenv.FDs(t); after > before+1 {
		t.Errorf("%d open files became %d", before, after)
	}

	// Dependencies are looked for in the same file system first.
	user, err := os.ReadFile(d.Shared("libuser.so", "tls_user.c", "-ltls"))
	if err != nil {
		t.Fatal(err)
	}
	lib, err := weld.OpenFS(fstest.MapFS{"libuser.so": {Data: user}, "libtls.so": {Data: data}}, "libuser.so")
	if err != nil {
		t.Fatal(err)
	}
	if got := bind[func() int32](t, lib, "user_counter")(); got != 6 {
		t.Errorf("the counter of a dependency from the fs.FS is %d, want 6", got)
	}
	if err := lib.Close(); err != nil {
		t.Error(err)
	}

	var open *weld.OpenError
	if _, err := weld.OpenFS(fstest.MapFS{}, "libnone.so"); !errors.As(err, &open) {
		t.Errorf("a name that the fs.FS lacks: %T %v", err, err)
	}
	if _, err := weld.Load("libshort.so", bytes.NewReader(data[:100]), int64(len(data))); err == nil || !strings.Contains(err.Error(), "libshort.so") {
		t.Errorf("a reader that ends early: %v", err)
	}
	if _, err := weld.Load("libhuge.so", bytes.NewReader(data), 1<<62); err == nil {
		t.Error("a size of 4 EB is taken")
	}
	if _, err := weld.Load("libnegative.so", bytes.NewReader(data), -1); err == nil {
		t.Error("a negative size is taken")
	}
}

// Each namespace has its own copy; there may be more of them than glibc's 16.
func TestNamespaces(t *testing.T) {
	d := testenv.NewDir(t)
	path := d.Shared("libbump.so", d.Write("bump.c", "static int n = 10; int bump(void) { return ++n; }\n"))
	const n = 40
	var spaces []*weld.Namespace
	bump := map[int]func() int32{}
	for i := range n {
		ns, err := weld.NewNamespace(weld.Config{})
		if err != nil {
			t.Fatalf("namespace %d: %v", i, err)
		}
		spaces = append(spaces, ns)
		lib, err := ns.Open(path, weld.Now)
		if err != nil {
			t.Fatalf("namespace %d: %v", i, err)
		}
		bump[i] = bind[func() int32](t, lib, "bump")
	}
	for i := range n {
		for range i {
			bump[i]()
		}
	}
	for i := range n {
		if got := bump[i](); got != int32(10+i+1) {
			t.Errorf("namespace %d counts %d, want %d", i, got, 10+i+1)
		}
	}
	if got := len(testenv.MapsOf(t, filepath.Base(path))); got < n {
		t.Errorf("%d mappings of the library in %d namespaces", got, n)
	}
	for i, ns := range spaces {
		if err := ns.Close(); err != nil {
			t.Errorf("close of namespace %d: %v", i, err)
		}
	}
	if left := testenv.MapsOf(t, filepath.Base(path)); len(left) != 0 {
		t.Errorf("%d mappings are left after the namespaces were closed: %v", len(left), left[0])
	}
}
