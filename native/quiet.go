package native

import (
	"slices"
	"sync/atomic"
)

// Calls are calls of native code that were in progress at some moment: for those who want to know when nobody is any more
// in code that nobody can reach any more.
type Calls struct {
	busy []*thread
}

// CallsNow returns those of this moment.
func CallsNow() *Calls {
	c := &Calls{}
	threads.Lock()
	defer threads.Unlock()
	for _, t := range threads.all {
		if t.inNative() {
			c.busy = append(c.busy, t)
		}
	}
	return c
}

// inNative reports whether there is native code on the thread's stack: it runs, or a call holds the thread, as while Go
// answers a callback.
func (t *thread) inNative() bool {
	return atomic.LoadUintptr(&t.goSP) != 0 || atomic.LoadUintptr(&t.nest) != 0
}

// Over reports whether each of the threads has been seen outside of native code since, by one of the calls of Over. While
// there are threads that native code has made by itself it is false, as it is in a process that has a C library of its own,
// whose threads nobody counts.
func (c *Calls) Over() bool {
	if hostTCB || program != nil || foreignThreads() {
		return false
	}
	threads.Lock()
	defer threads.Unlock()
	c.busy = slices.DeleteFunc(c.busy, func(t *thread) bool { return !slices.Contains(threads.all, t) || !t.inNative() })
	return len(c.busy) == 0
}

// foreignThreads reports whether native code has made threads that run.
func foreignThreads() (some bool) {
	tcbs.each(func(fs uintptr) { some = some || *weldWord(fs, foreignSlot) == foreignRuns })
	return some
}
