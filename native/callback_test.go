package native

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// locked runs f on a goroutine of its own that is locked to its kernel thread and ends it.
func locked(t testing.TB, f func()) {
	t.Helper()
	done := make(chan bool)
	go func() {
		defer close(done)
		runtime.LockOSThread()
		f()
	}()
	<-done
}

func TestCallbackTypes(t *testing.T) {
	bothWays(t, "call_mixed", func(t *testing.T, f func(uintptr) float64) {
		r := f(callback(t, func(a int32, b float64, c float32, d int8, s string, e, g, h, i int64, j uint16,
			k, l, m, n, o, p, q float64, r bool) float64 {
			got := fmt.Sprintln(a, b, c, d, s, e, g, h, i, j, k, l, m, n, o, p, q, r)
			if want := "-1 2.5 3.5 -4 five 6 7 8 9 65535 10 11 12 13 14 15 16.5 true\n"; got != want {
				t.Errorf("the callback got %s, not %s", got, want)
			}
			return 0.25
		}))
		if r != 0.25 {
			t.Error(r)
		}
	})
	bothWays(t, "call_big", func(t *testing.T, f func(uintptr) float64) {
		r := f(callback(t, func(b big, s small, n int32) big {
			if b != (big{[5]int64{1, 2, 3, 4, 5}, 6}) || s != (small{7, 8, 9}) || n != 10 {
				t.Error(b, s, n)
			}
			grow(100) // the result lies on a stack that has moved
			return big{[5]int64{10, 0, 0, 0, 20}, 30}
		}))
		if r != 60 {
			t.Error(r)
		}
	})
	bothWays(t, "call_huge", func(t *testing.T, f func(uintptr) int64) {
		if r := f(callback(t, func(h struct{ V [250]int64 }) struct{ V [250]int64 } {
			for i := range h.V {
				if h.V[i] != int64(i) {
					t.Fatalf("word %d is %d", i, h.V[i])
				}
				h.V[i] *= 2
			}
			return h
		})); r != 250*249 {
			t.Error(r)
		}
	})
	bothWays(t, "call_float", func(t *testing.T, f func(uintptr, float32) float32) {
		if r := f(callback(t, func(x float32) float32 { return x + 1 }), 2.5); r != 7 {
			t.Error(r)
		}
	})
	bothWays(t, "keeps", func(t *testing.T, f func(uintptr) int64) {
		want := f(callback(t, func(n int64) int64 { return n }))
		if r := f(callback(t, func(n int64) int64 { runtime.Gosched(); grow(10); return n })); r != want || r == -1 {
			t.Errorf("%d, not %d", r, want)
		}
	})
}

//go:noinline
func grow(kb int) int {
	var b [1024]byte
	for i := range b {
		b[i] = byte(kb)
	}
	if kb == 0 {
		return int(b[7])
	}
	return grow(kb-1) + int(b[kb%1024])
}

// depth returns a callback that calls call_back again until n levels are reached, and then f.
func depth(t testing.TB, n int64, f func()) int64 {
	back := c[func(uintptr, int64) int64](t, "call_back")
	var cb uintptr
	cb = callback(t, func(x int64) int64 {
		if x == 0 {
			f()
			return 0
		}
		return back(cb, x-1)
	})
	return back(cb, n)
}

func TestNested(t *testing.T) {
	if r := depth(t, 20, func() { runtime.GC() }); r != 21 {
		t.Error(r)
	}
	if r := depth(t, 20, func() { grow(4 << 10); runtime.GC() }); r != 21 {
		t.Error(r)
	}
	if r := depth(t, 5, func() { time.Sleep(10 * time.Millisecond) }); r != 6 {
		t.Error(r)
	}
	idle(t)
}

// idle checks that no call is left half done.
func idle(t testing.TB) {
	t.Helper()
	bias := uint32(0)
	if hostTCB {
		bias = 1
	}
	if n := atomic.LoadUint32(&nested); n != bias {
		t.Errorf("nested is %d", n)
	}
	threads.Lock()
	defer threads.Unlock()
	for _, th := range threads.all {
		if th.nest != 0 || th.goSP != 0 || th.enters != 0 {
			t.Errorf("thread %#x: nest %d, goSP %#x, enters %d", th.fs, th.nest, th.goSP, th.enters)
		}
	}
}

func TestCallbackGrowsStack(t *testing.T) {
	defer debug.SetMaxStack(debug.SetMaxStack(1 << 30))
	back := c[func(uintptr, int64) int64](t, "call_back")
	repeat := c[func(int32, uintptr) int64](t, "repeat")
	done := make(chan bool)
	go func() {
		defer close(done)
		if r := back(callback(t, func(n int64) int64 { grow(100 << 10); return n }), 5); r != 6 {
			t.Error(r)
		}
		// Several upcalls of one call, each on a stack that is somewhere else.
		kb := 1
		cb := callback(t, func(n int32) int32 { kb *= 2; grow(kb); runtime.GC(); return n })
		if r := repeat(10, cb); r != 45 {
			t.Error(r)
		}
	}()
	<-done
}

func TestCallbackBlocks(t *testing.T) {
	back := c[func(uintptr, int64) int64](t, "call_back")
	same := c[func(uintptr) bool](t, "same_thread")
	count := c[func() int64](t, "count")
	in, out := make(chan int64), make(chan int64)
	go func() {
		for n := range in {
			out <- n * 2
		}
	}()
	defer close(in)
	cb := callback(t, func(n int64) int64 { in <- n; return <-out })
	moves := callback(t, func(n int64) int64 {
		for range 20 {
			runtime.Gosched()
			time.Sleep(time.Microsecond)
		}
		return count()
	})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for i := range int64(50) {
				if r := back(cb, i); r != 2*i+1 {
					t.Errorf("%d for %d", r, i)
				}
				if !same(moves) {
					t.Error("a callback or a call nested in it was on another thread")
				}
			}
		})
	}
	wg.Wait()
	idle(t)
}

func TestCallbackPanics(t *testing.T) {
	bothWays(t, "call_back", func(t *testing.T, back func(uintptr, int64) int64) {
		var cb uintptr
		cb = callback(t, func(n int64) int64 {
			if n == 0 {
				panic("out of two native levels")
			}
			return back(cb, n-1)
		})
		inner := callback(t, func(n int64) (r int64) {
			defer func() {
				if recover() != "out of two native levels" {
					t.Error("no panic")
				}
				r = 100
			}()
			return back(cb, n)
		})
		for range 1000 {
			func() {
				defer func() {
					if r := recover(); r != "out of two native levels" {
						t.Errorf("recovered %v", r)
					}
				}()
				back(cb, 1)
			}()
			if r := back(inner, 2); r != 101 {
				t.Fatalf("after a panic that a callback recovered: %d", r)
			}
		}
		idle(t)
	})
}

func TestCallbackGoexit(t *testing.T) {
	back := c[func(uintptr, int64) int64](t, "call_back")
	before := Threads()
	cb := callback(t, func(int64) int64 { runtime.Goexit(); return 0 })
	for i := range 200 {
		done := make(chan bool)
		go func() {
			defer close(done)
			if i%2 == 0 {
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
			}
			back(cb, 1)
			t.Error("a call came back after runtime.Goexit")
		}()
		<-done
	}
	idle(t)
	if n := Threads(); n > before+20 {
		t.Errorf("%d native threads, %d before", n, before)
	}
}

func TestCallbackClosed(t *testing.T) {
	back := c[func(uintptr, int64) int64](t, "call_back")
	cb, err := NewCallback(func(n int64) int64 { return n })
	if err != nil {
		t.Fatal(err)
	}
	if r := back(cb.Addr(), 1); r != 2 {
		t.Error(r)
	}
	if err := cb.Close(); err != nil {
		t.Error(err)
	}
	if cb.Close() == nil {
		t.Error("closed twice")
	}
	defer func() {
		if e, ok := recover().(*CallbackError); !ok {
			t.Errorf("%v", e)
		}
		idle(t)
	}()
	back(cb.Addr(), 1)
}

func TestManyCallbacks(t *testing.T) {
	n := 1_000_000
	if testing.Short() || raceEnabled {
		n = 100_000
	}
	back := c[func(uintptr, int64) int64](t, "call_back")
	list := make([]*Thunk, n)
	for i := range list {
		cb, err := NewCallback(func(x int64) int64 { return x + int64(i) })
		if err != nil {
			t.Fatal(err)
		}
		list[i] = cb
	}
	for i := 0; i < n; i += n / 1000 {
		if r := back(list[i].Addr(), 1); r != int64(i)+2 {
			t.Fatalf("callback %d returned %d", i, r)
		}
	}
	for _, cb := range list {
		cb.Close()
	}
	blocks := len(handlers.blocks)
	for range n {
		cb, err := NewCallback(func() {})
		if err != nil {
			t.Fatal(err)
		}
		cb.Close()
	}
	if len(handlers.blocks) != blocks {
		t.Errorf("%d blocks of thunks, %d before they were freed", len(handlers.blocks), blocks)
	}
}

func TestCallbackErrno(t *testing.T) {
	call := c[func(uintptr, int32) int32](t, "call_errno")
	if r := call(callback(t, func(x int32) (int32, syscall.Errno) { return x + 1, 17 }), 4); r != 5017 {
		t.Error(r)
	}
}
