package native

import (
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// Calls are what may be in some code at a moment: for those who want to know when nobody is any more in code that nobody can
// reach any more. They are the calls of native code that are in progress, and the threads that native code has made, with the
// first one of a Program. A thread is waited for until it has been seen outside: without a call, at its end, or at an upcall
// with no address of the code on its stack or in a register that a callee saves.
type Calls struct {
	in     func(addr uintptr) bool
	busy   []*thread
	others map[uintptr]bool // by thread pointer
	unseen bool             // there may be threads that nobody knows
}

// waited are the Calls that are not over. Upcalls look whether there are any.
var waited struct {
	sync.Mutex
	n    atomic.Int32
	list []*Calls
}

// CallsNow returns those of this moment. in tells which addresses are of the code, and where a call at its end returns to;
// it is called by several goroutines. known says that no others enter the code: else the Calls of a process that has a C
// library of its own, whose threads nobody counts, are never over. What is not wanted until it is over is to be dropped.
func CallsNow(in func(addr uintptr) bool, known bool) *Calls {
	c := &Calls{in: in, others: map[uintptr]bool{}, unseen: hostTCB && !known}
	waited.Lock()
	defer waited.Unlock()
	threads.Lock()
	for _, t := range threads.all {
		if t.kind != mainThread && t.inNative() || t.kind == mainThread && program == nil && t.inNative() {
			c.busy = append(c.busy, t)
		}
	}
	threads.Unlock()
	for fs := range foreignThreads() {
		c.others[fs] = true
	}
	if program != nil {
		c.others[program.main.fs] = true
	}
	if !c.unseen {
		waited.list = append(waited.list, c)
		waited.n.Add(1)
	}
	return c
}

// inNative reports whether there is native code on the thread's stack, or a call is about to read where it goes: native
// code runs, or a call holds the thread, as while Go answers a callback. Calls that do not hold it set enters, and clear it
// when goSP is set. Their first upcall sets it again before goSP is cleared, as it may have to wait for the scheduler before
// it holds the thread, and clears it then. So enters is looked at before goSP and behind it, and nest last.
func (t *thread) inNative() bool {
	return atomic.LoadUint32(&t.enters) != 0 || atomic.LoadUintptr(&t.goSP) != 0 ||
		atomic.LoadUint32(&t.enters) != 0 || atomic.LoadUintptr(&t.nest) != 0
}

// Over reports whether all have been seen outside since.
func (c *Calls) Over() bool {
	calls, threads, unseen := c.Left()
	return calls == 0 && threads == 0 && !unseen
}

// Left returns what is waited for: how many calls, how many threads of native code's own, and whether there may be
// threads that nobody knows.
func (c *Calls) Left() (calls, others int, unseen bool) {
	waited.Lock()
	defer waited.Unlock()
	threads.Lock()
	c.busy = slices.DeleteFunc(c.busy, func(t *thread) bool { return !slices.Contains(threads.all, t) || !t.inNative() })
	threads.Unlock()
	runs := foreignThreads()
	for fs := range c.others {
		if !runs[fs] && (program == nil || fs != program.main.fs) {
			delete(c.others, fs)
		}
	}
	if len(c.busy)+len(c.others) == 0 {
		c.drop()
	}
	return len(c.busy), len(c.others), c.unseen
}

// Drop ends the wait.
func (c *Calls) Drop() {
	waited.Lock()
	defer waited.Unlock()
	c.drop()
}

func (c *Calls) drop() {
	if i := slices.Index(waited.list, c); i >= 0 {
		waited.list = slices.Delete(waited.list, i, i+1)
		waited.n.Add(-1)
	}
}

// foreignThreads returns the thread pointers of the threads that native code has made and that run. In a child of fork there
// are none of its parent's.
func foreignThreads() map[uintptr]bool {
	m := map[uintptr]bool{}
	if program != nil && program.alone {
		return m
	}
	tcbs.each(func(fs uintptr) {
		if *weldWord(fs, foreignSlot) == foreignRuns {
			m[fs] = true
		}
	})
	return m
}

// passes notes where a thread that makes an upcall is. If somebody else looks, the next one will do: while it forks nobody
// unlocks.
func (u Upcall) passes() {
	if !waited.TryLock() {
		return
	}
	defer waited.Unlock()
	fs := u.ThreadPointer()
	var stack []uintptr
	for _, c := range waited.list {
		i := slices.IndexFunc(c.busy, func(t *thread) bool { return t.fs == fs })
		if i < 0 && !c.others[fs] {
			continue
		}
		if stack == nil {
			if i >= 0 {
				stack = u.stack(c.busy[i].top)
			} else {
				stack = u.stack(foreignTop(fs))
			}
			if stack == nil {
				return
			}
		}
		if slices.ContainsFunc(stack, c.in) {
			continue
		}
		if i >= 0 {
			c.busy = slices.Delete(c.busy, i, i+1)
		}
		delete(c.others, fs)
	}
}

// maxDepth is the size in bytes of a stack that is still looked through.
const maxDepth = 1 << 20

// foreignTop returns an address not far above the stack that a thread of native code's own began with: its TCB, before
// which thread-local storage is, with both glibc and musl.
func foreignTop(fs uintptr) uintptr {
	if program != nil && fs == program.main.fs {
		return program.stack
	}
	return fs
}

// stack returns all words of the caller's stack below end and the registers that it had, nil if that is not to be had: where it is
// not on the stack that ends there.
func (u Upcall) stack(end uintptr) []uintptr {
	from := u.SP()
	if end < from || end-from > maxDepth || from%8 != 0 {
		return nil
	}
	words := make([]uintptr, (end-from)/8)
	if len(words) == 0 {
		return nil
	}
	// What lies between may have holes if it is no such stack: then the kernel reads less.
	const processVMReadv = 310
	local := syscall.Iovec{Base: (*byte)(unsafe.Pointer(&words[0])), Len: uint64(8 * len(words))}
	remote := [2]uintptr{from, uintptr(8 * len(words))}
	n, _, e := syscall.RawSyscall6(processVMReadv, uintptr(syscall.Getpid()), uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&remote)), 1, 0)
	switch {
	case e == syscall.EPERM || e == syscall.ENOSYS: // seccomp(2): each page is looked at instead
		for at := from; at < end; at = at&^(PageSize-1) + PageSize {
			if _, ok := readWord(uint64(at)); !ok {
				return nil
			}
		}
		copy(words, unsafe.Slice((*uintptr)(Pointer(from)), len(words)))
	case e != 0 || n != uintptr(8*len(words)):
		return nil
	}
	return append(words, u.f.saved[:]...)
}
