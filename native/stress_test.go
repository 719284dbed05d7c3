package native

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"weld/internal/testenv"
)

func duration() time.Duration {
	switch {
	case testenv.Soak():
		return 30 * time.Second
	case testing.Short():
		return 300 * time.Millisecond
	}
	return 2 * time.Second
}

// mix calls everything from many goroutines until the time is over.
func mix(t *testing.T, length time.Duration) {
	t.Helper()
	add := c[func(int32, int32) int32](t, "add32")
	leaf := fn[func(int32, int32) int32](t, symbol(t, "add32"), true)
	fail := c[func(int32) (int32, syscall.Errno)](t, "fail_with")
	str := c[func(string) uintptr](t, "length")
	six := c[func(a, b, c, d, e, f *int64) int64](t, "six_pointers")
	repeat := c[func(int32, uintptr) int64](t, "repeat")
	back := c[func(uintptr, int64) int64](t, "call_back")
	same := c[func(uintptr) bool](t, "same_thread")
	count := c[func() int64](t, "count")
	bigf := c[func(uintptr) float64](t, "call_big")
	moves := callback(t, func(int64) int64 { runtime.Gosched(); return count() })
	quick := callback(t, func(n int32) int32 { return n })
	bigCB := callback(t, func(b big, s small, n int32) big { grow(8); runtime.Gosched(); return b })
	var inner uintptr
	inner = callback(t, func(n int64) int64 {
		if n%3 == 0 {
			runtime.Gosched()
		}
		if n > 0 {
			return back(inner, n-1) + int64(add(1, -1))
		}
		return 0
	})
	var wg sync.WaitGroup
	deadline := time.Now().Add(length)
	for g := range 64 {
		wg.Go(func() {
			if g%16 == 0 {
				runtime.LockOSThread()
			}
			for i := int32(0); time.Now().Before(deadline) && !t.Failed(); i++ {
				if add(i, 1) != i+1 || leaf(i, 2) != i+2 {
					t.Error("add32")
				}
				e := syscall.Errno(g*100) + syscall.Errno(i%100) + 1
				if r, got := fail(int32(e)); r != -1 || got != e {
					t.Errorf("errno is %d, not %d", got, e)
				}
				if str("a string of some length") != 23 {
					t.Error("length")
				}
				v := []*int64{new(int64), new(int64), new(int64), new(int64), new(int64), new(int64)}
				for k := range v {
					*v[k] = int64(k)
				}
				if six(v[0], v[1], v[2], v[3], v[4], v[5]) != 15 {
					t.Error("six_pointers")
				}
				if repeat(10, quick) != 45 {
					t.Error("repeat")
				}
				if back(inner, 7) != 8 {
					t.Error("nested callbacks")
				}
				if !same(moves) {
					t.Error("another thread in a callback")
				}
				if bigf(bigCB) != 12 {
					t.Error("call_big")
				}
			}
		})
	}
	wg.Wait()
}

func TestSoakStress(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for n := 1; n <= 8; n *= 2 {
		runtime.GOMAXPROCS(n)
		mix(t, duration()/4)
		idle(t)
	}
}

// TestSoakSignals sends the signals of the profiler and of preemption all the time, in native code and in callbacks.
func TestSoakSignals(t *testing.T) {
	runtime.SetCPUProfileRate(10_000) // StartCPUProfile keeps to it and says so on standard error
	if err := pprof.StartCPUProfile(discard{}); err != nil {
		t.Fatal(err)
	}
	defer pprof.StopCPUProfile()
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGURG)
	defer signal.Stop(ch)
	var done atomic.Bool
	var wg sync.WaitGroup
	wg.Go(func() {
		pid := syscall.Getpid()
		for !done.Load() {
			tasks, _ := os.ReadDir("/proc/self/task")
			for _, e := range tasks {
				tid := 0
				for _, d := range e.Name() {
					tid = tid*10 + int(d-'0')
				}
				for range 20 {
					syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(pid), uintptr(tid), uintptr(syscall.SIGURG))
				}
			}
		}
	})
	spin := c[func(int32)](t, "spin_us")
	spinLeaf := fn[func(int32)](t, symbol(t, "spin_us"), true)
	for range 4 {
		wg.Go(func() {
			for !done.Load() {
				spin(50)
				spinLeaf(5)
			}
		})
	}
	mix(t, duration())
	done.Store(true)
	wg.Wait()
	idle(t)
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// TestLockedThread: a goroutine that is locked to its kernel thread is one native thread in all calls.
func TestLockedThread(t *testing.T) {
	self := c[func() uintptr](t, "self")
	selfLeaf := fn[func() uintptr](t, symbol(t, "self"), true)
	str := c[func(string) uintptr](t, "length")
	back := c[func(uintptr, int64) int64](t, "call_back")
	sleep := c[func(int32)](t, "sleep_ms")
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				self()
				runtime.Gosched()
			}
		})
	}
	cb := callback(t, func(n int64) int64 { time.Sleep(time.Microsecond); return int64(self()) })
	var lockers sync.WaitGroup
	for range 8 {
		lockers.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			first := self()
			for i := range 100 {
				str("x")
				if i%10 == 0 {
					sleep(1)
				}
				if got := uintptr(back(cb, 0) - 1); got != first {
					t.Errorf("in a callback on thread %#x, not %#x", got, first)
				}
				if a, b := self(), selfLeaf(); a != first || b != first {
					t.Errorf("on threads %#x and %#x, not %#x", a, b, first)
				}
				runtime.Gosched()
			}
		})
	}
	lockers.Wait()
	stop.Store(true)
	wg.Wait()
}

// TestThreadsReused: the native threads of kernel threads that ended, as those of locked goroutines do, are used again.
func TestThreadsReused(t *testing.T) {
	count := c[func() int64](t, "count")
	before := Threads()
	for range 300 {
		tid := 0
		locked(t, func() { count(); tid = syscall.Gettid() })
		// For the kernel thread to end, which the first one does not.
		for end := time.Now().Add(testenv.Patience); tid != syscall.Getpid() && time.Now().Before(end); {
			if syscall.Access(fmt.Sprintf("/proc/self/task/%d", tid), 0) != nil {
				break
			}
			time.Sleep(100 * time.Microsecond)
		}
	}
	if n := Threads(); n > before+50 {
		t.Errorf("%d native threads, %d before", n, before)
	}
	idle(t)
}

// TestKeepsAlive: what only an argument refers to is alive during the call, in every kind of entry.
func TestKeepsAlive(t *testing.T) {
	check := func(name string, call func(p *[4]int64) int64) {
		t.Helper()
		for range 20 {
			var freed atomic.Bool
			func() {
				p := &[4]int64{41}
				runtime.AddCleanup(p, func(*int) { freed.Store(true) }, nil)
				if r := call(p); r != 42 {
					t.Errorf("%s: what the argument points to is %d after a collection", name, r)
				}
				if freed.Load() {
					t.Errorf("%s: the argument was collected during the call", name)
				}
			}()
		}
	}
	collect := func() {
		for range 3 {
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
	}
	cb := callback(t, func(p *int64) int64 { collect(); return *p })
	// call_back(f, x) hands x on.
	for _, leaf := range []bool{false, true} {
		direct := fn[func(uintptr, unsafe.Pointer) int64](t, symbol(t, "call_back"), leaf)
		check("direct", func(p *[4]int64) int64 { return direct(cb, unsafe.Pointer(p)) })
		errno := fn[func(uintptr, *[4]int64) (int64, syscall.Errno)](t, symbol(t, "call_back"), leaf)
		check("errno", func(p *[4]int64) int64 { r, _ := errno(cb, p); return r })
		general := fn[func(uintptr, []int64, string) int64](t, symbol(t, "call_back"), leaf)
		check("general", func(p *[4]int64) int64 { return general(cb, p[:], "text") })
		onStack := fn[func(f uintptr, p *[4]int64, a, b, c, d, e, g, h, i, j, k int64, q *[4]int64) int64](t, symbol(t, "call_back"), leaf)
		check("general, on the stack", func(p *[4]int64) int64 { return onStack(cb, p, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, p) })
		float := fn[func(uintptr, *[4]int64, float64) int64](t, symbol(t, "call_back"), leaf)
		check("float", func(p *[4]int64) int64 { return float(cb, p, 1) })
	}
	// In another goroutine the collector runs while the scheduled call is in native code.
	sum := c[func(*int32, uintptr, int64, int64) int64](t, "sum")
	sleep := c[func(int32, *[4]int64)](t, "sleep_ms")
	var freed atomic.Bool
	done := make(chan bool)
	go func() {
		defer close(done)
		p := new([4]int64)
		runtime.AddCleanup(p, func(*int) { freed.Store(true) }, nil)
		sleep(100, p)
		if freed.Load() {
			t.Error("the argument of a call under way was collected")
		}
	}()
	for range 5 {
		collect()
	}
	<-done
	if sum(new(int32), 1, 0, 0) != 0 {
		t.Error("sum")
	}
}

// TestStackResults: results that Go has on its stack are put where the stack is after a callback has moved it.
func TestStackResults(t *testing.T) {
	type wide struct {
		V [5]int64
		W float64
	}
	f := c[func(wide, int64) wide](t, "big_in_out")
	done := make(chan bool)
	go func() {
		defer close(done)
		for i := range int64(200) {
			if r := f(wide{[5]int64{i, 1, 2, 3, 4}, 5}, 2); r != (wide{[5]int64{2 * i, 2, 4, 6, 8}, 10}) {
				t.Errorf("%v", r)
			}
		}
	}()
	<-done
	through := c[func(uintptr, int64, wide) wide](t, "big_through")
	cb := callback(t, func(n int64) int64 { grow(int(n)); runtime.GC(); return n })
	for kb := int64(1); kb < 1<<14; kb *= 4 {
		done := make(chan bool)
		go func() {
			defer close(done)
			if r := through(cb, kb, wide{[5]int64{1, 2, 3, 4, 5}, 6}); r != (wide{[5]int64{1, 2, 3, 4, 5 + kb}, 6}) {
				t.Errorf("after %d KB of stack: %v", kb, r)
			}
		}()
		<-done
	}
}
