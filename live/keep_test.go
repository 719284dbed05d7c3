package live

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"weld/internal/testenv"
)

// TestKeep has another process open the object's file, a copy of that, and what Save makes of it, with glibc and musl.
func TestKeep(t *testing.T) {
	testenv.Need(t, "gcc", "musl-gcc", "cp", "strip")
	dir := testenv.NewDir(t)
	glibc := dir.Program("keep", "keep.c", "-rdynamic", "-fno-optimize-sibling-calls", "-ldl")
	musl := filepath.Join(dir.Path, "keep-musl")
	if out, err := exec.Command("musl-gcc", "-O1", "-o", musl, "testdata/keep.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	o := newObject(t, Options{})
	number := func(name string, k Kind, n uint32) {
		b, err := o.Alloc(4, 4, k)
		check(t, err)
		if k != BSS {
			check(t, b.Write(0, binary.LittleEndian.AppendUint32(nil, n)))
		}
		check(t, o.Bind(name, b))
	}
	number("data", Data, 11)
	number("ro", ROData, 22)
	number("bss", BSS, 0)
	emit(t, o, "hidden", returns(9), Hidden)
	gone := emit(t, o, "gone", returns(9))
	b := emit(t, o, "versioned", returns(1), OldVersion("V1"))
	emit(t, o, "versioned", returns(2), Version("V2"))
	// push %rbp; mov %rsp,%rbp; call *%rdi; pop %rbp; ret
	emit(t, o, "via", []byte{0x55, 0x48, 0x89, 0xe5, 0xff, 0xd7, 0x5d, 0xc3})
	// sub $72,%rsp; call *%rdi; add $72,%rsp; ret
	emit(t, o, "bare", []byte{0x48, 0x83, 0xec, 72, 0xff, 0xd7, 0x48, 0x83, 0xc4, 72, 0xc3},
		Frame(Steps(Row{At: 4, CFA: RSP, Add: 80}, Row{At: 10, CFA: RSP, Add: 8})))
	emit(t, o, "one", returns(1))
	check(t, o.Commit())
	emit(t, o, "two", returns(2))
	check(t, o.Unbind("gone"))
	check(t, gone.Free())
	check(t, o.Commit())
	_ = b

	try := func(what, path string) {
		t.Helper()
		for _, program := range []string{glibc, musl} {
			want := "one=1 two=2\nhidden=(nil) gone=(nil)\ndata=11 ro=22 bss=0\ndladdr=one\nvia=2\nbare=2\nV1=1 V2=2 default=2 V3=(nil)\nend\n"
			if program == musl {
				want = "one=1 two=2\nhidden=0 gone=0\ndata=11 ro=22 bss=0\ndladdr=one\nvia=0\nbare=0\nend\n"
			}
			r := testenv.Run(t, exec.Command(program, path), testenv.Patience)
			if string(r.Stdout) != want {
				t.Errorf("%s, %s: %v %s\n%s\nwanted:\n%s", what, filepath.Base(program), r, r.Stderr, r.Stdout, want)
			}
		}
	}
	try("the file", o.Path())
	try("by the hash that is there without DT_GNU_HASH", unsorted(t, dir, o))
	copied := dir.Join("copy.so")
	if out, err := exec.Command("cp", o.Path(), copied).CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	try("a copy", copied)
	saved := dir.Join("saved.so")
	check(t, o.Save(saved))
	try("saved", saved)
	fi, err := os.Stat(saved)
	check(t, err)
	if fi.Size() > 320<<10 { // with holes
		t.Errorf("saved are %d bytes", fi.Size())
	}
	for _, args := range []string{"-aW", "-wfF"} {
		out, err := exec.Command("readelf", args, saved).CombinedOutput()
		if err != nil || strings.Contains(string(out), "arning") || strings.Contains(string(out), "rror:") {
			t.Errorf("%v\n%s", err, out)
		}
	}
	f, err := elf.Open(saved)
	check(t, err)
	syms, err := f.Symbols()
	check(t, err)
	if n := o.Usage().Symbols; len(syms) != n {
		t.Errorf("saved are %d symbols, wanted %d", len(syms), n)
	}
	f.Close()
	if out, err := exec.Command("strip", saved).CombinedOutput(); err != nil {
		t.Errorf("strip: %v\n%s", err, out)
	}
	try("stripped", saved)
}

// unsorted returns a copy of the object's file without DT_GNU_HASH, as it is after a few binds to many names.
func unsorted(t testing.TB, dir *testenv.Dir, o *Object) string {
	data, err := os.ReadFile(o.Path())
	check(t, err)
	if !o.dyn.sorted {
		t.Error("a small object has no DT_GNU_HASH")
	}
	le.PutUint64(data[o.dyn.gnuAt:], 0)
	path := dir.Join("unsorted.so")
	check(t, os.WriteFile(path, data, 0o644))
	return path
}

// TestSizes has objects of many symbols, in batches and one by one, be valid all along.
func TestSizes(t *testing.T) {
	for _, batch := range []int{1, 37, 3000} {
		t.Run(fmt.Sprint(batch), func(t *testing.T) {
			o := newObject(t, Options{})
			n := 6000
			switch {
			case testenv.Race:
				n = 1200
			case testing.Short():
				n = 3000
			}
			b := emit(t, o, "code", returns(1))
			for i := range n {
				check(t, o.Bind(fmt.Sprintf("name%d", i), b, Size(1+i%11)))
				if i%batch == 0 {
					check(t, o.Commit())
				}
				if i%(n/3) == n/3-1 {
					check(t, o.Commit())
					verify(t, o)
				}
			}
			readelf(t, o)
			for i := 0; i < n; i += 3 {
				check(t, o.Unbind(fmt.Sprintf("name%d", i)))
				if i%batch == 0 {
					check(t, o.Commit())
				}
			}
			check(t, o.Commit())
			verify(t, o)
			readelf(t, o)
			saved := filepath.Join(t.TempDir(), "saved.so")
			check(t, o.Save(saved))
			if !o.dyn.sorted || o.dyn.dead > 0 {
				t.Error("Save leaves DT_GNU_HASH out")
			}
			f, err := elf.Open(saved)
			check(t, err)
			defer f.Close()
			syms, err := f.Symbols()
			check(t, err)
			dynamic, err := f.DynamicSymbols()
			check(t, err)
			if n := o.Usage().Symbols; len(syms) != n || len(dynamic) != n {
				t.Errorf("saved are %d and %d symbols of %d", len(syms), len(dynamic), n)
			}
			// What tables have room for is holes.
			var st syscall.Stat_t
			check(t, syscall.Stat(saved, &st))
			if used := st.Blocks * 512; batch >= 3000 && n >= batch && used > st.Size*3/4 {
				t.Errorf("saved are %d bytes, of which %d are used", st.Size, used)
			}
		})
	}
}

// TestNamesComeAndGo unbinds names before they are committed: the table of names does not grow.
func TestNamesComeAndGo(t *testing.T) {
	o := newObject(t, Options{Memory: true})
	b := emit(t, o, "stays", returns(1))
	for i := range 2000 {
		name := fmt.Sprint("n", i)
		check(t, o.Bind(name, b))
		check(t, o.Unbind(name))
		if i%50 == 0 {
			check(t, o.Commit())
		}
	}
	if o.names.n > 200 {
		t.Errorf("%d names are in the table", o.names.n)
	}
	if _, err := o.Lookup("stays"); err != nil {
		t.Error(err)
	}
}
