package live

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"

	"weld/internal/testenv"
	"weld/native"
)

// faults has the system refuse something once: the file system blocks or a larger file, or the kernel a mapping.
type faults struct {
	n, at int // requests so far, and which is refused; 0 for none
	hit   error
}

func (f *faults) refuses(errno syscall.Errno) error {
	if f.n++; f.n != f.at {
		return nil
	}
	f.hit = errno
	return errno
}

func (f *faults) install(t *testing.T) {
	wasMap := mapMemory
	t.Cleanup(func() { fallocate, ftruncate, mapMemory = syscall.Fallocate, syscall.Ftruncate, wasMap })
	fallocate = func(fd int, mode uint32, off, n int64) error {
		if err := f.refuses(syscall.ENOSPC); err != nil {
			return err
		}
		return syscall.Fallocate(fd, mode, off, n)
	}
	ftruncate = func(fd int, n int64) error {
		if err := f.refuses(syscall.EFBIG); err != nil {
			return err
		}
		return syscall.Ftruncate(fd, n)
	}
	mapMemory = func(what string, addr, size uintptr, prot, flags, fd int, off int64) (uintptr, error) {
		if err := f.refuses(syscall.ENOMEM); err != nil {
			return 0, &native.MapError{What: what, Size: size, Err: err}
		}
		return wasMap(what, addr, size, prot, flags, fd, off)
	}
}

// TestFaults makes an object in all ways, and has each request to the system fail in turn: what asked for it fails, changes nothing that
// anybody sees and takes no memory, and succeeds when it is tried again.
func TestFaults(t *testing.T) {
	newObject(t, Options{}).Close() // what the process needs for the first one
	var f faults
	f.install(t)
	dir := quickFolder(t)
	saved := filepath.Join(quickFolder(t), "saved.so")
	fds, maps := testenv.FDs(t), len(testenv.Maps(t))
	var want []string
	step := 1
	if testenv.Race { // which changes nothing but the time
		step = 10
	}
	for f.at = 0; f.at == 0 || f.hit != nil; f.at += step {
		f.n, f.hit = 0, nil
		got := faulty(t, dir, saved, &f)
		if want == nil {
			want = got
		}
		same(t, fmt.Sprint("request ", f.at), got, want)
		if t.Failed() {
			return
		}
		if f.at == 0 {
			f.hit = syscall.ENOSPC // to begin with
		}
	}
	if f.at < 50 {
		t.Errorf("only %d requests", f.at)
	}
	if n := testenv.FDs(t); n != fds {
		t.Errorf("%d descriptors, there were %d", n, fds)
	}
	if n := len(testenv.Maps(t)); n > maps+10 && !testenv.Race { // the Go heap's
		t.Errorf("%d mappings, there were %d", n, maps)
	}
	if got := files(t, dir); got != nil {
		t.Errorf("left: %v", got)
	}
}

// faulty does it with one of the requests refused, and returns the symbols there are in the end.
func faulty(t *testing.T, dir, saved string, f *faults) []string {
	t.Helper()
	var o *Object
	state := func() (u Usage, bound uintptr) {
		if o != nil {
			o.published(func(s *sym) bool { bound += uintptr(unsafe.Pointer(s)); return true })
			u = o.Usage()
			u.Mapped = 0 // what was got stays for the next time
		}
		return u, bound
	}
	// try does something, again if it fails.
	try := func(what string, do func() error) {
		t.Helper()
		used, bound := state()
		was := f.hit
		err := do()
		if err == nil {
			return
		}
		var e *Error
		if f.hit == was || !errors.As(err, &e) || !errors.Is(err, f.hit) || e.Reason != ErrNoSpace && e.Reason != ErrNoMemory {
			t.Fatalf("%s, request %d: %v", what, f.at, err)
		}
		if o == nil {
			if left := files(t, dir); left != nil {
				t.Fatalf("%s, request %d: left: %v", what, f.at, left)
			}
		} else {
			verify(t, o)
		}
		if uses, binds := state(); binds != bound || uses != used {
			t.Fatalf("%s, request %d: %+v, there was %+v; names are bound to others: %v", what, f.at, uses, used, binds != bound)
		}
		if err := do(); err != nil {
			t.Fatalf("%s, request %d, again: %v", what, f.at, err)
		}
		verify(t, o)
	}
	alloc := func(size int, k Kind) (b *Block) {
		t.Helper()
		try("alloc", func() (err error) { b, err = o.Alloc(size, 16, k); return err })
		return b
	}
	commit := func() {
		t.Helper()
		try("commit", o.Commit)
	}
	try("create", func() (err error) { o, err = New(nil, "test", Options{Folder: dir}); return err })
	defer o.Close()

	code := alloc(64<<10, Text)
	check(t, code.Write(0, returns(1)))
	check(t, o.Bind("code", code, Lines(Line{0, "a.x", 1, 0})))
	try("import", func() error { _, err := o.Import("nowhere", Weak); return err })
	commit()
	for _, k := range []Kind{ROData, Data, BSS, Text} { // one behind the other in the file
		for i := range 2 {
			check(t, o.Bind(fmt.Sprintf("block%d_%d", k, i), alloc(100<<10, k), OldVersion("V1")))
		}
	}
	commit()
	at := 0
	add := func(n int, opts ...BindOption) {
		for range n {
			at++
			check(t, o.Bind(fmt.Sprintf("a_name_as_long_as_they_are_%d", at), code, append(opts, Offset(at), Size(10))...))
		}
	}
	// A table for each, and then one that is extended.
	add(20, Version("V2"))
	commit()
	add(500, Lines(Line{0, "b.x", 1, 0}))
	commit()
	for range 2 {
		add(60, Lines(Line{0, "c.x", 1, 0}))
		commit()
	}
	check(t, o.Bind("code", code, Replace, Frame(CFI(make([]byte, 50)))))
	for i := range at / 2 { // to have the tables compacted
		check(t, o.Unbind(fmt.Sprintf("a_name_as_long_as_they_are_%d", 1+i)))
	}
	commit()
	add(1)
	commit()
	all, _ := published(o)
	check(t, code.FreeNow())
	commit()
	try("save", func() error { return o.Save(saved) })
	check(t, o.Close())
	return all
}
