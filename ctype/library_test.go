package ctype

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"weld/image/elf"
	"weld/internal/testenv"
)

var opened = map[string]*Info{}

// distribution opens a library of the distribution, once.
func distribution(t *testing.T, path string) *Info {
	if opened[path] == nil {
		opened[path] = openInfo(t, path, nil)
	}
	return opened[path]
}

// TestDebian is the C library and libm with Debian's debug files: what is described gets a type, and what does not is one
// of a few kinds.
func TestDebian(t *testing.T) {
	for _, c := range []struct {
		lib   string
		known int // of 100 symbols
	}{{"libc.so.6", 90}, {"libm.so.6", 85}} {
		t.Run(c.lib, func(t *testing.T) {
			path := testenv.Library(t, "libc6", c.lib)
			in := distribution(t, path)
			if s, _, err := in.Source(); s != FromDebugFile || err != nil {
				t.Fatalf("types of %s are from %v: %v; this test needs libc6-dbg", path, s, err)
			}
			list := exports(t, path)
			known := 0
			for _, q := range list {
				k, err := in.Lookup(q)
				if err != nil {
					var u *UnknownError
					if !errors.As(err, &u) {
						t.Errorf("%s: %v", q.Name, err)
					} else if u.Kind != ErrAssembly && u.Kind != ErrIndirect && u.Kind != ErrNotFound {
						t.Errorf("%s: %v", q.Name, err)
					} else if u.Kind == ErrIndirect && q.Type != elf.STT_GNU_IFUNC {
						t.Errorf("%s is no indirect function: %v", q.Name, err)
					}
					continue
				}
				known++
				if (k.Type.Kind == Func) != (q.Type == elf.STT_FUNC || q.Type == elf.STT_GNU_IFUNC) {
					t.Errorf("%s, of symbol type %v, is %s", q.Name, q.Type, k.Type)
				}
				if _, err := SignatureOf(k.Type); err != nil {
					t.Errorf("%s: %v", q.Name, err)
				}
				if list := Diff(k.Type, k.Type); list != nil {
					t.Errorf("%s differs from itself: %v", q.Name, list)
				}
			}
			if known*100 < len(list)*c.known {
				t.Errorf("%d of %d symbols are known", known, len(list))
			}
			t.Logf("%d of %d symbols are known", known, len(list))
		})
	}
}

// TestPrototypes compares the C library's debugging information with what its manual pages say, by way of the Go type that
// stands for that.
func TestPrototypes(t *testing.T) {
	type timespec struct{ Sec, Nsec int64 }
	type div struct{ Quot, Rem int32 }
	type tm struct {
		Sec, Min, Hour, Mday, Mon, Year, Wday, Yday, Isdst int32
		Gmtoff                                             int64
		Zone                                               *byte
	}
	fn := reflect.TypeOf
	for _, c := range []struct {
		lib, name string
		g         reflect.Type
		want      string
	}{
		{"libc.so.6", "qsort", fn(func([]int32, uint64, uint64, *callback) {}), ""},
		{"libc.so.6", "qsort", fn(func([]int32, uint32, uint64, *callback) {}), "argument 2 (n): C wants size_t (8 bytes), Go passes uint32: 4 bytes, not 8"},
		{"libc.so.6", "printf", fn(func(string, ...any) int32 { return 0 }), ""},
		{"libc.so.6", "getenv", fn(func(string) string { return "" }), ""},
		{"libc.so.6", "div", fn(func(int32, int32) div { return div{} }), ""},
		{"libc.so.6", "div", fn(func(int64, int32) div { return div{} }), "argument 1 (numer): C wants int (4 bytes), Go passes int64: 8 bytes, not 4"},
		{"libc.so.6", "nanosleep", fn(func(*timespec, *timespec) int32 { return 0 }), ""},
		{"libc.so.6", "nanosleep", fn(func(*timespec, *int32) int32 { return 0 }), "C wants struct timespec * (16 bytes), Go passes *int32"},
		{"libc.so.6", "gmtime_r", fn(func(*int64, *tm) *tm { return nil }), ""},
		{"libc.so.6", "memcpy", fn(func([]byte, []byte, uint64) uintptr { return 0 }), ""},
		{"libc.so.6", "strtol", fn(func(string, **byte, int32) int64 { return 0 }), ""},
		{"libc.so.6", "strtol", fn(func(string, **byte, int32) int32 { return 0 }), "result: C returns long (8 bytes), Go wants int32: 4 bytes, not 8"},
		{"libc.so.6", "fopen", fn(func(string, string) uintptr { return 0 }), ""},
		{"libc.so.6", "open", fn(func(string, int32, ...any) int32 { return 0 }), ""},
		{"libc.so.6", "connect", fn(func(int32, unsafe.Pointer, uint32) int32 { return 0 }), ""},
		{"libm.so.6", "cos", fn(func(float64) float64 { return 0 }), ""},
		{"libm.so.6", "cabs", fn(func(complex128) float64 { return 0 }), ""},
		{"libm.so.6", "frexp", fn(func(float64, *int32) float64 { return 0 }), ""},
		{"libm.so.6", "frexp", fn(func(float64, *int64) float64 { return 0 }), "behind the pointer 8 bytes, not 4"},
	} {
		path := testenv.Library(t, "libc6", c.lib)
		in := distribution(t, path)
		for _, q := range exports(t, path) {
			if q.Name != c.name {
				continue
			}
			k, err := in.Lookup(q)
			if err != nil {
				if u := (*UnknownError)(nil); errors.As(err, &u) && q.Type == elf.STT_GNU_IFUNC {
					continue // this libc does not say
				}
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			got := ""
			if err := Check(k.Type, c.g, Call); err != nil {
				got = err.Error()
			}
			if got == "" != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("%s is %s, Go %v: %s, want %s", c.name, k.Type, c.g, got, c.want)
			}
		}
	}
}

// TestBTF has pahole make BTF of kinds.c, and compares what it can say.
func TestBTF(t *testing.T) {
	dir := t.TempDir()
	src := source(t, dir, "kinds.c")
	run(t, dir, "gcc", "-shared", "-fPIC", "-w", "-gdwarf-4", src, "-o", "lib.so")
	lib := filepath.Join(dir, "lib.so")
	list := exports(t, lib)
	run(t, dir, "pahole", "-J", "--btf_encode_force", "lib.so")
	run(t, dir, "strip", "-g", "lib.so")
	in := openInfo(t, lib, nil)
	if s, _, err := in.Source(); s != FromBTF || err != nil {
		t.Fatal(s, err)
	}
	n := 0
	for _, q := range list {
		want, ok := kinds[q.Name]
		if !ok || q.Type != elf.STT_FUNC {
			continue
		}
		switch q.Name {
		case "f_over", "f_memberover": // alignments that were asked for
			want = strings.NewReplacer("32/32", "32", "32/16", "32").Replace(want)
		case "f_holder": // pahole makes one dimension of several
			want = strings.Replace(want, "[3][4]", "[12]", 1)
		case "f_vec", "f_ms", "f_array": // vectors, aliases, arrays of pointers to arrays
			continue
		}
		if got := sigText(in, q); got != want {
			t.Errorf("%s: %s, want %s", q.Name, got, want)
		}
		n++
	}
	if n < 40 {
		t.Errorf("%d functions", n)
	}
	if s, err := in.TypeNamed(Struct, "node"); err != nil || s.Size != 24 {
		t.Errorf("struct node: %v %v", s, err)
	}
}

// TestKernelBTF reads the running kernel's BTF, which is large, if it has any.
func TestKernelBTF(t *testing.T) {
	const path = "/sys/kernel/btf/vmlinux"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Logf("this kernel has none: %v", err)
		return
	}
	in, err := NewBTF(path, data)
	if err != nil {
		t.Fatal(err)
	}
	s, err := in.TypeNamed(Struct, "list_head")
	if err != nil {
		t.Fatal(err)
	}
	ms, err := s.Members()
	if err != nil || len(ms) != 2 || ms[0].Name != "next" || ms[1].Offset != 64 || ms[0].Type.String() != "struct list_head *" {
		t.Errorf("struct list_head: %v %v", ms, err)
	}
	k, err := in.Lookup(Query{Name: "vfs_read"})
	if err != nil {
		t.Fatal(err)
	}
	if sig, err := SignatureOf(k.Type); err != nil || sig.Text != "fn(*struct file,*u8,u64,*s64)s64" && sig.Text != "fn(*struct file,*s8,u64,*s64)s64" {
		t.Errorf("vfs_read: %v %v", sig, err)
	}
}

// TestTypeNamed finds types by name in DWARF.
func TestTypeNamed(t *testing.T) {
	dir := t.TempDir()
	src := source(t, dir, "kinds.c")
	run(t, dir, "gcc", "-shared", "-fPIC", "-w", "-g", src, "-o", "lib.so")
	in := openInfo(t, filepath.Join(dir, "lib.so"), nil)
	for _, c := range []struct {
		kind Kind
		name string
		size int64
	}{{Struct, "node", 24}, {Union, "num", 16}, {Enum, "color", 4}, {Typedef, "compare_fn", 8}} {
		if s, err := in.TypeNamed(c.kind, c.name); err != nil || s.Size != c.size {
			t.Errorf("%s: %+v %v", c.name, s, err)
		}
	}
	e, _ := in.TypeNamed(Enum, "negative")
	if list, err := e.Enumerators(); err != nil || len(list) != 2 || list[0] != (Enumerator{"MINUS", -1}) || list[1].Value != 1 {
		t.Errorf("enum negative: %v %v", list, err)
	}
	if _, err := in.TypeNamed(Struct, "opaque"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// TestNames is how types are written in C.
func TestNames(t *testing.T) {
	dir := t.TempDir()
	src := source(t, dir, "kinds.c")
	for _, cc := range []string{"gcc", "clang-19"} {
		run(t, dir, cc, "-shared", "-fPIC", "-w", "-g", src, "-o", "lib.so")
		in := openInfo(t, filepath.Join(dir, "lib.so"), nil)
		for name, want := range map[string]string{
			"f_int":      "int f_int(int, unsigned int)",
			"f_long":     "long f_long(long, unsigned long)",
			"f_retfn":    "compare_fn f_retfn(compare_fn, int (*)(void))",
			"f_ptrarray": "int f_ptrarray(int (*)[4], struct pt (*)[2])",
			"f_variadic": "int f_variadic(const char *, ...)",
			"v_names":    "const char *const v_names[2]",
			"v_fn":       "int (*v_fn)(int)",
			"f_anon":     "anon_t f_anon(anon_t, anon_t *, anon_ptr)",
			"f_nodeval":  "struct node f_nodeval(struct node)",
		} {
			k, err := in.Lookup(Query{Name: name})
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if got := k.Type.Declare(name); got != want {
				t.Errorf("%s, %s: %s, want %s", cc, name, got, want)
			}
		}
	}
}

// TestConcurrent looks everything up from several goroutines at once, for the race detector.
func TestConcurrent(t *testing.T) {
	dir := t.TempDir()
	src := source(t, dir, "kinds.c")
	run(t, dir, "gcc", "-shared", "-fPIC", "-w", "-g", src, "-o", "lib.so")
	lib := filepath.Join(dir, "lib.so")
	in, list := openInfo(t, lib, nil), exports(t, lib)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, q := range list {
				if want, ok := kinds[q.Name]; ok {
					if got := sigText(in, q); got != want {
						t.Errorf("%s: %s, want %s", q.Name, got, want)
					}
				}
				if k, err := in.Lookup(q); err == nil {
					walk(k.Type, map[*Type]bool{}, func(err error) bool { return err == nil })
				}
			}
			if _, err := in.TypeNamed(Union, "num"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
