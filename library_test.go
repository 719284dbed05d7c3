package weld_test

import (
	"bytes"
	"sync"
	"testing"

	"weld"
	"weld/internal/testenv"
)

// What a Library says of itself stays when it is unmapped.
func TestFieldsStay(t *testing.T) {
	d := testenv.NewDir(t)
	path := d.Shared("libid.so", d.Write("id.c", "int id(void) { return 1; }\n"), "-Wl,--build-id=0x0123456789abcdef")
	lib := openAt(t, path)
	want := []byte{0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}
	closeLib(t, lib)
	if !bytes.Equal(lib.BuildID, want) || lib.Path != path || lib.Soname != "libid.so" {
		t.Errorf("%x %s %s", lib.BuildID, lib.Path, lib.Soname)
	}
}

// Libraries and FindAddr may be asked while libraries come and go.
func TestListWhileClosing(t *testing.T) {
	d := fixtures(t)
	stay := openAt(t, d.Join("libbox.so"))
	defer closeLib(t, stay)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 50 {
				lib, err := weld.Open(d.Join("liblid.so"))
				if err != nil {
					t.Error(err)
					return
				}
				base := lib.Base
				closeLib(t, lib)
				weld.FindAddr(base + 64) // mapped by another goroutine, or not
				if list := weld.Libraries(); len(list) == 0 {
					t.Error("nothing is loaded")
				}
			}
		})
	}
	wg.Wait()
}

// Asking for a function again makes nothing new.
func TestFuncAgain(t *testing.T) {
	d := testenv.NewDir(t)
	lib := openAt(t, d.Shared("libid.so", d.Write("id.c", "int id(int n) { return n; }\n")))
	f, err := weld.Func[func(int32) int32](lib, "id")
	if err != nil || f(3) != 3 {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { weld.Func[func(int32) int32](lib, "id") }); n > 4 {
		t.Errorf("%v allocations", n)
	}
	leaf, err := weld.Func[func(uint32) int32](lib, "id", weld.Leaf, weld.IgnoreTypes)
	if err != nil || leaf(4) != 4 || f(5) != 5 {
		t.Fatal(err)
	}
	closeLib(t, lib)
	for _, call := range []func(){func() { f(1) }, func() { leaf(1) }} {
		if v := panicOf(call); v != weld.ErrClosed {
			t.Errorf("after the close: %v", v)
		}
	}
}
