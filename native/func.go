package native

import (
	"reflect"
	"runtime"
	"syscall"
	"unsafe"
	_ "unsafe" // linkname

	"weld/native/abi"
)

//go:linkname entersyscall runtime.entersyscall
func entersyscall()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()

const keepWords = 24

// desc is what a Go func value that stands for a native function points to. Assembly knows its layout.
type desc struct {
	entry uintptr
	fn    uintptr
	leaf  uintptr
	ptr   [6]uintptr // direct: offsets in the CFrame of the words that are Go pointers
	errno uintptr    // direct: the result register that gets errno
	keep  [keepWords]int
	plan  *abi.Plan
}

const (
	errnoNone = iota
	errnoAX
	errnoBX
)

// The entries. Their parameters stand for the pointers they spill, see entry_amd64.s.
func direct0()
func direct1(p unsafe.Pointer)
func direct2(p, p2 unsafe.Pointer)
func direct3(p, p2, p3 unsafe.Pointer)
func direct4(p, p2, p3, p4 unsafe.Pointer)
func direct5(p, p2, p3, p4, p5 unsafe.Pointer)
func direct6(p, p2, p3, p4, p5, p6 unsafe.Pointer)
func general(stack uintptr)
func entries(p *[8]uintptr)

var (
	directEntry  [7]uintptr
	generalEntry uintptr
)

func init() {
	var p [8]uintptr
	entries(&p)
	copy(directEntry[:], p[:7])
	generalEntry = p[7]
}

// Func is a native function as a Go func value.
type Func struct{ d *desc }

// NewFunc plans calls of the native function at addr with the C signature that the Go func type t stands for (see
// package abi). A leaf function is called without telling the scheduler: for calls that take well under a
// microsecond and do not block, since the garbage collector waits for them. The error is an *abi.SignatureError.
func NewFunc(addr uintptr, t reflect.Type, leaf bool) (*Func, error) {
	plan, err := abi.New(t, abi.Call)
	if err != nil {
		return nil, err
	}
	d := &desc{fn: addr, plan: plan}
	if leaf {
		d.leaf = 1
	}
	if !plan.Direct || !d.planDirect() {
		if err := d.planGeneral(); err != nil {
			return nil, err
		}
	}
	return &Func{d}, nil
}

func (d *desc) planDirect() bool {
	n := 0
	for i := range 9 {
		if d.plan.PointerMask&(1<<i) == 0 {
			continue
		}
		if i >= 6 {
			return false
		}
		d.ptr[n] = uintptr(8 * i)
		n++
	}
	d.entry = directEntry[n]
	switch {
	case !d.plan.Errno:
	case d.plan.ErrnoLoc == (abi.Loc{Area: abi.GoReg, Off: 0}):
		d.errno = errnoAX
	case d.plan.ErrnoLoc == (abi.Loc{Area: abi.GoReg, Off: 8}):
		d.errno = errnoBX
	default:
		return false
	}
	return len(d.plan.StackPointers) == 0 && d.plan.GoStackBytes == 0
}

func (d *desc) planGeneral() error {
	d.entry = generalEntry
	n := 0
	for i := range 9 {
		if d.plan.PointerMask&(1<<i) != 0 {
			d.keep[n] = 8*i + 8
			n++
		}
	}
	for _, off := range d.plan.StackPointers {
		if n == keepWords {
			return &abi.SignatureError{Func: d.plan.Type, Arg: abi.ArgFunc, Why: "more pointers on the stack than weld keeps alive"}
		}
		d.keep[n] = -(int(off) + 8)
		n++
	}
	return nil
}

// Pointer returns the func value as a word: what a variable of the func type holds. It is valid as long as it is
// reachable.
func (f *Func) Pointer() unsafe.Pointer { return unsafe.Pointer(f.d) }

// SetAddr makes later calls go to another address: the function itself once bound, or a closed stub.
func (f *Func) SetAddr(addr uintptr) { f.d.fn = addr }

// largeString is the length from which a string argument is copied to the Go heap and not to the native stack.
const largeString = 64 << 10

// callGeneral runs the call of the general entry: g holds the arguments and gets the results, keep holds those of
// them that are Go pointers. It returns the data of a string result, whose length is in g: the one result that is a
// new Go pointer.
func callGeneral(d *desc, g *abi.GoFrame, keep [keepWords]unsafe.Pointer) (text unsafe.Pointer) {
	var c frame
	p := d.plan
	t := acquire()
	base := t.sp
	sp := base
	var big [][]byte
	var vp *abi.VarPlan
	var vargs []any
	if p.Variadic {
		vargs = p.VarArgs(g)
		var err error
		if vp, err = p.PlanVariadic(vargs); err != nil {
			release(t)
			panic(err)
		}
	}
	if p.SRetSize != 0 {
		sp = (sp - p.SRetSize) &^ 15
		c.SRet = Pointer(sp)
	}
	words := p.StackWords
	if vp != nil {
		words = vp.StackWords
	}
	sp = (sp - uintptr(8*words)) &^ 15
	c.Stack = (*uint64)(Pointer(sp))
	p.ToC(g, &c)
	if vp != nil {
		vp.ToC(&c)
	}
	put := func(s string) uint64 {
		if len(s) >= largeString {
			b := append([]byte(s), 0)
			big = append(big, b)
			return uint64(uintptr(unsafe.Pointer(&b[0])))
		}
		sp -= uintptr(len(s) + 1)
		b := Bytes(sp, uintptr(len(s)+1))
		copy(b, s)
		b[len(s)] = 0
		return uint64(sp)
	}
	for i := range p.Strings {
		a := &p.Strings[i]
		*(*uint64)(a.C.Addr(g, &c)) = put(*(*string)(a.Go.Addr(g, &c)))
	}
	for i := range p.Addrs {
		a := &p.Addrs[i]
		*(*uint64)(a.C.Addr(g, &c)) = uint64(a.Addr(g))
	}
	if vp != nil {
		for i := range vp.Strings {
			a := &vp.Strings[i]
			*(*uint64)(a.C.Addr(g, &c)) = put(a.S)
		}
	}
	t.sp = sp &^ 15
	t.excl++ // strings and memory results are on its stack
	if p.Errno {
		*(*int32)(Pointer(t.errno)) = 0
	}
	invoke(t, &c, d.fn, d.leaf != 0, base)
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
	t.excl--
	release(t)
	runtime.KeepAlive(keep)
	runtime.KeepAlive(vargs)
	runtime.KeepAlive(big)
	return text
}

// invoke runs fn on t and serves its upcalls. base is what t.sp goes back to if one of them panics.
//
//go:nosplit
//go:norace
func invoke(t *thread, c *frame, fn uintptr, leaf bool, base uintptr) {
	if leaf {
		gate(t, c, fn)
		for t.why != whyDone {
			serve(t, base, 1)
			resume(t)
		}
		return
	}
	entersyscall()
	gate(t, c, fn)
	exitsyscall()
	for t.why != whyDone {
		serve(t, base, 1)
		entersyscall()
		resume(t)
		exitsyscall()
	}
}

// Call calls the native function fn with integer arguments and returns rax. It is weld's own way to call the C
// library; programs use typed functions. Pointers that are converted to uintptr in the call itself stay where they are
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

//go:uintptrescapes
func (t *thread) call(fn uintptr, args ...uintptr) (uintptr, syscall.Errno) {
	var c frame
	for i, a := range args {
		c.Int[i] = uint64(a)
	}
	base := t.sp
	*(*int32)(Pointer(t.errno)) = 0
	t.excl++
	invoke(t, &c, fn, false, base)
	t.excl--
	t.sp = base
	return t.ret[0], syscall.Errno(*(*int32)(Pointer(t.errno)))
}
