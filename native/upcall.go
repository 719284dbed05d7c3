package native

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"weld/native/abi"
)

type frame = abi.CFrame

// upframe is what an upcall leaves on the native stack: the argument registers, room for the results, the
// callee-saved registers. Assembly knows its layout (gate_amd64.h).
type upframe struct {
	frame
	saved  [6]uintptr // rbx rbp r12 r13 r14 r15
	record *record
	done   uint64 // futex of a foreign thread
	next   uintptr
	fs     uintptr
	_      uintptr
	ret    uintptr // return address of the thunk's caller
}

// Upcall is a call from native code to Go.
type Upcall struct{ f *upframe }

// Arg returns integer argument i, up to 5.
func (u Upcall) Arg(i int) uintptr { return uintptr(u.f.Int[i]) }

// SetResult sets what the native caller gets in rax.
func (u Upcall) SetResult(r uintptr) { u.f.Ret[0] = uint64(r) }

// SetResult2 sets what the native caller gets in rdx.
func (u Upcall) SetResult2(r uintptr) { u.f.Ret[1] = uint64(r) }

// Caller returns the return address: where native code called from.
func (u Upcall) Caller() uintptr { return u.f.ret }

// SP returns the native stack pointer at entry of the call, where the return address lies.
func (u Upcall) SP() uintptr { return uintptr(unsafe.Pointer(&u.f.ret)) }

// ThreadPointer returns the thread pointer of the calling native thread.
func (u Upcall) ThreadPointer() uintptr { return u.f.fs }

// nests says which native thread a goroutine is in a callback of: calls nested in a callback run on the same thread.
// The key is g. nested is not 0 while there is any entry.
var (
	nests  nestTable
	nested uint32
)

type nestTable struct {
	slots [512]struct{ g, t uintptr }
	more  sync.Map // when its part of slots is full
}

const (
	nestProbe = 8
	nestGone  = 1 // a freed place; probing goes on behind it
)

// hashMultiplier spreads addresses (Fibonacci hashing).
const hashMultiplier = 0x9E3779B97F4A7C15

func (n *nestTable) start(g uintptr) int { return int(g * hashMultiplier >> 55) }

func (n *nestTable) find(g uintptr) *thread {
	i := n.start(g)
	for range nestProbe {
		s := &n.slots[i%len(n.slots)]
		if atomic.LoadUintptr(&s.g) == g {
			return (*thread)(Pointer(s.t))
		}
		i++
	}
	if t, ok := n.more.Load(g); ok {
		return t.(*thread)
	}
	return nil
}

// enter notes that g is in a callback of t. It returns false if that is noted already.
func (n *nestTable) enter(g uintptr, t *thread) bool {
	if n.find(g) != nil {
		return false
	}
	i := n.start(g)
	for range nestProbe {
		s := &n.slots[i%len(n.slots)]
		if k := atomic.LoadUintptr(&s.g); k <= nestGone && atomic.CompareAndSwapUintptr(&s.g, k, nestGone+1) {
			s.t = t.addr()
			atomic.StoreUintptr(&s.g, g)
			atomic.AddUint32(&nested, 1)
			return true
		}
		i++
	}
	n.more.Store(g, t)
	atomic.AddUint32(&nested, 1)
	return true
}

func (n *nestTable) leave(g uintptr) {
	atomic.AddUint32(&nested, ^uint32(0))
	i := n.start(g)
	for range nestProbe {
		s := &n.slots[i%len(n.slots)]
		if atomic.LoadUintptr(&s.g) == g {
			atomic.StoreUintptr(&s.g, nestGone)
			return
		}
		i++
	}
	n.more.Delete(g)
}

// serve answers what native code on t wants of Go. base is where the stack of the call began that it interrupts: if
// the Go function panics or ends the goroutine, the native frames above it are given up, as by longjmp, and the
// thread is released. ups is 0 at the first upcall of a direct call, whose goroutine is not locked yet to a kernel
// thread that is the C library's own.
func serve(t *thread, base uintptr, ups uintptr) {
	if t.why == whyFault {
		reportFault(t)
	}
	f := (*upframe)(Pointer(t.frame))
	sp := t.sp
	ok := false
	if t.kind == own {
		if ups == 0 {
			runtime.LockOSThread() // until releaseForEntry
		}
		excl := t.excl
		defer func() {
			t.excl = excl
			t.sp = sp
			if !ok {
				t.sp = base
				runtime.UnlockOSThread()
			}
		}()
	} else {
		g, excl := getg(), t.excl
		t.excl = 0
		first := nests.enter(g, t)
		defer func() {
			if first {
				nests.leave(g)
			}
			t.sp, t.excl = sp, excl
			if !ok {
				t.sp, t.excl = base, 0
				release(t)
			}
		}()
	}
	f.record.serve(Upcall{f})
	ok = true
}

// The dispatcher answers upcalls of threads that Go did not lend: they put their frames on a list and wait.
var (
	foreignHead uintptr // newest upframe, linked through next
	foreignSeq  uint32  // futex: incremented at each post
	dispatcher  sync.Once
)

func startDispatcher() { dispatcher.Do(func() { go dispatch() }) }

func dispatch() {
	for {
		seq := atomic.LoadUint32(&foreignSeq)
		p := atomic.SwapUintptr(&foreignHead, 0)
		if p == 0 {
			futex(&foreignSeq, futexWait, seq)
			continue
		}
		for p != 0 {
			f := (*upframe)(Pointer(p))
			p = f.next
			go serveForeign(f)
		}
	}
}

// foreignGap is left below a waiting foreign thread's frame: the C library's own signals may still reach it.
const foreignGap = 16 << 10

// serveForeign answers an upcall of a thread that loaded code made. While Go runs, the thread's stack and TCB are
// lent to this goroutine, so that calls nested in the callback see the same thread.
func serveForeign(f *upframe) {
	t, err := allocThread(foreign)
	if err != nil {
		panic(err)
	}
	t.sp = uintptr(unsafe.Pointer(f)) - foreignGap
	before := *word(f.fs + uintptr(threadSlot))
	gBefore := *word(f.fs + uintptr(gOffset))
	t.setFS(f.fs)
	t.errno = libc.errnoOf(f.fs)
	g := getg()
	nests.enter(g, t)
	defer func() {
		nests.leave(g)
		*word(f.fs + uintptr(threadSlot)) = before
		*word(f.fs + uintptr(gOffset)) = gBefore
		nativeHeap.Free(t.addr(), unsafe.Sizeof(*t))
		// On a panic nobody is left to recover: the runtime ends the program. After Goexit the thread would wait for
		// ever, so it gets a zero result.
		atomic.StoreUint64(&f.done, 1)
		futex((*uint32)(unsafe.Pointer(&f.done)), futexWake, 1)
	}()
	f.record.serve(Upcall{f})
}

const (
	futexWait = 128
	futexWake = 129
)

func futex(p *uint32, op uintptr, v uint32) {
	if op == futexWait {
		syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(p)), op, uintptr(v), 0, 0, 0)
		return
	}
	syscall.RawSyscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(p)), op, uintptr(v), 0, 0, 0)
}

// setUpUpcalls makes what trampolines and faults need to reach Go, once, before the first native thread is used.
func setUpUpcalls() error {
	upcalls.Do(func() {
		for _, h := range []struct {
			p *uintptr
			f func(Upcall)
		}{
			{&tlsRecord, serveTLS}, {&lazyRecord, serveLazy},
			{&threadStartRecord, libc.serveThreadStart}, {&foreignFaultRecord, serveForeignFault},
		} {
			t, err := NewThunk(h.f)
			if err != nil {
				upcallsErr = err
				return
			}
			*h.p = t.record()
		}
		installFaultHandler()
	})
	return upcallsErr
}

var (
	upcalls    sync.Once
	upcallsErr error
)

// record is the data of a thunk; R11 points to it when the thunk has jumped. Assembly and thunk code know target.
type record struct {
	target uintptr // code the thunk jumps to
	id     uintptr // index of the handler; 0: none
}

// serve runs the handler of a thunk.
func (r *record) serve(u Upcall) {
	h := handlers.get(r.id)
	if h == nil {
		panic(&CallbackError{Addr: u.Caller(), Why: "native code called a callback that is closed"})
	}
	if h.raw != nil {
		h.raw(u)
		return
	}
	h.call(u.f)
}

// CallbackError is the panic of a callback that cannot be run.
type CallbackError struct {
	Addr uintptr // return address in the native caller
	Why  string
}

func (e *CallbackError) Error() string { return fmt.Sprintf("callback from %#x: %s", e.Addr, e.Why) }
