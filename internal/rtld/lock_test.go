package rtld

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestReentrantLock(t *testing.T) {
	var r reentrant
	var inside atomic.Int32
	n := 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				r.Lock()
				r.Lock()
				if inside.Add(1) != 1 {
					t.Error("two goroutines hold it")
				}
				n++
				inside.Add(-1)
				if i%10 == 0 {
					depth := r.release()
					runtime.Gosched()
					r.reacquire(depth)
				}
				r.Unlock()
				n++
				r.Unlock()
			}
		})
	}
	wg.Wait()
	if n != 8*200*2 || r.depth != 0 || r.owner.Load() != 0 {
		t.Errorf("count %d, depth %d, owner %#x", n, r.depth, r.owner.Load())
	}
}

func TestReentrantWait(t *testing.T) {
	var r reentrant
	c := sync.Cond{L: &r}
	ready := false
	r.Lock()
	r.Lock()
	go func() {
		r.Lock() // only when the other one waits
		defer r.Unlock()
		ready = true
		c.Broadcast()
	}()
	for !ready {
		r.wait(&c)
	}
	if r.depth != 1 {
		t.Errorf("depth %d after waiting, want 1", r.depth)
	}
	r.Unlock()
	r.Unlock()
}

// Goroutines wait for each other's initialisers only as long as that is no circle.
func TestWaitsFor(t *testing.T) {
	x, y := &Object{init: initRunning, initBy: 1}, &Object{init: initRunning, initBy: 2}
	linker.mu.Lock()
	defer linker.mu.Unlock()
	linker.waits[1] = y // 1 initialises x and waits for 2
	defer delete(linker.waits, 1)
	if !waitsFor(x.initBy, 2) {
		t.Error("2 would wait for 1, which waits for 2")
	}
	if waitsFor(x.initBy, 3) || !waitsFor(3, 3) {
		t.Error("3 has no part in it")
	}
	y.init = initDone
	if waitsFor(x.initBy, 2) {
		t.Error("2 is done")
	}
}

// within fails the test if f has not returned in time.
func within(t *testing.T, d time.Duration, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(d):
		buf := make([]byte, 1<<20)
		t.Fatalf("it hangs\n%s", buf[:runtime.Stack(buf, true)])
	}
}
