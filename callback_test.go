package weld_test

import (
	"errors"
	"strings"
	"testing"
	"unsafe"

	"weld"
	"weld/internal/testenv"
)

// TestCallbackTypes has C function pointers of which the type is known be compared with Go funcs.
func TestCallbackTypes(t *testing.T) {
	d := testenv.NewDir(t)
	lib := openAt(t, d.Shared("libtyped.so", d.Write("typed.c", typedSource)))
	defer closeLib(t, lib)

	apply, err := weld.Func[func(*weld.CallbackOf[func(int32) int32], int32) int32](lib, "apply")
	if err != nil {
		t.Fatal(err)
	}
	double, err := weld.NewCallbackOf(func(n int32) int32 { return 2 * n })
	if err != nil {
		t.Fatal(err)
	}
	if got := apply(double, 21); got != 42 {
		t.Errorf("apply: %d", got)
	}
	if n := testing.AllocsPerRun(100, func() { apply(double, 1) }); n != 0 && !testenv.Race {
		t.Errorf("%v allocations a call", n)
	}
	// A function of C's own is passed on.
	impl, err := lib.Lookup("twice")
	if err != nil {
		t.Fatal(err)
	}
	if got := apply(weld.CallbackAt[func(int32) int32](impl.Addr), 21); got != 42 {
		t.Errorf("apply of twice: %d", got)
	}
	if c := weld.CallbackAt[func()](^uintptr(0)); c.Addr() != ^uintptr(0) || c.Close() != nil {
		t.Error("CallbackAt")
	}
	if err := double.Close(); err != nil {
		t.Error(err)
	}

	_, err = weld.Func[func(*weld.CallbackOf[func(int64) int32], int32) int32](lib, "apply")
	if te := (*weld.TypeError)(nil); !errors.As(err, &te) || !strings.Contains(err.Error(), "what it calls: argument 1: C passes int (4 bytes), Go takes int64: 8 bytes, not 4") {
		t.Errorf("a callback of another type: %v", err)
	}
	_, err = weld.Func[func(*weld.CallbackOf[func(int32)], int32) int32](lib, "apply")
	if err == nil || !strings.Contains(err.Error(), "result: C wants int (4 bytes), Go returns nothing") {
		t.Errorf("a callback without a result: %v", err)
	}

	for _, c := range []struct {
		name string
		arg  int
		fn   any
		opts []weld.FuncOption
		want string
	}{
		{"apply", 1, func(int32) int32 { return 0 }, nil, ""},
		{"apply", 1, func(int32, int32) int32 { return 0 }, nil, "argument 1: what it calls: C passes 1 argument, Go takes 2"},
		{"apply", 1, func(int32, int32) int32 { return 0 }, []weld.FuncOption{weld.IgnoreTypes}, ""},
		{"apply", 2, func(int32) int32 { return 0 }, nil, "argument 2 is no function: int"},
		{"apply", 3, func(int32) int32 { return 0 }, nil, "it has no argument 3"},
		{"apply", 1, func(int64) int64 { return 0 }, []weld.FuncOption{weld.Declared("int apply(long (*f)(long), int)")}, ""},
		{"apply", 1, func(int32) int32 { return 0 }, []weld.FuncOption{weld.Declared("int apply(long (*f)(long), int)")}, "C passes long"},
		{"length", 1, func(unsafe.Pointer) {}, nil, "argument 1 is no function"},
		{"nothing", 1, func() {}, nil, "nothing"},
		{"apply", 1, 7, nil, "is no func type"},
	} {
		cb, err := lib.NewCallback(c.name, c.arg, c.fn, c.opts...)
		switch {
		case err == nil != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want):
			t.Errorf("%s, argument %d, %T: %v, want %s", c.name, c.arg, c.fn, err, c.want)
		case err == nil:
			cb.Close()
		}
	}
}
