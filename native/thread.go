package native

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// thread is a native thread while Go knows it: a stack and a TCB that are lent to one goroutine at a time. It lies in
// native memory; assembly knows its layout (gate_amd64.h).
//
// Setting the thread pointer costs more than the rest of a call. So a kernel thread of Go keeps the TCB it was lent: it
// wears it. Go code does not mind, since all it keeps behind the thread pointer is g, at a fixed distance, and the
// reserve of each TCB has room there. A worn thread belongs to its kernel thread, and calls made there use it without
// any bookkeeping. While native frames stay on its stack and Go runs, as in a callback, the goroutine is locked to the
// kernel thread, as it is with cgo.
type thread struct {
	goSP, goBP uintptr // the Go side, while native code runs; goSP is 0 else
	goFS       uintptr // thread pointer to go back to, 0 if the thread is worn

	fs     uintptr // thread pointer
	sp     uintptr // where the next call begins, a multiple of 16
	era    uintptr // 1 if it is a C library's
	mxcsr  uint32  // its floating-point control word; with the status where guard is set
	status uint32  // the control and status word as native code left it
	gslot  uintptr // where Go's signal handler looks for g under fs
	mFS    uintptr // own thread pointer of the kernel thread that wears it, 0 if none does
	frame  uintptr // *upframe of an upcall
	why    uintptr // why the gate came back
	errno  uintptr // *int32, the C library's errno of this thread; a spare word without a C library
	tid    uintptr // kernel thread that wears it
	fpcw   uint32  // the x87 control word, where mxcsr is not the default
	kind   threadKind
	ret    [2]uintptr
	fret   [2]uint64
	gregs  [25]uint64 // registers, signal and address of a fault
	guard  uint32     // signals are blocked while Go runs, see Program
	keep   uint32     // the scheduler is not told, see forkPrepare
	mask   uint64     // what native code has blocked, while Go runs on a guarded thread
	enters uint32     // a call is about to read where it goes, and go there, or has made an upcall that is not answered yet: see inNative

	unworn  bool    // it is in nests, and stays there until it is released as often as it was acquired
	nest    uintptr // how many calls hold it, see acquire
	next    uintptr // free list
	stack   uintptr // an address below which its stack does not reach, 0 if not known
	top     uintptr // where the first call on it begins
	scratch uint64  // the spare errno
}

type threadKind uint32

const (
	freestanding threadKind = iota // stack and TCB are ours; there is no C library
	lent                           // made by the C library for us
	mainThread                     // the C library's first thread
	foreign                        // made by loaded code; lent while it waits for a callback
	own                            // a kernel thread of Go that is the C library's already (adopt.go)
)

const (
	whyDone = iota
	whyUpcall
	whyFault
)

var (
	// era is 1 once there is a C library: the threads made before are not lent any more.
	era uintptr

	// hostTCB is set in a process whose kernel threads have TCBs of a C library. They never wear a native thread.
	hostTCB bool

	threads struct {
		sync.Mutex
		free *thread
		all  []*thread // freestanding, lent and mainThread
	}
)

//go:noescape
func invoke(t *thread, c *frame, fn, flags, base uintptr)
func resume(t *thread)
func resetControl()
func worn() *thread
func takeOff()
func wear(t *thread)
func getg() uintptr
func tcb() uintptr

func init() {
	if tcb() != 0 {
		hostTCB = true
		nested = 1
	}
	// The first lock of a process starts a thread of the runtime; later ones, see finishCall, may do nothing of the kind.
	runtime.LockOSThread()
	runtime.UnlockOSThread()
}

func (t *thread) addr() uintptr { return uintptr(unsafe.Pointer(t)) }

// acquire returns a native thread that is the calling goroutine's until release, and locks the goroutine to its kernel
// thread until then. It is the thread that the kernel thread wears; calls nested in a callback so run on the thread that
// the callback came from. The exception are threads that no kernel thread of Go wears: nests knows who has them. acquire
// panics with a *ThreadError if no more threads can be made.
func acquire() *thread {
	if atomic.LoadUint32(&nested) != 0 {
		if t := nests.find(getg()); t != nil {
			t.nest++
			return t
		}
	}
	runtime.LockOSThread()
	t := hold()
	t.nest++
	return t
}

// acquireFor is acquire for a direct entry. Where the call goes is read when it can be seen that it is on its way.
//
//lint:ignore U1000 assembly uses it
func acquireFor(d *desc) (t *thread, fn uintptr) {
	t = acquire()
	return t, atomic.LoadUintptr(&d.fn)
}

// hold finds the thread for acquire.
func hold() *thread {
	if program != nil {
		noThread(errNotProgram)
	}
	if hostTCB {
		if joinHost() {
			return ownThread()
		}
		t := freeThread()
		t.unworn = true
		nests.enter(getg(), t)
		return t
	}
	if t := worn(); t != nil {
		if t.nest > 0 || t.era == atomic.LoadUintptr(&era) {
			return t
		}
		takeOff()
		t.retire()
	}
	t := freeThread()
	wear(t)
	return t
}

// release gives back what acquire returned.
func release(t *thread) {
	t.nest--
	if t.unworn {
		if t.nest > 0 {
			return
		}
		t.unworn = false
		nests.leave(getg())
		if t.era == atomic.LoadUintptr(&era) {
			threads.Lock()
			t.next = uintptr(unsafe.Pointer(threads.free))
			threads.free = t
			threads.Unlock()
		} else {
			t.retire()
		}
	}
	runtime.UnlockOSThread()
}

func freeThread() *thread {
	threads.Lock()
	t := threads.free
	if t != nil {
		threads.free = (*thread)(Pointer(t.next))
	} else {
		t = orphan()
	}
	threads.Unlock()
	if t != nil {
		if t.era == atomic.LoadUintptr(&era) {
			return t
		}
		t.retire()
	}
	t, err := newThread()
	if err != nil {
		noThread(err)
	}
	return t
}

// noThread ends an acquire that finds no thread.
func noThread(err error) {
	runtime.UnlockOSThread()
	panic(&ThreadError{err})
}

// orphan returns a native thread whose kernel thread ended with it on, as that of a locked goroutine does.
// threads is locked. The kernel thread that wears a thread may change meanwhile, so what was read is read again.
func orphan() *thread {
	pid := uintptr(syscall.Getpid())
	for _, t := range threads.all {
		mFS := atomic.LoadUintptr(&t.mFS)
		if mFS == 0 || t.kind == own {
			continue
		}
		tid := atomic.LoadUintptr(&t.tid)
		_, _, e := syscall.RawSyscall(syscall.SYS_TGKILL, pid, tid, 0)
		if e == syscall.ESRCH && atomic.LoadUintptr(&t.mFS) == mFS && atomic.LoadUintptr(&t.tid) == tid {
			atomic.StoreUintptr(&t.mFS, 0)
			return t
		}
	}
	return nil
}

// ThreadError is the panic of a call for which no native thread could be made.
type ThreadError struct{ Err error }

func (e *ThreadError) Error() string { return fmt.Sprintf("no native thread for the call: %v", e.Err) }
func (e *ThreadError) Unwrap() error { return e.Err }

// newThread makes a native thread: the C library's when there is one.
func newThread() (*thread, error) {
	if libc.up.Load() {
		return libc.newThread()
	}
	return newFreestanding()
}

func allocThread(kind threadKind) (*thread, error) {
	p, err := nativeHeap.Alloc(unsafe.Sizeof(thread{}))
	if err != nil {
		return nil, err
	}
	t := (*thread)(Pointer(p))
	t.kind, t.mxcsr, t.fpcw = kind, goMXCSR, uint32(goFPCW)
	if kind != freestanding {
		t.era = 1
	}
	t.errno = uintptr(unsafe.Pointer(&t.scratch))
	return t, nil
}

// setFS gives t its thread pointer and tells the TCB about t.
func (t *thread) setFS(fs uintptr) {
	t.fs = fs
	t.gslot = fs + uintptr(gOffset)
	if program != nil {
		t.gslot = uintptr(unsafe.Pointer(&t.scratch)) // the word there is the program's own
	}
	*weldWord(fs, threadSlot) = t.addr()
	*weldWord(fs, magicSlot) = magic // it may be the first one to say so: see useKeys
}

// stackSize is what new native threads get; see SetStackSize.
var stackSize atomic.Uintptr

func init() { stackSize.Store(8 << 20) }

// SetStackSize sets the size in bytes of the stacks of native threads made from now on: 8 MiB at first, as on most
// Linux systems, 64 KiB at least. Pages count only once used; each stack has a guard page below.
func SetStackSize(n uintptr) { stackSize.Store(max(n, 64<<10) &^ (PageSize - 1)) }

// newFreestanding makes a thread without a C library: a stack with a guard page, and a TCB with the fields that
// compiled code knows (psABI: its own address; stack protector canary at 0x28) below which lies the TLS reserve.
func newFreestanding() (*thread, error) {
	if err := setUpUpcalls(); err != nil {
		return nil, err
	}
	t, err := allocThread(freestanding)
	if err != nil {
		return nil, err
	}
	size := stackSize.Load()
	tls := uintptr(reserveSize) + PageSize
	p, err := MapAnon("a native stack", PageSize+size+tls)
	if err != nil {
		nativeHeap.Free(t.addr(), unsafe.Sizeof(*t))
		return nil, err
	}
	Protect(p, PageSize, 0)
	t.stack = p + PageSize
	t.sp = t.stack + size - 256
	t.top = t.sp
	tellStack(t.stack, t.stack+size)
	fs := t.stack + size + uintptr(reserveSize)
	*word(fs) = fs
	*word(fs + 16) = fs
	*word(fs + 0x28) = canary()
	reserve.fill(fs)
	t.setFS(fs)
	threads.Lock()
	threads.all = append(threads.all, t)
	threads.Unlock()
	return t, nil
}

// retire ends a thread that is not to be lent any more. Only freestanding ones ever are.
func (t *thread) retire() {
	if t.kind != freestanding {
		return
	}
	threads.Lock()
	threads.all = slices.DeleteFunc(threads.all, func(o *thread) bool { return o == t })
	threads.Unlock()
	tcbs.remove(t.fs)
	Unmap(t.stack-PageSize, PageSize+(t.fs-uintptr(reserveSize)-t.stack)+uintptr(reserveSize)+PageSize)
	nativeHeap.Free(t.addr(), unsafe.Sizeof(*t))
}

// Threads returns how many native threads there are, those of loaded code not counted. They are kept for later calls.
func Threads() int {
	threads.Lock()
	defer threads.Unlock()
	return len(threads.all)
}
