package live_test

import (
	"testing"
	"time"

	"weld"
	"weld/live"
	"weld/native"
)

// The space of freed code is used again when the calls that were in progress have ended, and not before.
func TestGrace(t *testing.T) {
	o := newObject(t, nil, live.Options{})
	b := emit(t, o, "apply", apply)
	emit(t, o, "other", returns(1))
	check(t, o.Commit())
	run := function[func(*weld.Callback, int64) int64](t, o.Library(), "apply")
	entered, leave := make(chan bool), make(chan bool)
	cb, err := weld.NewCallback(func(n int64) int64 {
		entered <- true
		<-leave
		return n
	})
	check(t, err)
	defer cb.Close()
	result := make(chan int64)
	go func() { result <- run(cb, 42) }()
	<-entered
	check(t, b.Free())
	check(t, o.Commit())
	waits := func(wanted bool, patience time.Duration) {
		t.Helper()
		for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			check(t, o.Commit())
			waiting := o.Usage().Waiting > 0
			if wanted && !waiting {
				t.Fatal("code that runs is used again")
			}
			if !wanted && !waiting {
				return
			}
			if time.Now().After(end) {
				if !wanted {
					t.Fatal("it is never used again")
				}
				return
			}
		}
	}
	waits(true, 600*time.Millisecond)
	leave <- true
	same(t, "the call", <-result, 42)
	if native.OwnExecutable() {
		waits(false, 10*time.Second)
		return
	}
	waits(true, 400*time.Millisecond) // whose threads are there is not known
	check(t, o.Quiesce())
	waits(false, 0)
}
