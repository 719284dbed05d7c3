package rtld

import (
	"errors"
	"testing"

	"weld/internal/testenv"
	"weld/native"
)

// TestInterposeSlots has native counters stand in for a function that an object defines itself, through slots that are
// bound lazily, at load and as data, in objects that are loaded before and after.
func TestInterposeSlots(t *testing.T) {
	d := testenv.NewDir(t)
	const src = `int called(int x) { return x + 1; }
int (*pointer)(int) = called;
int direct(int x) { return called(x); }
int indirect(int x) { return pointer(x); }`
	paths := []string{
		lib(d, "slots-lazy", src, "-Wl,-z,lazy"), lib(d, "slots-now", src, "-Wl,-z,now"), lib(d, "slots-noplt", src, "-fno-plt"),
	}
	var counters []*native.Hook
	count := func() (n uint64) {
		for _, c := range counters {
			n += c.Count()
		}
		return n
	}
	if _, err := Default.Definition("called", ""); !errors.Is(err, ErrNotFound) {
		t.Errorf("before anything is loaded: %v", err)
	}
	ip, err := Default.Interpose("called", "", func(next, target uintptr) (uintptr, error) {
		if next != target || FindObject(target) == nil {
			t.Errorf("a hook for %#x, the function is at %#x", next, target)
		}
		c, err := native.NewCounter(next)
		if err != nil {
			return 0, err
		}
		counters = append(counters, c)
		return c.Addr(), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, path := range paths {
		o := mustOpen(t, path, 0)
		defer mustClose(t, o)
		before := count()
		if a, b := call(t, o, "direct", 4), call(t, o, "indirect", 5); a != 5 || b != 6 || count() != before+2 {
			t.Errorf("%s: %d and %d, %d calls", path, a, b, count()-before)
		}
		if len(counters) != i+1 {
			t.Errorf("%s: %d hooks for as many functions as were opened, %d", path, len(counters), i+1)
		}
	}
	if err := ip.Close(); err != nil {
		t.Fatal(err)
	}
	if err := ip.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("second Close: %v", err)
	}
	before := count()
	for _, path := range paths {
		o := mustOpen(t, path, 0)
		call(t, o, "direct", 4)
		call(t, o, "indirect", 4)
		mustClose(t, o)
	}
	if count() != before {
		t.Errorf("%d calls were counted after Close", count()-before)
	}
	if hooked.table.Load() != nil {
		t.Error("the table is not empty")
	}
	// Who still has a hook's address reaches the function.
	if v := native.Call(counters[0].Addr(), 1); v != 2 {
		t.Errorf("a hook after Close: %d", v)
	}
	counters[0].Release()
	before = count()
	if v := native.Call(counters[0].Addr(), 1); v != 2 || count() != before {
		t.Errorf("a released hook: %d, %d calls", v, count()-before)
	}
}
