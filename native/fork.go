package native

import "sync"

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

// forkPrepare takes every lock that the other two give back. On the first thread the goroutine keeps its P, and is not
// preempted, until it is back in the parent, and for ever in the child: so the child's only kernel thread has what Go
// code takes, and asks nothing of a scheduler whose other threads are not there. No handler runs until then, which might
// want what is taken. The child of another thread has no Go: nothing is taken for it, and the dispatcher could not answer
// without.
func (p *Program) forkPrepare(u Upcall) {
	if u.ThreadPointer() != p.main.fs {
		return
	}
	if onFork.prepare != nil {
		onFork.prepare()
	}
	threads.Lock()
	handlers.mu.Lock()
	reserve.mu.Lock()
	modules.mu.Lock()
	tcbs.mu.Lock()
	nativeHeap.mu.Lock()
	p.main.keep = 1
	p.forkMask, p.main.mask = p.main.mask, ^uint64(0)
	procPin()
}

func (p *Program) forked() {
	nativeHeap.mu.Unlock()
	tcbs.mu.Unlock()
	modules.mu.Unlock()
	reserve.mu.Unlock()
	handlers.mu.Unlock()
	threads.Unlock()
}

// renewed is forked for the child: who waited for the locks is not there, and must not be handed one.
func (p *Program) renewed() {
	nativeHeap.mu = sync.Mutex{}
	tcbs.mu = sync.Mutex{}
	modules.mu = sync.Mutex{}
	reserve.mu = sync.Mutex{}
	handlers.mu = sync.Mutex{}
	threads.Mutex = sync.Mutex{}
}

func (p *Program) forkParent(u Upcall) {
	if u.ThreadPointer() != p.main.fs {
		return
	}
	p.main.keep, p.main.mask = 0, p.forkMask
	procUnpin()
	p.forked()
	if onFork.parent != nil {
		onFork.parent()
	}
}

func (p *Program) forkChild(u Upcall) {
	if u.ThreadPointer() != p.main.fs {
		return
	}
	p.main.mask = p.forkMask
	p.renewed()
	if onFork.child != nil {
		onFork.child()
	}
}
