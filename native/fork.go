package native

import (
	"runtime"
	"sync"
)

// What becomes of Go when a Program forks.

// onFork is what others do before fork, and after it in either process.
var onFork struct{ prepare, parent, child func() }

// OnFork has prepare called before a program forks, parent and child after it in the one or the other. prepare waits
// until nothing that parent and child rely on is half done.
func OnFork(prepare, parent, child func()) {
	onFork.prepare, onFork.parent, onFork.child = prepare, parent, child
}

// watchFork registers the functions that fork calls (pthread_atfork).
func (p *Program) watchFork() error {
	var addr [3]uintptr
	for i, f := range []func(Upcall){p.forkPrepare, p.forkParent, p.forkChild} {
		t, err := NewThunk(f)
		if err != nil {
			return err
		}
		addr[i] = t.Addr()
	}
	if f := SystemFunction("__register_atfork"); f != 0 {
		libc.onSpawner(f, addr[0], addr[1], addr[2], 0)
	} else if f := SystemFunction("pthread_atfork"); f != 0 {
		libc.onSpawner(f, addr[0], addr[1], addr[2])
	}
	return nil
}

// forkLocks are the locks that fork must find free, in the order in which they are taken.
func forkLocks() []*sync.Mutex {
	return []*sync.Mutex{&threads.Mutex, &handlers.mu, &reserve.mu, &modules.mu, &tcbs.mu, &nests.mu, &nativeHeap.mu}
}

// forkPrepare takes every lock that the other two give back, and then the world: on the first thread the goroutine is
// the only one that runs, until it is back in the parent, and for ever in the child. So the child's only kernel thread
// has what Go code takes, and asks nothing of threads that are not there. No handler runs until then, which might want
// what is taken. The child of another thread has no Go: nothing is taken for it, and the dispatcher could not answer
// without.
//
// The locks are not enough. Another goroutine may be anywhere in Go, answering an upcall or collecting garbage, and so in
// the possession of a lock of the runtime's that has no name here, such as that of its heap. A change of GOMAXPROCS waits
// until no collection is under way and every goroutine is at a safe point, where it holds none, and one P is then left:
// the caller's. It is pinned, so that nobody else gets it; a goroutine that comes out of native code waits for a P, with
// no lock of ours, and one that stays in it for long is not waited for. What kernel threads without a P can still be in
// is the scheduler's lock, while they go to sleep, and those of the monitor. A goroutine that is pinned to the only P
// takes neither, as long as it makes none ready: it must not wait, nor start others.
func (p *Program) forkPrepare(u Upcall) {
	if u.ThreadPointer() != p.main.fs {
		return
	}
	if onFork.prepare != nil {
		onFork.prepare()
	}
	for _, m := range forkLocks() {
		m.Lock()
	}
	p.main.keep = 1
	p.forkMask, p.main.mask = p.main.mask, ^uint64(0)
	p.forkProcs = runtime.GOMAXPROCS(1)
	procPin()
}

func (p *Program) forkParent(u Upcall) {
	if u.ThreadPointer() != p.main.fs {
		return
	}
	p.main.keep, p.main.mask = 0, p.forkMask
	procUnpin()
	runtime.GOMAXPROCS(p.forkProcs)
	for _, m := range forkLocks() {
		m.Unlock()
	}
	if onFork.parent != nil {
		onFork.parent()
	}
}

// forkChild makes the locks anew: who waited for one is not there, and must not be handed it.
func (p *Program) forkChild(u Upcall) {
	if u.ThreadPointer() != p.main.fs {
		return
	}
	p.main.mask = p.forkMask
	for _, m := range forkLocks() {
		*m = sync.Mutex{}
	}
	if onFork.child != nil {
		onFork.child()
	}
}
