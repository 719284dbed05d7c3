package native

import (
	"fmt"
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
	done   uint64  // futex of a foreign thread
	next   uintptr // of a foreign thread, the frame posted before; of a lent one, the frame that is served meanwhile, further up
	fs     uintptr // thread pointer
	mask   uint64  // signals that a foreign thread has blocked
	g      uintptr // of a lent one, for unwinders: the goroutine,
	depth  uintptr // and how far from the top of its stack the Go frame is that serves it (finishCall)
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

// serve answers what native code on t wants of Go. The goroutine is locked to its kernel thread; the call that does not
// hold t yet does so from now on. base is where t's stack goes back to if the Go function panics or ends the goroutine:
// then the native frames above are given up, as by longjmp, and t is released. flags are the call's.
func serve(t *thread, base, flags uintptr) {
	if t.why == whyFault {
		reportFault(t)
	}
	if flags&(heldCall|lentCall) == 0 {
		t.nest++
	}
	atomic.StoreUint32(&t.enters, 0) // from here on nest says that it is in use
	at := t.frame
	t.sp = at &^ 15 // calls nested in the callback go below
	f := (*upframe)(Pointer(at))
	done := false
	defer func() {
		if !done {
			resetControl()
			t.frame, t.sp = f.next, base
			release(t) // also for a caller that holds it
		}
	}()
	f.record.serve(Upcall{f})
	done = true
	t.sp = base
}

// The dispatcher answers upcalls of threads that Go did not lend: they put their frames on a list and wait.
var (
	foreignHead uintptr       // newest upframe, linked through next
	foreignSeq  uint32        // futex: incremented at each post
	answered    atomic.Uint32 // how many of them have been answered, in a process that runs a Program
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

// serveForeign answers an upcall of a thread that loaded code made. While Go runs, the thread's stack and TCB are
// lent to this goroutine, so that calls nested in the callback see the same thread.
//
// A thread that has a g is a kernel thread of Go, in a call through cgo. Its TCB cannot be lent, since Go's signal
// handler may run there at any time; nested calls are made on another thread.
func serveForeign(f *upframe) {
	if program == nil && *word(f.fs + uintptr(gOffset)) != 0 {
		defer func() {
			if p := recover(); p != nil {
				panic(p)
			}
			f.answer()
		}()
		f.record.serve(Upcall{f})
		return
	}
	t, err := allocThread(foreign)
	if err != nil {
		panic(err)
	}
	t.sp = uintptr(unsafe.Pointer(f)) &^ 15 // it waits with all signals blocked: nothing comes below its frame
	before := *weldWord(f.fs, threadSlot)
	t.setFS(f.fs)
	t.errno = libc.errnoOf(f.fs)
	t.nest, t.unworn = 1, true // serveForeign's own
	if program != nil {
		t.guard, t.mask = 1, f.mask
	}
	g := getg()
	nests.enter(g, t)
	defer func() {
		if p := recover(); p != nil {
			panic(p) // nobody is left to recover: the runtime ends the program, while the thread waits
		}
		nests.leave(g)
		if o := (*thread)(Pointer(before)); o != nil && o.kind == own && atomic.LoadUintptr(&o.mFS) != f.fs {
			before = 0 // the kernel thread ends, and has been disowned meanwhile
		}
		*weldWord(f.fs, threadSlot) = before
		if program != nil {
			f.mask = t.mask
			answered.Add(1)
		} else {
			*word(f.fs + uintptr(gOffset)) = 0
		}
		nativeHeap.Free(t.addr(), unsafe.Sizeof(*t))
		f.answer() // with a zero result after Goexit
	}()
	f.record.serve(Upcall{f})
}

// answer lets the thread that waits at f go on.
func (f *upframe) answer() {
	atomic.StoreUint64(&f.done, 1)
	futex((*uint32)(unsafe.Pointer(&f.done)), futexWake, 1)
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
		if upcallsErr = watchChildren(); upcallsErr != nil {
			return
		}
		for _, h := range []struct {
			p *uintptr
			f func(Upcall)
		}{
			{&tlsRecord, serveTLS}, {&lazyRecord, serveLazy},
			{&threadStartRecord, libc.serveThreadStart}, {&foreignFaultRecord, serveForeignFault},
			{&raisedRecord, serveRaised},
		} {
			t, err := NewThunk(h.f)
			if err != nil {
				upcallsErr = err
				return
			}
			*h.p = t.record()
			t.OnOrphan(entry.orphanDie)
		}
		if program == nil {
			installFaultHandler()
		}
	})
	return upcallsErr
}

// goAlive is the address of a word that is not 0, and is in children that loaded code forks: there the thread that
// called fork is all there is of the process, and Go cannot go on. See Thunk.OnOrphan and Program.
var goAlive uintptr //lint:ignore U1000 assembly uses it

// What a process says that needs Go and has none.
var orphanMessage, orphanLength uintptr //lint:ignore U1000 assembly uses it

func watchChildren() error {
	const madvWipeOnFork = 18 // Linux 4.14
	page, err := MapAnon("a page for children to see", PageSize)
	if err != nil {
		return err
	}
	*word(page) = 1
	syscall.Syscall(syscall.SYS_MADVISE, page, PageSize, madvWipeOnFork)
	goAlive = page
	const message = "weld: this is a child that native code has forked, without the run-time linker of its parent; bind all at load (Now, LD_BIND_NOW)\n\x00"
	orphanMessage, err = NewString(message)
	orphanLength = uintptr(len(message) - 1)
	return err
}

var (
	upcalls    sync.Once
	upcallsErr error
)

// record is the data of a thunk; R11 points to it when the thunk has jumped. Assembly and thunk code know target.
type record struct {
	target uintptr // code the thunk jumps to
	id     uintptr // index of the handler; 0: none
	orphan uintptr // what to jump to where there is no Go, see OnOrphan; 0: return 0
	data   uintptr // of a hook; of a guard, what it goes on to
}

// serve runs the handler of a thunk.
func (r *record) serve(u Upcall) {
	if waited.n.Load() != 0 {
		u.passes()
	}
	var h *handler
	if r != nil {
		h = handlers.get(r.id)
	}
	if h == nil {
		panic(&CallbackError{Addr: u.Caller(), Why: "native code called a callback that is closed"})
	}
	if h.raw != nil {
		h.raw(u)
		return
	}
	if h.hook {
		defer r.entered(u.f.fs)()
	}
	if h.direct {
		callDirect(h.fn, u.f)
		return
	}
	h.call(u.f)
}

// CallbackError is the panic of a callback that cannot be run.
type CallbackError struct {
	Addr uintptr // return address in the native caller
	Why  string
}

func (e *CallbackError) Error() string {
	at := fmt.Sprintf("%#x", e.Addr)
	if Locate != nil {
		if s := Locate(e.Addr - 1); s != "" {
			at += " " + s
		}
	}
	return fmt.Sprintf("callback from %s: %s", at, e.Why)
}
