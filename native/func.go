package native

import (
	"reflect"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"weld/native/abi"
)

// desc is what a Go func value that stands for a native function points to. Assembly knows its layout.
type desc struct {
	entry uintptr
	fn    uintptr
	flags uintptr
	ptr   [6]uintptr // direct: offsets among the argument words of those that are Go pointers
	nkeep int
	keep  [keepMany]int // general: offsets in the GoFrame plus eight; negative ones are into its stack area
	plan  *abi.Plan
	guard *Guard // nil: nobody counts the calls
}

// How many pointers the general entries keep alive.
const (
	keepFew  = 4
	keepMany = 24
)

// Flags of a call. The last two are not a signature's.
const (
	leafCall = 1 << iota // the scheduler is not told
	errnoAX              // direct: the first result is errno
	errnoBX              // direct: the second is
	heldCall             // it holds its thread: see acquire
	lentCall             // its caller holds it
)

// Func is a native function as a Go func value.
type Func struct{ d *desc }

// NewFunc plans calls of the native function at addr with the C signature that the Go func type t stands for (see
// package abi). A leaf function is called without telling the scheduler: for calls that take well under a
// microsecond and do not block, since the garbage collector waits for them. The error is an *abi.SignatureError.
func NewFunc(addr uintptr, t reflect.Type, leaf bool) (*Func, error) {
	return NewGuarded(addr, t, leaf, nil)
}

// NewGuarded is NewFunc for a function whose calls a Guard counts, if it is not nil. They go by the general
// entry, and take longer: BenchmarkCall of package module.
func NewGuarded(addr uintptr, t reflect.Type, leaf bool, guard *Guard) (*Func, error) {
	plan, err := abi.New(t, abi.Call)
	if err != nil {
		return nil, err
	}
	joinHost()
	d := &desc{fn: addr, plan: plan, guard: guard}
	if leaf {
		d.flags = leafCall
	}
	if guard != nil || !plan.Direct || !d.planDirect() {
		if err := d.planGeneral(); err != nil {
			return nil, err
		}
	}
	return &Func{d}, nil
}

func (d *desc) planDirect() bool {
	p := d.plan
	n := 0
	for i := range 9 {
		if p.PointerMask&(1<<i) == 0 {
			continue
		}
		if i >= len(d.ptr) {
			return false
		}
		d.ptr[n] = uintptr(8 * i)
		n++
	}
	if len(p.StackPointers) != 0 || p.GoStackBytes != 0 {
		return false
	}
	switch {
	case p.Errno && p.ErrnoLoc == abi.Loc{Area: abi.GoReg, Off: 0}:
		d.flags |= errnoAX
		d.entry = entryPC.errno[n]
	case p.Errno && p.ErrnoLoc == abi.Loc{Area: abi.GoReg, Off: 8}:
		d.flags |= errnoBX
		d.entry = entryPC.errno[n]
	case p.Errno:
		return false
	case d.flags&leafCall != 0:
		d.entry = entryPC.leaf[n]
	case p.NFloat == 0:
		d.entry = entryPC.int[n]
	default:
		d.entry = entryPC.float[n]
	}
	return true
}

func (d *desc) planGeneral() error {
	keep := d.keep[:0]
	for i := range 9 {
		if d.plan.PointerMask&(1<<i) != 0 {
			keep = append(keep, 8*i+8)
		}
	}
	for _, off := range d.plan.StackPointers {
		keep = append(keep, -(int(off) + 8))
	}
	if len(keep) > keepMany {
		return &abi.SignatureError{Func: d.plan.Type, Arg: abi.ArgFunc, Why: "more pointers among the arguments than weld keeps alive"}
	}
	copy(d.keep[:], keep)
	d.nkeep = len(keep)
	d.entry = entryPC.few
	if d.nkeep > keepFew {
		d.entry = entryPC.many
	}
	return nil
}

// Pointer returns the func value as a word: what a variable of the func type holds. It is valid as long as it is
// reachable.
func (f *Func) Pointer() unsafe.Pointer { return unsafe.Pointer(f.d) }

// SetAddr makes later calls go to another address: the function itself once bound, or a closed stub.
func (f *Func) SetAddr(addr uintptr) { atomic.StoreUintptr(&f.d.fn, addr) }

// call makes a general call. The goroutine's stack may move wherever Go code is called: that adjusts g and stack, but
// not g.Stack, since g lies in a frame of assembly. A signature that uses it gets a frame of Go's.
func (d *desc) call(g *abi.GoFrame, stack unsafe.Pointer) (text unsafe.Pointer) {
	if d.guard != nil {
		return d.guarded(g, stack)
	}
	return d.callOn(g, stack)
}

// guarded is call with the call counted, also if a callback panics or ends the goroutine.
func (d *desc) guarded(g *abi.GoFrame, stack unsafe.Pointer) (text unsafe.Pointer) {
	if !d.guard.Enter() {
		panic(d.guard.err)
	}
	defer d.guard.Leave()
	return d.callOn(g, stack)
}

func (d *desc) callOn(g *abi.GoFrame, stack unsafe.Pointer) (text unsafe.Pointer) {
	if d.plan.GoStackBytes == 0 {
		return d.callFrame(g)
	}
	f := abi.GoFrame{Int: g.Int, Float: g.Float, Stack: stack}
	text = d.callFrame(&f)
	g.Int, g.Float = f.Int, f.Float
	return text
}

func (d *desc) callFrame(g *abi.GoFrame) (text unsafe.Pointer) {
	p := d.plan
	words := p.StackWords
	var vp *abi.VarPlan
	var vargs []any
	var few [8]uint64
	addrs := few[:0]
	if p.Variadic {
		vargs = p.VarArgs(g)
		var err error
		if vp, err = p.PlanVariadic(vargs); err != nil {
			panic(err)
		}
		words = vp.StackWords
	}
	for i := range p.Addrs { // before there is a thread: they are the program's own methods
		addrs = append(addrs, uint64(p.Addrs[i].Addr(g)))
	}

	t := acquire()
	var c frame
	m := marshal{sp: t.sp, left: maxOnStack}
	base := t.sp
	if p.SRetSize != 0 {
		c.SRet = Pointer(m.room(p.SRetSize))
	}
	c.Stack = (*uint64)(Pointer(m.room(uintptr(8 * words))))
	p.ToC(g, &c)
	if vp != nil {
		vp.ToC(&c)
		for i := range vp.Strings {
			a := &vp.Strings[i]
			*(*uint64)(a.C.Addr(g, &c)) = m.text(a.S)
		}
	}
	for i := range p.Strings {
		a := &p.Strings[i]
		*(*uint64)(a.C.Addr(g, &c)) = m.text(*(*string)(a.Go.Addr(g, &c)))
	}
	for i, v := range addrs {
		*(*uint64)(p.Addrs[i].C.Addr(g, &c)) = v
	}
	t.sp = m.sp &^ 15
	if p.Errno {
		*(*int32)(Pointer(t.errno)) = 0
	}
	t.invoke(&c, atomic.LoadUintptr(&d.fn), d.flags&leafCall, base)
	t.sp = base
	c.Ret, c.FRet = [2]uint64{uint64(t.ret[0]), uint64(t.ret[1])}, t.fret
	p.FromC(&c, g)
	if p.Errno {
		*(*uintptr)(p.ErrnoLoc.Addr(g, &c)) = uintptr(*(*int32)(Pointer(t.errno)))
	}
	if p.ResultKind == abi.ResultString {
		s := String(t.ret[0])
		text, g.Int[1] = unsafe.Pointer(unsafe.StringData(s)), uint64(len(s))
	}
	release(t)
	runtime.KeepAlive(vargs)
	runtime.KeepAlive(m.heap)
	return text
}

// maxOnStack is how many bytes of strings are copied to the native stack in one call; others go to the Go heap.
const maxOnStack = 4 << 10

// marshal hands out room on a native stack for one call.
type marshal struct {
	sp   uintptr
	left uintptr
	heap [][]byte // what must live until the call ends
}

// room returns n bytes aligned to 16.
func (m *marshal) room(n uintptr) uintptr {
	m.sp = (m.sp - n) &^ 15
	return m.sp
}

// text returns the address of a NUL-terminated copy of s.
func (m *marshal) text(s string) uint64 {
	n := uintptr(len(s) + 1)
	var b []byte
	if n <= m.left {
		m.left -= n
		m.sp -= n
		b = Bytes(m.sp, n)
	} else {
		b = make([]byte, n)
		m.heap = append(m.heap, b)
	}
	copy(b, s)
	b[n-1] = 0
	return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
}

// invoke runs fn on t, which the caller holds. base is what t.sp goes back to if an upcall of fn panics.
func (t *thread) invoke(c *frame, fn, flags, base uintptr) {
	if t.keep != 0 {
		flags |= leafCall
	}
	invoke(t, c, fn, flags|lentCall, base)
}

// goOn resumes t after an upcall of a program (finishCall does that for calls).
//
//go:nosplit
//go:norace
func goOn(t *thread) {
	if t.keep != 0 {
		resume(t)
		return
	}
	entersyscall()
	resume(t)
	exitsyscall()
}

// Call calls the native function fn with up to six integer arguments and returns rax. It is weld's own way to call the
// C library; programs use typed functions. Pointers that are converted to uintptr in the call itself stay where they are
// until it returns.
//
//go:uintptrescapes
func Call(fn uintptr, args ...uintptr) uintptr {
	r, _ := CallErrno(fn, args...)
	return r
}

// CallErrno is Call, with the errno that the call left.
//
//go:uintptrescapes
func CallErrno(fn uintptr, args ...uintptr) (uintptr, syscall.Errno) {
	t := acquire()
	r, e := t.call(fn, args...)
	release(t) // after a panic serve has done so
	return r, e
}

// call is CallErrno on a thread that is the caller's.
//
//go:uintptrescapes
func (t *thread) call(fn uintptr, args ...uintptr) (uintptr, syscall.Errno) {
	var c frame
	for i, a := range args {
		c.Int[i] = uint64(a)
	}
	base := t.sp
	*(*int32)(Pointer(t.errno)) = 0
	t.invoke(&c, fn, 0, base)
	t.sp = base
	return t.ret[0], syscall.Errno(*(*int32)(Pointer(t.errno)))
}
