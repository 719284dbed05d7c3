package native

import (
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// What becomes of Go when a Program forks.

// onFork is what others do before fork, and after it in either process.
var onFork struct{ prepare, parent, child func() }

// OnFork has prepare called before a program forks, parent and child after it in the one or the other. prepare waits
// until nothing that parent and child rely on is half done.
func OnFork(prepare, parent, child func()) {
	onFork.prepare, onFork.parent, onFork.child = prepare, parent, child
}

// Alone reports whether the calling goroutine is the only one that runs: in a child that a program has forked, and while
// it forks. It must not wait for another one then, nor start one.
func Alone() bool { return program != nil && program.main != nil && program.main.keep != 0 }

// helpers counts the goroutines that Helper has started since the last fork.
var helpers atomic.Uint32

// Helper runs f in a goroutine of its own, which fork takes into account after f has returned too.
func Helper(f func()) {
	helpers.Add(1)
	go f()
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
	libc.atFork(0, 0, forkEntry.child) // before forkChild, which finds the copies made
	libc.atFork(addr[0], addr[1], addr[2])
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
// until no collection is under way and every goroutine is at a safe point, where it holds none, and leaves one P: the
// caller's. It is pinned, so that nobody else gets it. A goroutine that comes out of native code waits for a P, with no
// lock but the scheduler's for a moment; one that stays in it for long is not waited for. The same lock and their own are
// what the monitor (sysmon) and threads on the way to sleep may have. So a goroutine that is pinned does without: it takes
// the scheduler's when it makes another one ready, and no other way. In a child it must not do that, nor wait (Alone).
func (p *Program) forkPrepare(u Upcall) {
	if u.ThreadPointer() != p.main.fs {
		beforeFork(u)
		return
	}
	if onFork.prepare != nil {
		onFork.prepare()
	}
	beforeFork(u)
	for _, m := range forkLocks() {
		m.Lock()
	}
	p.forkMask, p.main.mask = p.main.mask, ^uint64(0)
	if !p.alone {
		p.main.keep = 1
		if p.stopped = p.others(); p.stopped {
			runtime.GOMAXPROCS(1)
		}
		procPin()
	}
}

// others reports whether a goroutine beside the caller's may run. That is so if there is another thread, which may make an
// upcall at any time, if one has made an upcall, and after a collection, which leaves work for later. Else there is none
// but the dispatcher, which sleeps, and a program of one thread, as a shell is, does not have to wait after each fork for a
// kernel thread that looks for work. Whoever was about to end has done so a few forks later. forkLocks are held.
func (p *Program) others() bool {
	const few = 3
	seq := atomic.LoadUint32(&foreignSeq)
	debug.SetGCPercent(-1) // as it is: returns when nobody marks any more (runtime/mgcpacer.go)
	tcbs.drain()
	if len(tcbs.m) > 1 || seq != p.forkSeq || seq != answered.Load() || helpers.Swap(0) > 0 || p.uncollected.Value() == nil {
		p.forkSeq, p.calm = seq, 0
	}
	p.calm = min(p.calm+1, few+1)
	return p.calm <= few
}

func (p *Program) forkParent(u Upcall) {
	if u.ThreadPointer() != p.main.fs {
		afterFork(u)
		return
	}
	p.main.mask = p.forkMask
	if !p.alone {
		p.main.keep = 0
		procUnpin()
		if p.stopped {
			runtime.GOMAXPROCS(p.procs)
		}
	}
	for _, m := range forkLocks() {
		m.Unlock()
	}
	afterFork(u)
	if onFork.parent != nil {
		onFork.parent()
	}
}

// forkChild makes the locks anew: who waited for one is not there, and must not be handed it. The world stays taken, also
// when the child forks.
func (p *Program) forkChild(u Upcall) {
	if u.ThreadPointer() != p.main.fs {
		return
	}
	p.main.mask, p.alone = p.forkMask, true
	for _, m := range forkLocks() {
		*m = sync.Mutex{}
	}
	waited.Mutex, waited.list = sync.Mutex{}, nil
	waited.n.Store(0)
	inForkedChild()
	if onFork.child != nil {
		onFork.child()
	}
}
