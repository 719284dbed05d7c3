package rtld

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"weld/image/elf"
	"weld/internal/testenv"
	"weld/native"
)

// againSource is a library whose code, data, symbols and soname a test can change without a change of its size.
const againSource = `
extern int elsewhere(void) __attribute__((weak));
static int own(void) { return VALUE; }
int NAME(void) { return VALUE; }
int (*table[])(void) = { own, NAME };
int data = VALUE + 1;
int by_table(void) { return table[0]() + table[1](); }
int is_elsewhere(void) { return elsewhere ? elsewhere() : 0; }
`

// againLib compiles a version of againSource, of a fixed size.
func againLib(t *testing.T, d *testenv.Dir, name, symbol, value string, flags ...string) []byte {
	t.Helper()
	const size = 64 << 10
	b, err := os.ReadFile(lib(d, name, againSource, append([]string{"-DNAME=" + symbol, "-DVALUE=" + value, "-Wl,-soname,libagain.so"}, flags...)...))
	if err != nil || len(b) > size {
		t.Fatal(len(b), err)
	}
	return append(b, make([]byte, size-len(b))...) // what follows the sections is nobody's
}

// again opens a library often enough to have it remembered, and checks each time what f says. It returns whether the last
// one was opened as the one before.
func again(t *testing.T, path string, check func(o *Object)) (remembered bool) {
	t.Helper()
	var last *elf.File
	for range 4 {
		o := mustOpen(t, path, Now)
		check(o)
		remembered, last = o.File == last, o.File
		mustClose(t, o)
	}
	return remembered
}

func TestRemembered(t *testing.T) {
	d := testenv.NewDir(t)
	first := againLib(t, d, "v1", "alpha", "5")
	code := againLib(t, d, "v2", "alpha", "6")
	symbols := againLib(t, d, "v3", "gamma", "7")
	layout := againLib(t, d, "v4", "much_longer_than_alpha", "8", "-Wl,-z,noseparate-code", "-Wl,--hash-style=sysv")
	path := d.Join("libagain.so")
	is := func(name string, value uintptr) func(o *Object) {
		return func(o *Object) {
			t.Helper()
			if v := call(t, o, name); v != value {
				t.Errorf("%s() is %d, wanted %d", name, v, value)
			}
			if v := call(t, o, "by_table"); v != 2*value {
				t.Errorf("by_table() is %d, wanted %d", v, 2*value)
			}
			if v := *(*int32)(native.Pointer(symbol(t, o, "data"))); uintptr(v) != value+1 {
				t.Errorf("data is %d, wanted %d", v, value+1)
			}
			for _, other := range []string{"alpha", "gamma", "much_longer_than_alpha"} {
				var s Symbol
				if err := o.Lookup(other, "", &s); (err == nil) != (other == name) {
					t.Errorf("%s in the one with %s: %v", other, name, err)
				}
			}
			if o.Path != path || o.Soname != "libagain.so" || len(o.BuildID) == 0 || !bytes.Equal(o.BuildID, o.File.BuildID()) {
				t.Errorf("%q %q %x", o.Path, o.Soname, o.BuildID)
			}
		}
	}
	write := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(first)
	before := stateOf(t, d.Path)
	if !again(t, path, is("alpha", 5)) {
		t.Error("it was read again each time")
	}
	before.check(t, d.Path)

	// Written to in place, with the same size and the same times.
	when := time.Unix(1_700_000_000, 0)
	for _, v := range []struct {
		data  []byte
		name  string
		value uintptr
	}{{code, "alpha", 6}, {symbols, "gamma", 7}, {first, "alpha", 5}, {layout, "much_longer_than_alpha", 8}, {symbols, "gamma", 7}} {
		write(v.data)
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
		if !again(t, path, is(v.name, v.value)) {
			t.Errorf("%s: it was read again each time", v.name)
		}
	}
	before.check(t, d.Path)

	// Replaced by another file, and by the first one again, whose inode number may be that of the one before.
	for range 2 {
		for _, v := range []struct {
			data  []byte
			name  string
			value uintptr
		}{{first, "alpha", 5}, {symbols, "gamma", 7}} {
			if err := os.WriteFile(path+".new", v.data, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(path+".new", path); err != nil {
				t.Fatal(err)
			}
			again(t, path, is(v.name, v.value))
		}
	}

	// What is no library any more, of the same size and shorter, is refused as if it had never been opened.
	dynamic := bytes.Clone(symbols)
	f, err := elf.New(path, dynamic)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_DYNAMIC {
			copy(dynamic[p.Off:], bytes.Repeat([]byte{0xff}, int(p.Filesz)))
		}
	}
	for _, bad := range []struct {
		what string
		data []byte
		kind error
	}{
		{"no ELF file", make([]byte, len(symbols)), elf.ErrNotELF},
		{"PT_DYNAMIC without an end", dynamic, nil},
		{"half of it", symbols[:f.Progs[2].Off], elf.ErrTruncated},
		{"a few bytes", symbols[:10], elf.ErrTruncated},
		{"nothing", nil, elf.ErrNotELF},
	} {
		again(t, path, is("gamma", 7))
		write(bad.data)
		for range 3 {
			_, err := Default.Open(Source{Name: path}, Now, nil)
			var fe *elf.FormatError
			if !errors.As(err, &fe) || bad.kind != nil && !errors.Is(err, bad.kind) {
				t.Errorf("%s: %v", bad.what, err)
			}
		}
		before.check(t, d.Path)
		write(symbols)
	}
	again(t, path, is("gamma", 7))
	before.check(t, d.Path)
}

// A library that comes to lie elsewhere, in another namespace or because its place is taken, is not taken for the one that
// was there; neither is one of another name.
func TestRememberedElsewhere(t *testing.T) {
	d := testenv.NewDir(t)
	path := d.Join("libagain.so")
	if err := os.WriteFile(path, againLib(t, d, "v", "alpha", "5"), 0o755); err != nil {
		t.Fatal(err)
	}
	var at native.Mapping
	check := func(o *Object) {
		t.Helper()
		at = o.Mapping
		if v := call(t, o, "by_table"); v != 10 {
			t.Errorf("by_table() is %d", v)
		}
		if a := symbol(t, o, "alpha"); !o.Contains(a) || *(*uintptr)(native.Pointer(symbol(t, o, "table") + 8)) != a {
			t.Errorf("alpha is at %#x, the object at %#x", a, o.Mapping)
		}
	}
	again(t, path, check)

	old := at
	taken, err := native.Map("a test", at.Addr, at.Size, syscall.PROT_NONE, syscall.MAP_PRIVATE|syscall.MAP_ANON, -1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if taken != at.Addr {
		t.Errorf("%#x was taken already", at.Addr)
	}
	if !again(t, path, check) {
		t.Error("elsewhere it was read again each time")
	}
	if at == old {
		t.Errorf("it lies where something else does, %#x", at)
	}
	native.Unmap(taken, old.Size)
	again(t, path, check)

	ns := NewNamespace(Config{})
	defer ns.Close()
	for range 3 {
		a := mustOpen(t, path, Now)
		check(a)
		b, err := ns.Open(Source{Name: path}, Now, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a.File == b.File || a.Mapping == b.Mapping {
			t.Errorf("one image in two namespaces: %#x", a.Mapping)
		}
		check(b)
		mustClose(t, a)
		check(b)
		a = mustOpen(t, path, Now)
		check(a)
		check(b)
		mustClose(t, b)
		check(a)
		mustClose(t, a)
	}

	link := d.Join("liblink.so")
	if err := os.Link(path, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{link, path, link} {
		again(t, name, func(o *Object) {
			check(o)
			if o.Path != name || o.File.Name != name {
				t.Errorf("%q and %q, wanted %q", o.Path, o.File.Name, name)
			}
		})
	}

	// The same file on another file system is another one.
	if dir, err := os.MkdirTemp("/dev/shm", "weld"); err == nil {
		defer os.RemoveAll(dir)
		other := filepath.Join(dir, "libagain.so")
		if err := os.WriteFile(other, againLib(t, d, "w", "alpha", "5"), 0o755); err != nil {
			t.Fatal(err)
		}
		again(t, other, check)
		again(t, path, check)
	}
}

// Of so many files only those are kept that are opened again and again.
func TestRememberedFiles(t *testing.T) {
	m := new(images)
	file := func(dev, ino uint64, size int64) imageFile { return imageFile{fileID{dev, ino}, size} }
	open := func(f imageFile) bool {
		x, before := m.of(f)
		if !before && x.known != nil {
			t.Errorf("%v is not new: %+v", f, x.known)
		}
		if x.known == nil {
			x.known = &remembered{headAt: uint64(f.size)}
		}
		if x.known.headAt != uint64(f.size) || len(m.list) > mostRemembered {
			t.Errorf("%v is %+v, of %d", f, x.known, len(m.list))
		}
		return before
	}
	often := file(1, 7, 100)
	for i, f := range []imageFile{often, file(2, 7, 101), file(1, 8, 102), file(1, 7, 103)} {
		if open(f) {
			t.Errorf("%d: %v is known", i, f)
		}
		if !open(f) {
			t.Errorf("%d: %v is not known", i, f)
		}
	}
	for i := range 10 * mostRemembered {
		if open(file(3, uint64(i), int64(i))) {
			t.Errorf("%d is known", i)
		}
		if !open(often) {
			t.Fatalf("%v was forgotten for the %dth", often, i)
		}
	}
	if open(file(3, 0, 0)) {
		t.Error("the first of them is still known")
	}
}

// What symbols are bound to is remembered for the very same objects only.
func TestRememberedBindings(t *testing.T) {
	d := testenv.NewDir(t)
	path := d.Join("libagain.so")
	data := againLib(t, d, "v", "alpha", "5")
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	one := lib(d, "one", "int elsewhere(void) { return 11; }\nint alpha(void) { return 12; }\n")
	two := lib(d, "two", "int elsewhere(void) { return 21; }\n")
	want := func(elsewhere, table uintptr) {
		t.Helper()
		again(t, path, func(o *Object) {
			t.Helper()
			if v := call(t, o, "is_elsewhere"); v != elsewhere {
				t.Errorf("is_elsewhere() is %d, wanted %d", v, elsewhere)
			}
			if v := call(t, o, "by_table"); v != table {
				t.Errorf("by_table() is %d, wanted %d", v, table)
			}
		})
	}
	want(0, 10)
	for range 3 {
		a := mustOpen(t, one, Now|Global)
		want(11, 17)
		b := mustOpen(t, two, Now|Global)
		want(11, 17)
		mustClose(t, a)
		want(21, 10)
		mustClose(t, b)
		want(0, 10)
	}

	// It keeps what it is bound to, also if it was bound so before.
	for range 3 {
		a := mustOpen(t, one, Now|Global)
		want(11, 17)
		o := mustOpen(t, path, Now)
		mustClose(t, a)
		if v := call(t, o, "is_elsewhere"); v != 11 {
			t.Errorf("is_elsewhere() is %d, wanted 11", v)
		}
		mustClose(t, o)
		if len(testenv.MapsOf(t, "libone.so")) > 0 {
			t.Error("libone.so stays for nobody")
		}
	}

	// What it needs is another library each time, and its functions lie elsewhere.
	dep := func(value string, before string) {
		t.Helper()
		os.Remove(d.Join("libdep.so"))
		lib(d, "dep", before+"int dep(void) { return "+value+"; }\n")
	}
	dep("1", "")
	needs := lib(d, "needs", "int dep(void);\nint (*p)(void) = dep;\nint by_pointer(void) { return p() + dep(); }\n", "-L"+d.Path, "-ldep")
	for i, before := range []string{"", "int before(void) { return 5; }\n", "", "int a(void) { return 6; }\nint b(void) { return 7; }\n"} {
		dep(strconv.Itoa(i), before)
		again(t, needs, func(o *Object) {
			if v := call(t, o, "by_pointer"); v != uintptr(2*i) {
				t.Errorf("by_pointer() is %d, wanted %d", v, 2*i)
			}
		})
	}
}
