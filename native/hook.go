package native

import (
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"weld/native/abi"
)

// Hook is native code that stands in for a function, the one at Next: callers that are to reach it get Addr instead. It
// is never freed, since nobody knows who has the address.
type Hook struct{ t *Thunk }

// Addr is what callers get.
func (h *Hook) Addr() uintptr { return h.t.addr }

// Next is the function that the hook stands in for.
func (h *Hook) Next() uintptr { return h.record().orphan }

// Release makes calls that still come go straight to the function.
func (h *Hook) Release() { atomic.StoreUintptr(&h.record().target, hookEntry.pass) }

func (h *Hook) record() *record { return (*record)(Pointer(h.t.record())) }

var hookEntry struct {
	pass, count, fail, next, trace uintptr
	_                              [3]uintptr
}

func hookEntries(p *[8]uintptr)

func init() { hookEntries((*[8]uintptr)(unsafe.Pointer(&hookEntry))) }

func newHook(code, next, data uintptr, h *handler) (*Hook, error) {
	// Nobody has the address yet: what the thunk does first does not matter.
	t, err := newThunk(h, hookEntry.pass)
	if err != nil {
		return nil, err
	}
	k := &Hook{t}
	r := k.record()
	r.orphan, r.data = next, data
	atomic.StoreUintptr(&r.target, code)
	return k, nil
}

// NewCounter makes a hook that counts the calls.
func NewCounter(next uintptr) (*Hook, error) { return newHook(hookEntry.count, next, 0, &handler{}) }

// Count returns how many calls of a counter there were. In a child of fork those of the parent before are among them.
func (h *Hook) Count() uint64 { return uint64(atomic.LoadUintptr(&h.record().data)) }

// Failure says which calls fail, and how. Several hooks may share one: then their calls are counted together.
type Failure struct{ f *failure }

// failure is what assembly reads.
type failure struct {
	calls, from, to  uint64
	location, result uintptr
	errno            int32
}

// NewFailure has calls number from to to, of which the first is 1, return result and leave e as errno, if it is not 0.
// The C library must be up.
func NewFailure(from, to uint64, e syscall.Errno, result uintptr) (*Failure, error) {
	p, err := nativeHeap.Alloc(unsafe.Sizeof(failure{}))
	if err != nil {
		return nil, err
	}
	f := (*failure)(Pointer(p))
	*f = failure{from: from - 1, to: to - 1, errno: int32(e), result: result}
	for _, name := range []string{"__errno_location", "___errno_location"} { // musl has both
		if f.location == 0 {
			f.location = SystemFunction(name)
		}
	}
	if f.location == 0 {
		nativeHeap.Free(p, unsafe.Sizeof(*f))
		return nil, &LibcError{Err: syscall.ENOSYS}
	}
	return &Failure{f}, nil
}

// Calls returns how many calls there were, those that failed included.
func (f *Failure) Calls() uint64 { return atomic.LoadUint64(&f.f.calls) }

// NewHook makes a hook with the failure.
func (f *Failure) NewHook(next uintptr) (*Hook, error) {
	return newHook(hookEntry.fail, next, uintptr(unsafe.Pointer(f.f)), &handler{})
}

// CallFrame is a call that a tracing hook has caught: its arguments, and when it has returned its results. It lies on the
// stack of the caller's thread.
type CallFrame struct {
	abi.CFrame
	bx, r10, record uintptr
	User            uintptr // for Tracer, from Enter to Leave
}

// Tracer is told of calls. Its methods run as callbacks do, on the caller's thread; the call itself is made without Go.
type Tracer interface {
	// Enter says whether Leave is to be told of the result, and how many words the arguments in memory take then. If
	// not, the function gets the call as if there had been no hook: it may look at its caller, return twice or never.
	Enter(f *CallFrame, u Upcall) (words int, leave bool)
	// Leave is told of the results. A call that ends otherwise (longjmp, an exception) has none.
	Leave(f *CallFrame, u Upcall)
}

// NewTracer makes a hook that tells t of the calls. In a child of fork without Go it does nothing.
func NewTracer(next uintptr, t Tracer) (*Hook, error) {
	if err := setUpTracing(); err != nil {
		return nil, err
	}
	return newHook(hookEntry.trace, next, 0, &handler{tracer: t})
}

// The records of the thunks that hookTrace calls.
var traceEnter, traceLeave uintptr

func setUpTracing() error {
	traced := func(f func(t Tracer, c *CallFrame, u Upcall)) (uintptr, error) {
		t, err := NewThunk(func(u Upcall) {
			c := (*CallFrame)(Pointer(u.Arg(0)))
			if h := handlers.get((*record)(Pointer(c.record)).id); h != nil && h.tracer != nil {
				f(h.tracer, c, u)
			}
		})
		if err != nil {
			return 0, err
		}
		return t.record(), nil
	}
	var err error
	if traceEnter == 0 {
		traceEnter, err = traced(func(t Tracer, c *CallFrame, u Upcall) {
			if words, leave := t.Enter(c, u); leave {
				u.SetResult(uintptr(words)<<1 | 1)
			}
		})
	}
	if err == nil && traceLeave == 0 {
		traceLeave, err = traced(Tracer.Leave)
	}
	return err
}

// Errno returns the errno of the thread that the call came from.
func (u Upcall) Errno() syscall.Errno {
	return syscall.Errno(*(*int32)(Pointer(libc.errnoOf(u.f.fs))))
}

// Interposer stands in for functions with a Go func. A child of fork that has no Go calls the functions themselves.
type Interposer struct {
	fn   any
	next *Hook

	mu       sync.Mutex
	hooks    []*Hook
	released bool
}

// NewInterposer makes an interposer; next is what Next means outside of calls that it has caught. It does nothing before
// it has a func.
func NewInterposer(next uintptr) (*Interposer, error) {
	h, err := newHook(hookEntry.next, next, 0, &handler{})
	if err != nil {
		return nil, err
	}
	h.record().data = h.t.record() // of all hooks of this interposer
	return &Interposer{next: h}, nil
}

// SetFunc sets the Go func, with the C signature that its type stands for (see package abi).
func (i *Interposer) SetFunc(fn any) error {
	_, err := typedHandler(fn)
	i.fn = fn
	return err
}

// Next returns the address of a function that goes to the one that the call was for, if it is called in a call that the
// interposer has caught; otherwise to that of NewInterposer.
func (i *Interposer) Next() uintptr { return i.next.Addr() }

// NewHook makes a hook for a function.
func (i *Interposer) NewHook(next uintptr) (*Hook, error) {
	h, err := typedHandler(i.fn)
	if err != nil {
		return nil, err
	}
	h.hook = true
	i.mu.Lock()
	defer i.mu.Unlock()
	k, err := newHook(entry.upcall, next, i.next.record().data, h)
	if err != nil {
		return nil, err
	}
	if i.released {
		k.Release()
	}
	i.hooks = append(i.hooks, k)
	return k, nil
}

// Release releases all hooks, those that are made later too.
func (i *Interposer) Release() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.released = true
	for _, h := range i.hooks {
		h.Release()
	}
	i.hooks = nil
}

// entered notes in the thread that it is in the hook, for hookNext, until the function that it returns is called.
func (r *record) entered(fs uintptr) (leave func()) {
	w := weldWord(fs, hookSlot)
	before := *w
	*w = uintptr(unsafe.Pointer(r))
	return func() { *w = before }
}
