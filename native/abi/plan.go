package abi

import (
	"fmt"
	"reflect"
	"slices"
	"unsafe"
)

// MaxStackWords is the largest number of 8-byte words that the memory
// arguments of one C call, or a result returned in memory, may take.
const MaxStackWords = 256

// ResultKind says how a C function returns its result.
type ResultKind uint8

const (
	ResultNone    ResultKind = iota // void, or a struct of size zero
	ResultInt                       // rax: integers, bool, pointers
	ResultFloat                     // xmm0: float, double
	ResultComplex                   // xmm0, or xmm0 and xmm1
	ResultStruct                    // a mix of rax, rdx, xmm0, xmm1
	ResultMemory                    // a struct in memory whose address the caller passes
	ResultString                    // rax: a char * of which the caller of FromC makes a Go string in GoFrame.Int[0] and [1]
)

// StringArg is a string parameter. For a call, ToC stores 0 at C and the gate
// stores there the address of a NUL-terminated copy of the string whose
// pointer is at Go and length in the word after it. For a callback, FromCArgs
// stores an empty string at Go and the gate puts there one made of the char *
// at C.
type StringArg struct {
	Arg int // index of the parameter
	Go  Loc
	C   Loc
}

// AddrArg is a parameter of a pointer type that has a method Addr() uintptr.
// ToC stores 0 at C and the gate stores there what Addr returns.
type AddrArg struct {
	Arg  int // index of the parameter
	Type reflect.Type
	Go   Loc
	C    Loc
}

// Addr calls the Addr method of the argument in g. It returns 0 for a nil
// pointer.
func (a AddrArg) Addr(g *GoFrame) uintptr {
	p := *(*unsafe.Pointer)(a.Go.Addr(g, nil))
	if p == nil {
		return 0
	}
	return reflect.NewAt(a.Type.Elem(), p).Interface().(addresser).Addr()
}

// Plan says how calls through one func type are converted. It is fixed once
// made and may be used from any number of goroutines; its fields must not be
// written to.
type Plan struct {
	Type reflect.Type
	Dir  Direction

	// Direct: argument register i of one side is argument register i of the
	// other, for integers and floats alike, and so is the result register;
	// nothing is on a stack, extended, copied or looked up. None of the
	// conversion methods need be called. ResultKind is ResultNone, ResultInt
	// or ResultFloat. There may be an errno result.
	Direct bool

	NInt       int // C integer argument registers in use, the one for SRet included
	NFloat     int // C vector argument registers in use by the fixed arguments
	StackWords int // 8-byte words of memory arguments, the variable ones excluded

	SRetSize     uintptr // bytes of a result returned in memory; 0: there is none
	GoStackBytes uintptr // stack-assigned arguments and results, in whole words

	// PointerMask has bit i set where GoFrame.Int[i] holds a Go pointer at
	// the start of the call; StackPointers are the offsets of those in
	// GoFrame.Stack. What they point to must be kept alive for the call.
	PointerMask   uint16
	StackPointers []uintptr

	ResultKind ResultKind
	Errno      bool // the last result is a syscall.Errno ...
	ErrnoLoc   Loc  // ... to be stored here after FromC, or read here before ToCResult

	Strings []StringArg
	Addrs   []AddrArg

	Variadic bool // the last parameter is ...any: see VarArgs and PlanVariadic
	varLoc   Loc

	c         cAssigner // state after the fixed arguments
	block     bool      // copy all argument registers before args
	args, res moves
}

// New plans the calls through the func type t in the given direction. The
// error is a *SignatureError.
func New(t reflect.Type, dir Direction) (*Plan, error) {
	if t == nil || t.Kind() != reflect.Func {
		return nil, &SignatureError{Func: t, Arg: ArgFunc, Why: "not a func type"}
	}
	p := &Plan{Type: t, Dir: dir}
	result, err := p.splitResults()
	if err != nil {
		return nil, err
	}
	var rc cHome
	if result != nil {
		rc = resultHome(result, sizeInC(result))
		if rc.memory {
			if rc.words() > MaxStackWords {
				return nil, p.errorf(ArgResult, result, "%d bytes; at most %d are returned", rc.size, 8*MaxStackWords)
			}
			p.SRetSize = rc.size
			p.c.ints = 1 // the address of the result goes first
		}
	}
	var ga goAssigner
	for i := range t.NumIn() {
		if err := p.param(i, &ga); err != nil {
			return nil, err
		}
	}
	ga.results()
	if result != nil {
		p.result(result, ga.assign(result), rc)
	}
	if p.Errno {
		h := ga.assign(errnoType)
		if p.ErrnoLoc = h.stack; !h.onStack {
			p.ErrnoLoc = h.regs[0]
		}
	}
	p.GoStackBytes = alignUp(ga.stack, 8)
	p.NInt, p.NFloat, p.StackWords = p.c.ints, p.c.floats, p.c.words
	p.Direct = p.direct()
	// Copying every register at once costs what two moves cost.
	if rest := slices.DeleteFunc(slices.Clone(p.args), p.same); len(rest)+2 <= len(p.args) {
		p.block, p.args = true, rest
	}
	return p, nil
}

func (p *Plan) errorf(arg int, t reflect.Type, format string, args ...any) error {
	return &SignatureError{Func: p.Type, Arg: arg, Type: t, Why: fmt.Sprintf(format, args...)}
}

// splitResults returns the type of the C result, nil if there is none, and
// notes whether there is an errno.
func (p *Plan) splitResults() (reflect.Type, error) {
	n := p.Type.NumOut()
	if n > 0 && p.Type.Out(n-1) == errnoType {
		p.Errno = true
		n--
	}
	switch {
	case n == 0:
		return nil, nil
	case n > 1:
		return nil, p.errorf(ArgResult, p.Type.Out(1), "a C function has one result; a second one can only be a syscall.Errno, as the last")
	}
	t := p.Type.Out(0)
	if why := whyNotResult(t, p.Dir); why != "" {
		return nil, p.errorf(ArgResult, t, "%s", why)
	}
	return t, nil
}

// param assigns parameter i on both sides and adds its moves.
func (p *Plan) param(i int, ga *goAssigner) error {
	t := p.Type.In(i)
	if p.Type.IsVariadic() && i == p.Type.NumIn()-1 {
		if p.Dir == Callback {
			return p.errorf(i, t, "the types of variable arguments are unknown in a callback")
		}
		if t.Elem() != anyType {
			return p.errorf(i, t, "variable arguments are written ...any")
		}
		h := ga.assign(t)
		p.Variadic, p.varLoc = true, h.first()
		p.notePointers(t, h)
		return nil
	}
	if why := whyNotParam(t, p.Dir); why != "" {
		return p.errorf(i, t, "%s", why)
	}
	ch := p.c.assign(t, sizeInC(t))
	if p.c.words > MaxStackWords {
		return p.errorf(i, t, "the arguments up to this one take %d words of stack; at most %d are passed", p.c.words, MaxStackWords)
	}
	gh := ga.assign(t)
	p.notePointers(t, gh)
	switch {
	case t.Kind() == reflect.String:
		s := StringArg{i, gh.first(), ch.at(0)}
		p.Strings = append(p.Strings, s)
		if p.Dir == Call {
			p.args.zero(s.C)
			return nil
		}
		p.args.zero(s.Go)
		if gh.onStack {
			p.args.zero(s.Go.add(8))
		} else {
			p.args.zero(gh.regs[1])
		}
	case p.Dir == Callback:
		p.args.toGo(t, ch, gh)
	case isAddr(t):
		a := AddrArg{i, t, gh.first(), ch.at(0)}
		p.Addrs = append(p.Addrs, a)
		p.args.zero(a.C)
	case t.Kind() == reflect.Slice:
		p.args.add(opWord, gh.first(), ch.at(0))
	default:
		p.args.toC(t, gh, ch)
	}
	return nil
}

// first returns the place of the first word of a value that has one.
func (h *goHome) first() Loc {
	if h.onStack {
		return h.stack
	}
	return h.regs[0]
}

func (p *Plan) notePointers(t reflect.Type, h goHome) {
	if h.onStack {
		p.StackPointers = pointers(p.StackPointers, t, uintptr(h.stack.Off))
		return
	}
	for i, l := range h.leaves {
		if l.ptr {
			p.PointerMask |= 1 << (h.regs[i].Off / 8)
		}
	}
}

func (p *Plan) result(t reflect.Type, gh goHome, ch cHome) {
	switch k := t.Kind(); {
	case ch.size == 0:
		return
	case ch.memory:
		p.ResultKind = ResultMemory
	case k == reflect.String:
		p.ResultKind = ResultString
		return
	case k == reflect.Struct:
		p.ResultKind = ResultStruct
	case k == reflect.Complex64 || k == reflect.Complex128:
		p.ResultKind = ResultComplex
	case k == reflect.Float32 || k == reflect.Float64:
		p.ResultKind = ResultFloat
	default:
		p.ResultKind = ResultInt
	}
	if p.Dir == Call {
		p.res.toGo(t, ch, gh)
	} else {
		p.res.toC(t, gh, ch)
	}
}

// same reports whether m takes an argument register of one side to the one of
// the same number and kind on the other.
func (p *Plan) same(m move) bool {
	g, c := Loc{m.from, m.fromOff}, Loc{m.to, m.toOff}
	if p.Dir == Callback {
		g, c = c, g
	}
	i := int(g.Off / 8)
	if i < goIntRegs {
		return m.op == opWord && g == goInt(i) && c == cInt(i) && i < cIntRegs
	}
	i -= goIntRegs
	return m.op == opWord && g == goFloat(i) && c == cFloat(i) && i < cFloatRegs
}

func (p *Plan) direct() bool {
	if p.StackWords > 0 || p.Variadic || p.ResultKind > ResultFloat {
		return false
	}
	for _, m := range p.args {
		if !p.same(m) {
			return false
		}
	}
	if p.Dir == Call {
		return true // Go ignores the upper bits of its registers, and C leaves a bool as 0 or 1
	}
	for _, m := range p.res {
		if m.op != opWord {
			return false
		}
	}
	return true
}

// ToC converts the arguments of a call. c.Stack must have room for StackWords
// words, and c.SRet be set if SRetSize is not 0. It sets NFloat and NStack;
// registers that carry no argument hold anything afterwards.
//
//go:nosplit
func (p *Plan) ToC(g *GoFrame, c *CFrame) {
	c.NFloat = uint64(p.NFloat)
	c.NStack = uint64(p.StackWords)
	if p.block {
		c.Int = [cIntRegs]uint64(g.Int[:])
		c.Float = [cFloatRegs]uint64(g.Float[:])
	}
	run(p.args, g, c, c.Stack)
	if p.SRetSize != 0 {
		c.Int[0] = uint64(uintptr(c.SRet))
	}
}

// FromC converts the result of a call. An errno and a string result are left
// to the caller.
//
//go:nosplit
func (p *Plan) FromC(c *CFrame, g *GoFrame) {
	run(p.res, g, c, c.Stack)
}

// FromCArgs converts the arguments of a callback. cstack points to the memory
// arguments: at entry of the function, the word above the return address.
// g.Stack must have room for GoStackBytes.
//
//go:nosplit
func (p *Plan) FromCArgs(c *CFrame, cstack *uint64, g *GoFrame) {
	if p.SRetSize != 0 {
		c.SRet = *(*unsafe.Pointer)(unsafe.Pointer(&c.Int[0]))
	}
	if p.block {
		*(*[cIntRegs]uint64)(g.Int[:]) = c.Int
		*(*[cFloatRegs]uint64)(g.Float[:]) = c.Float
	}
	run(p.args, g, c, cstack)
}

// ToCResult converts the result of a callback. c.SRet must be what FromCArgs
// left in it. An errno result is left to the caller.
//
//go:nosplit
func (p *Plan) ToCResult(g *GoFrame, c *CFrame) {
	run(p.res, g, c, c.Stack)
	if p.SRetSize != 0 {
		c.Ret[0] = uint64(uintptr(c.SRet))
	}
}
