package native

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"weak"
)

// TestForkOthers: a fork need not stop a world in which nobody runs, and has to where somebody may begin to.
func TestForkOthers(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var block [64]byte
	p := &Program{uncollected: weak.Make(&block)}
	tcbs.mu.Lock()
	known, replied := tcbs.m, answered.Load()
	tcbs.m = map[uintptr]struct{}{1: {}}
	defer func() {
		tcbs.m = known
		tcbs.mu.Unlock()
		answered.Store(replied)
	}()
	answered.Store(atomic.LoadUint32(&foreignSeq))
	settle := func(when string) {
		t.Helper()
		for i := range 10 {
			if !p.others() {
				if i == 0 {
					t.Errorf("%s: nobody runs at once", when)
				}
				return
			}
		}
		t.Errorf("%s: somebody runs for ever", when)
	}
	settle("at first")
	if p.others() {
		t.Error("somebody runs again")
	}
	tcbs.m[2] = struct{}{} // a thread that has made no upcall
	for range 10 {
		if !p.others() {
			t.Fatal("nobody runs while there is a thread")
		}
	}
	delete(tcbs.m, 2)
	settle("after a thread")
	done := make(chan bool)
	Helper(func() { close(done) })
	<-done
	settle("after a helper")
	runtime.KeepAlive(&block)
}
