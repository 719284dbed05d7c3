package native

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"weld/native/abi"
)

func TestScalars(t *testing.T) {
	bothWays(t, "nothing", func(t *testing.T, f func()) { f() })
	bothWays(t, "add32", func(t *testing.T, f func(int32, int32) int32) {
		if r := f(math.MaxInt32, -5); r != math.MaxInt32-5 {
			t.Error(r)
		}
	})
	bothWays(t, "six", func(t *testing.T, f func(a, b, c, d, e, f int64) int64) {
		if r := f(1, -2, 3, -4, 5, 1<<40); r != 1-4+9-16+25+6<<40 {
			t.Error(r)
		}
	})
	bothWays(t, "nine", func(t *testing.T, f func(a, b, c, d, e, f, g int64, h int8, i int32) int64) {
		if r := f(1, 2, 3, 4, 5, 6, 7, -8, -9); r != 91+49-64-81 {
			t.Error(r)
		}
	})
	bothWays(t, "floats8", func(t *testing.T, f func(a, b, c, d, e, f, g, h float64) float64) {
		if r := f(1, 2, 3, 4, 5, 6, 7, 8.5); r != 140+68 {
			t.Error(r)
		}
	})
	bothWays(t, "floats11", func(t *testing.T, f func(a, b, c, d, e, f, g, h, i float64, j float32, k float64) float64) {
		if r := f(1, 2, 3, 4, 5, 6, 7, 8.5, 9, 10.5, 11); r != 140+68+81+105+121 {
			t.Error(r)
		}
	})
	bothWays(t, "mixed", func(t *testing.T, f func(a int32, b float64, c uint8, d float32, e int64, g float64) float64) {
		if r := f(-1, 2.5, 255, 0.5, 1<<33, -3); r != 254+float64(1<<33) {
			t.Error(r)
		}
	})
	bothWays(t, "half", func(t *testing.T, f func(float32) float32) {
		if r := f(3); r != 1.5 {
			t.Error(r)
		}
	})
	bothWays(t, "not", func(t *testing.T, f func(bool) bool) {
		if f(true) || !f(false) {
			t.Error("not")
		}
	})
	bothWays(t, "neg8", func(t *testing.T, f func(int8) int8) {
		if r := f(100); r != -100 {
			t.Error(r)
		}
	})
	bothWays(t, "inc16", func(t *testing.T, f func(uint16) uint16) {
		if r := f(0xffff); r != 0 {
			t.Error(r)
		}
	})
}

type small struct {
	A int32
	B float32
	C float64
}
type big struct {
	V [5]int64
	W float64
}
type pair struct{ X, Y float64 }

func TestAggregates(t *testing.T) {
	bothWays(t, "small_in_out", func(t *testing.T, f func(small, int32) small) {
		if r := f(small{1, 2, 3}, 7); r != (small{7, 14, 21}) {
			t.Error(r)
		}
	})
	bothWays(t, "big_in_out", func(t *testing.T, f func(big, int64) big) {
		if r := f(big{[5]int64{1, 2, 3, 4, 5}, 6}, 7); r != (big{[5]int64{7, 14, 21, 28, 35}, 42}) {
			t.Error(r)
		}
	})
	bothWays(t, "swap", func(t *testing.T, f func(pair) pair) {
		if r := f(pair{1, 2}); r != (pair{2, 1}) {
			t.Error(r)
		}
	})
	bothWays(t, "times_i", func(t *testing.T, f func(complex128) complex128) {
		if r := f(3 + 4i); r != -4+3i {
			t.Error(r)
		}
	})
}

func TestMemory(t *testing.T) {
	bothWays(t, "length", func(t *testing.T, f func(string) uintptr) {
		for _, n := range []int{0, 1, 100, maxOnStack - 1, maxOnStack, 1 << 20} {
			if r := f(strings.Repeat("x", n)); r != uintptr(n) {
				t.Errorf("length of %d bytes is %d", n, r)
			}
		}
	})
	bothWays(t, "lengths", func(t *testing.T, f func(a, b, c string) uintptr) {
		if r := f("a", "bb", "ccc"); r != 3002001 {
			t.Error(r)
		}
	})
	bothWays(t, "sum", func(t *testing.T, f func([]int32, uintptr) int64) {
		if r := f([]int32{1, 2, 3, -10}, 4); r != -4 {
			t.Error(r)
		}
		if r := f(nil, 0); r != 0 {
			t.Error(r)
		}
	})
	bothWays(t, "greeting", func(t *testing.T, f func() string) {
		if r := f(); r != "hello from C" {
			t.Errorf("%q", r)
		}
	})
	bothWays(t, "six_pointers", func(t *testing.T, f func(a, b, c, d, e, f *int64) int64) {
		v := []int64{1, 2, 3, 4, 5, 6}
		if r := f(&v[0], &v[1], &v[2], &v[3], &v[4], &v[5]); r != 21 {
			t.Error(r)
		}
	})
	bothWays(t, "pointers8", func(t *testing.T, f func(a, b, c, d, e, f, g, h *int64) int64) {
		v := []int64{1, 2, 3, 4, 5, 6, 7, 8}
		if r := f(&v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]); r != 36 {
			t.Error(r)
		}
	})
}

func TestVariadic(t *testing.T) {
	bothWays(t, "sum_all", func(t *testing.T, f func(string, ...any) float64) {
		if r := f(""); r != 0 {
			t.Error(r)
		}
		if r := f("idsl", int32(1), 2.5, "three", int64(4)); r != 12.5 {
			t.Error(r)
		}
		kinds, args, want := "", []any{}, 0.0
		for i := range 40 {
			kinds += "id"
			args = append(args, i, float32(i)/2)
			want += float64(i) * 1.5
		}
		if r := f(kinds, args...); r != want {
			t.Error(r, want)
		}
		defer func() {
			if _, ok := recover().(*abi.SignatureError); !ok {
				t.Error("a channel was passed")
			}
			if r := f("i", 1); r != 1 {
				t.Error(r)
			}
		}()
		f("i", make(chan int))
	})
}

func TestErrno(t *testing.T) {
	bothWays(t, "fail_with", func(t *testing.T, f func(int32) (int32, syscall.Errno)) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for n := range 5000 {
					e := syscall.Errno(1 + (i*5000+n)%4000)
					if r, got := f(int32(e)); r != -1 || got != e {
						t.Errorf("%d, errno %d, not %d", r, got, e)
						return
					}
				}
			})
		}
		wg.Wait()
	})
	bothWays(t, "only_errno", func(t *testing.T, f func(int32) syscall.Errno) {
		if e := f(7); e != 7 {
			t.Error(e)
		}
		if e := f(0); e != 0 {
			t.Error(e)
		}
	})
	bothWays(t, "float_errno", func(t *testing.T, f func(float64, int32) (float64, syscall.Errno)) {
		if r, e := f(2.5, 9); r != 2.5 || e != 9 {
			t.Error(r, e)
		}
	})
}

// TestRegisters has native code leave all vector registers dirty: compiled Go relies on one of them being zero.
func TestRegisters(t *testing.T) {
	bothWays(t, "dirty", func(t *testing.T, f func(int32) int32) {
		for i := range int32(100) {
			var zero [16]uint64
			if r := f(i); r != i {
				t.Fatal(r)
			}
			zero = [16]uint64{}
			p := &zero // so that the compiler clears it with X15
			if *p != ([16]uint64{}) {
				t.Fatal("memory cleared after the call is not zero")
			}
			s := make([]struct{ a, b string }, 3)
			if s[2].a != "" || s[2].b != "" {
				t.Fatal("new memory is not zero")
			}
		}
	})
}

// TestControlWord sets a rounding mode, which belongs to the native thread alone.
func TestControlWord(t *testing.T) {
	up, get, nearest := c[func() int32](t, "set_round_up"), c[func() int32](t, "get_round"), c[func() int32](t, "set_round_nearest")
	back := c[func(uintptr, int64) int64](t, "call_back")
	const upward = 0x800
	x, y := 1.0, 3.0
	want := x / y
	done := make(chan bool)
	locked(t, func() {
		up()
		if x/y != want {
			t.Error("Go rounds upwards")
		}
		if get() != upward {
			t.Error("the rounding mode is lost")
		}
		back(callback(t, func(n int64) int64 {
			if x/y != want {
				t.Error("Go rounds upwards in a callback")
			}
			return n
		}), 1)
		go func() {
			defer close(done)
			locked(t, func() {
				if get() != 0 {
					t.Error("another thread has the rounding mode")
				}
			})
		}()
		<-done
		nearest()
		if get() != 0 {
			t.Error("the rounding mode stays")
		}
	})
}

// TestControlWordInCallback changes the rounding mode before a callback of the same call.
func TestControlWordInCallback(t *testing.T) {
	get, back := c[func() int32](t, "get_round"), c[func(uintptr, int64) int64](t, "call_back_upward")
	const upward = 0x800
	x, y := 1.0, 3.0
	want := x / y
	locked(t, func() {
		r := back(callback(t, func(n int64) int64 { return n + int64(get()) }), 1)
		if r != 1+2*upward {
			t.Errorf("%#x: C code called by the callback or after it has another mode", r)
		}
		if x/y != want {
			t.Error("Go rounds upwards after the call")
		}
		func() {
			defer func() { recover() }()
			back(callback(t, func(int64) int64 { panic("given up") }), 1)
		}()
		if x/y != want {
			t.Error("Go rounds upwards after a panic in a callback")
		}
	})
}

func TestSignatures(t *testing.T) {
	a := symbol(t, "nothing")
	var se *abi.SignatureError
	for _, f := range []func() error{
		func() error { _, err := NewFunc(a, nil, false); return err },
		func() error { _, err := NewCallback(3); return err },
		func() error { _, err := NewCallback(nil); return err },
		func() error { _, err := NewCallback((func())(nil)); return err },
		func() error { _, err := NewCallback(func([]int) {}); return err },
	} {
		if err := f(); !errors.As(err, &se) {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestAllocHostile(t *testing.T) {
	var me *MapError
	for _, n := range []uintptr{1 << 47, 1 << 63, ^uintptr(0), ^uintptr(0) - 4094} {
		if _, err := nativeHeap.Alloc(n); !errors.As(err, &me) {
			t.Errorf("%#x bytes: %v", n, err)
		}
	}
	for _, size := range []uintptr{^uintptr(0), ^uintptr(0) - 16, 1 << 62} {
		id := AddTLSModule(nil, size, 1, 0)
		if _, err := ThreadVariable(id, 0); err == nil {
			t.Errorf("a thread has %#x bytes of thread-local storage", size)
		}
		RemoveTLSModule(id)
	}
	if _, err := AllocStaticTLS(nil, ^uintptr(0), 8, 0); !errors.Is(err, ErrNoStaticTLS) {
		t.Error(err)
	}
	if _, err := AllocStaticTLS(nil, 8, ^uintptr(0), 0); !errors.Is(err, ErrNoStaticTLS) {
		t.Error(err)
	}
}

func ExampleString() {
	b := []byte("native\x00text")
	fmt.Println(String(uintptr(unsafe.Pointer(&b[0]))))
	// Output: native
}
