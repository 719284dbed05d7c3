package native

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// What becomes of memory in a child of fork that would change there because it is a file's: the child gets a copy.

// ForkCopy is such a range of addresses, and how it is protected (PROT_READ and its kin).
type ForkCopy struct {
	Addr, Size uintptr
	Prot       int
}

// ForkWatcher is told of forks by the C library's fork, which is what has handlers: not vfork, posix_spawn, _Fork and clone.
type ForkWatcher struct {
	// Before returns what the child is to have copies of. What it locks is locked until After or Child; it is not called again
	// before that.
	Before func() []ForkCopy
	// After is called in the parent when the child has its copies.
	After func()
	// Child is called in the child, if that has Go: see Program.
	Child func()
}

var forks struct {
	mu      sync.Mutex
	watch   atomic.Pointer[ForkWatcher]
	wanted  bool           // HandleForks was called; mu guards it
	handled bool           // fork calls the handlers; mu guards it
	by      atomic.Uintptr // thread pointer of who has called Before, and is to call After
}

// forkTable is what the child reads, nil if there is nothing. Assembly knows its layout.
type forkTable struct {
	reader, writer int64
	n              uintptr
	list           [1]ForkCopy
}

var forkTableAt uintptr // *forkTable

// WatchForks has w told of forks: those of a Program from then on, others from HandleForks on. There is one watcher, to be
// given by an init function: what it locks may be taken before a fork that it is not told of, and stay locked in the child.
func WatchForks(w *ForkWatcher) { forks.watch.Store(w) }

// HandleForks registers the handlers once there is something to tell of. A Program has them from the beginning.
func HandleForks() {
	if program != nil {
		return
	}
	forks.mu.Lock()
	defer forks.mu.Unlock()
	forks.wanted = true
	if libc.up.Load() {
		handleForks()
	}
}

// handleForks is HandleForks where there is a C library; forks.mu is held.
func handleForks() {
	if forks.handled || !forks.wanted {
		return
	}
	forks.handled = true
	before, err := NewThunk(beforeFork)
	if err != nil {
		return
	}
	after, err := NewThunk(afterFork)
	if err != nil {
		return
	}
	libc.atFork(before.Addr(), after.Addr(), forkEntry.child)
}

// atFork calls pthread_atfork.
func (l *clib) atFork(prepare, parent, child uintptr) {
	if f := SystemFunction("__register_atfork"); f != 0 {
		l.onSpawner(f, prepare, parent, child, 0)
	} else if f := SystemFunction("pthread_atfork"); f != 0 {
		l.onSpawner(f, prepare, parent, child)
	}
}

// beforeFork makes the table.
func beforeFork(u Upcall) {
	w := forks.watch.Load()
	if w == nil {
		return
	}
	list := w.Before()
	forks.by.Store(u.ThreadPointer())
	if len(list) == 0 {
		return
	}
	size := unsafe.Sizeof(forkTable{}) + uintptr(len(list))*unsafe.Sizeof(ForkCopy{})
	p, err := nativeHeap.Alloc(size)
	if err != nil {
		return
	}
	t := (*forkTable)(Pointer(p))
	t.reader, t.writer = -1, -1
	var fds [2]int
	if syscall.Pipe2(fds[:], syscall.O_CLOEXEC) == nil {
		t.reader, t.writer = int64(fds[0]), int64(fds[1])
	}
	t.n = uintptr(len(list))
	copy(unsafe.Slice(&t.list[0], len(list)), list)
	forkTableAt = p
}

// afterFork waits until the child has read what is copied. One that has died, or was not made, has closed the pipe. There is
// nothing to do for a fork that had begun when there was nobody to be told, though there is now.
func afterFork(u Upcall) {
	if forks.by.Load() != u.ThreadPointer() {
		return
	}
	forks.by.Store(0)
	if p := forkTableAt; p != 0 {
		t := (*forkTable)(Pointer(p))
		forkTableAt = 0
		if t.writer >= 0 {
			syscall.Close(int(t.writer))
			awaitByte(int(t.reader))
			syscall.Close(int(t.reader))
		}
		nativeHeap.Free(p, unsafe.Sizeof(forkTable{})+t.n*unsafe.Sizeof(ForkCopy{}))
	}
	forks.watch.Load().After()
}

// awaitByte reads a byte, but not for longer than a child takes that nobody has stopped.
func awaitByte(fd int) {
	const patience = 10 * time.Second
	const pollIn = 1
	type pollFD struct {
		fd              int32
		events, revents int16
	}
	for end := time.Now().Add(patience); ; {
		p := pollFD{fd: int32(fd), events: pollIn}
		left := time.Until(end).Milliseconds()
		_, _, e := syscall.Syscall(syscall.SYS_POLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(max(left, 0)))
		if e != syscall.EINTR || left <= 0 {
			return
		}
	}
}

// inForkedChild is called in a child that has Go, after forkedChild.
func inForkedChild() {
	forks.mu = sync.Mutex{}
	forks.by.Store(0)
	if w := forks.watch.Load(); w != nil {
		w.Child()
	}
}

func forkEntries(p *[2]uintptr)

// forkEntry has the addresses of assembly.
var forkEntry = func() (e struct{ fail, child uintptr }) {
	var a [2]uintptr
	forkEntries(&a)
	e.fail, e.child = a[0], a[1]
	return e
}()

// OrphanFail is for Thunk.OnOrphan: a function that returns -1.
func OrphanFail() uintptr { return forkEntry.fail }
