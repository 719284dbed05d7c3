package native

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"weld/native/abi"
)

// Thunks are the addresses that native code calls to reach Go. They come in blocks: pages of identical code and as
// many pages of data, a record a thunk. Code is written once, before it is made executable, and never again: making
// or freeing a thunk changes its record only.
const (
	thunkSize  = 32 // of a record
	thunkPages = 4
	thunkBlock = thunkPages * PageSize / thunkSize
)

type handler struct {
	raw  func(Upcall)   // for weld's own use, or
	fn   unsafe.Pointer // a Go func value with its plan
	plan *abi.Plan

	direct bool // the registers are the same on both sides: callDirect
	big    bool // callGoBig
	hook   bool // it stands in for a function: see Interposer
	tracer Tracer
}

// handlerTable maps the id of a record to its handler without a lock.
type handlerTable struct {
	mu     sync.Mutex
	free   []uintptr // ids of thunks that are not in use
	blocks []uintptr // code address of each block
	chunks [1 << 14]atomic.Pointer[[thunkBlock]atomic.Pointer[handler]]
}

var handlers handlerTable

func (t *handlerTable) get(id uintptr) *handler {
	c := t.chunks[id/thunkBlock%uintptr(len(t.chunks))].Load()
	if c == nil {
		return nil
	}
	return c[id%thunkBlock].Load()
}

func (t *handlerTable) addr(id uintptr) uintptr {
	return t.blocks[id/thunkBlock] + id%thunkBlock*thunkSize
}

// add gives h a thunk.
func (t *handlerTable) add(h *handler, target uintptr) (*Thunk, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.free) == 0 {
		if err := t.grow(); err != nil {
			return nil, err
		}
	}
	id := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	t.chunks[id/thunkBlock].Load()[id%thunkBlock].Store(h)
	k := &Thunk{id, t.addr(id)}
	r := (*record)(Pointer(k.record()))
	r.id, r.orphan, r.data = id, 0, 0
	atomic.StoreUintptr(&r.target, target)
	return k, nil
}

func (t *handlerTable) remove(id uintptr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.chunks[id/thunkBlock].Load()[id%thunkBlock].Store(nil)
	t.free = append(t.free, id)
}

// grow makes a block of thunks.
func (t *handlerTable) grow() error {
	n := uintptr(len(t.blocks))
	if n == uintptr(len(t.chunks)) {
		return &MapError{fmt.Sprintf("callback thunks beside the %d in use", n*thunkBlock), 2 * thunkPages * PageSize, syscall.ENOMEM}
	}
	p, err := mapThunks("callback thunks", thunkPages*PageSize, entry.upcall)
	if err != nil {
		return err
	}
	t.chunks[n].Store(new([thunkBlock]atomic.Pointer[handler]))
	t.blocks = append(t.blocks, p)
	for i := uintptr(thunkBlock); i > 0; i-- {
		if id := n*thunkBlock + i - 1; id != 0 { // id 0 is none
			t.free = append(t.free, id)
		}
	}
	return nil
}

// mapThunks maps half bytes of thunks, each
//
//	lea  record(%rip), %r11     4c 8d 1d disp32
//	jmp  *record(%rip)          ff 25 disp32
//
// so that R11, which the psABI leaves to such code, tells the target which thunk it came through. Their records follow,
// as far apart.
func mapThunks(what string, half, target uintptr) (uintptr, error) {
	p, err := MapAnon(what, 2*half)
	if err != nil {
		return 0, err
	}
	code := Bytes(p, half)
	for i := uintptr(0); i < half; i += thunkSize {
		b := code[i : i+thunkSize]
		copy(b, []byte{0x4c, 0x8d, 0x1d})
		binary.LittleEndian.PutUint32(b[3:], uint32(half)-7)
		copy(b[7:], []byte{0xff, 0x25})
		binary.LittleEndian.PutUint32(b[9:], uint32(half)-13)
		for i := 13; i < thunkSize; i++ {
			b[i] = 0xcc // int3
		}
		(*record)(Pointer(p + half + i)).target = target
	}
	if err := Protect(p, half, syscall.PROT_READ|syscall.PROT_EXEC); err != nil {
		Unmap(p, 2*half)
		return 0, &MapError{"executable " + what, half, err}
	}
	return p, nil
}

// Thunk is an address that native code can call to reach a Go function.
type Thunk struct {
	id   uintptr
	addr uintptr
}

// NewThunk makes a thunk for f, which gets the call's registers. It stays until Close.
func NewThunk(f func(Upcall)) (*Thunk, error) {
	return newThunk(&handler{raw: f}, entry.upcall)
}

// NewGuard makes a thunk that calls f once and then goes on to the native function that f returns, as do all later calls,
// without f. The function gets its integer arguments as they were.
func NewGuard(f func() uintptr) (*Thunk, error) {
	var t *Thunk
	t, err := newThunk(&handler{raw: func(Upcall) {
		r := (*record)(Pointer(t.record()))
		target := f()
		atomic.StoreUintptr(&r.data, target)
		atomic.StoreUintptr(&r.target, target)
	}}, entry.upcallThen)
	return t, err
}

func newThunk(h *handler, target uintptr) (*Thunk, error) {
	return handlers.add(h, target)
}

// NewCallback makes a thunk for the Go func fn, with the C signature that its type stands for (see package abi). The
// error is an *abi.SignatureError or a *MapError.
func NewCallback(fn any) (*Thunk, error) {
	h, err := typedHandler(fn)
	if err != nil {
		return nil, err
	}
	return newThunk(h, entry.upcall)
}

func typedHandler(fn any) (*handler, error) {
	v := reflect.ValueOf(fn)
	if v.Kind() != reflect.Func || v.IsNil() {
		return nil, &abi.SignatureError{Func: reflect.TypeOf(fn), Arg: abi.ArgFunc, Why: "not a func value"}
	}
	plan, err := abi.New(v.Type(), abi.Callback)
	if err != nil {
		return nil, err
	}
	h := &handler{plan: plan}
	h.fn = *(*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(&fn), 8)) // a func in an interface is its own pointer
	h.direct = plan.Direct && !plan.Errno
	h.big = plan.GoStackBytes > smallStack
	if plan.GoStackBytes > bigStack {
		return nil, &abi.SignatureError{Func: v.Type(), Arg: abi.ArgFunc, Why: "the arguments and the result take too much of the Go stack"}
	}
	return h, nil
}

// Addr returns the thunk's address: a C function pointer.
func (t *Thunk) Addr() uintptr { return t.addr }

// OnOrphan has calls go to native code at addr, or return 0 if it is 0, in child processes that have no Go: those that
// fork made from a thread of loaded code. Without it a call returns 0 there. See Program.
func (t *Thunk) OnOrphan(addr uintptr) { (*record)(Pointer(t.record())).orphan = addr }

// record returns what a thunk leaves in R11.
func (t *Thunk) record() uintptr { return t.addr + thunkPages*PageSize }

// Close frees the thunk. Native code that still calls it makes the calling goroutine panic with a *CallbackError,
// until the address is used for another callback.
func (t *Thunk) Close() error {
	id := atomic.SwapUintptr(&t.id, 0)
	if id == 0 {
		return syscall.EINVAL
	}
	handlers.remove(id)
	return nil
}

// What callGo and callGoBig have room for in bytes of stack-assigned arguments and results. The big one is for
// arguments and a result of abi.MaxStackWords words each, and what Go has on its stack but C in registers.
const (
	smallStack = 32
	bigStack   = 2*8*abi.MaxStackWords + 256
)

// callDirect calls the Go func value fn, whose registers are those of C in order, with the arguments of f, and puts
// the result there.
//
//go:noescape
func callDirect(fn unsafe.Pointer, f *upframe)

//go:noescape
func callGo(fn unsafe.Pointer, f *abi.GoFrame, n uintptr)

//go:noescape
func callGoBig(fn unsafe.Pointer, f *abi.GoFrame, n uintptr)

// call runs a typed callback.
func (h *handler) call(f *upframe) {
	var g abi.GoFrame
	if h.big {
		h.callBig(f, &g)
		return
	}
	var stack [smallStack / 8]uint64
	g.Stack = unsafe.Pointer(&stack)
	h.plan.FromCArgs(&f.frame, f.Stack, &g)
	keep := h.stringArgs(f, &g)
	callGo(h.fn, &g, h.plan.GoStackBytes/8)
	runtime.KeepAlive(keep)
	h.results(f, &g)
}

func (h *handler) callBig(f *upframe, g *abi.GoFrame) {
	var stack [bigStack / 8]uint64
	g.Stack = unsafe.Pointer(&stack)
	h.plan.FromCArgs(&f.frame, f.Stack, g)
	keep := h.stringArgs(f, g)
	callGoBig(h.fn, g, h.plan.GoStackBytes/8)
	runtime.KeepAlive(keep)
	h.results(f, g)
}

func (h *handler) results(f *upframe, g *abi.GoFrame) {
	h.plan.ToCResult(g, &f.frame)
	if h.plan.Errno {
		t := (*thread)(Pointer(*weldWord(f.fs, threadSlot)))
		*(*int32)(Pointer(t.errno)) = *(*int32)(h.plan.ErrnoLoc.Addr(g, &f.frame))
	}
}

// stringArgs makes the Go strings of the char * arguments. The frame does not keep them alive, the caller does.
func (h *handler) stringArgs(f *upframe, g *abi.GoFrame) []string {
	if len(h.plan.Strings) == 0 {
		return nil
	}
	keep := make([]string, len(h.plan.Strings))
	for i, a := range h.plan.Strings {
		c := a.C.Addr(g, &f.frame)
		keep[i] = String(*(*uintptr)(c))
		*(*[2]uintptr)(a.Go.Addr(g, &f.frame)) = *(*[2]uintptr)(unsafe.Pointer(&keep[i]))
	}
	return keep
}
