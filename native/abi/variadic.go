package abi

import (
	"math"
	"reflect"
	"unsafe"
)

// VarString is a string among variable arguments: the gate stores at C the
// address of a NUL-terminated copy of S.
type VarString struct {
	Arg int // index among the variable arguments
	S   string
	C   Loc
}

// VarPlan holds the variable arguments of one call, ready to be stored. It
// holds addresses as plain words: the argument values must be kept reachable
// for the call.
type VarPlan struct {
	StackWords int // words of memory arguments, fixed and variable
	NFloat     int // vector registers in use, by fixed and variable arguments
	Strings    []VarString

	words []varWord
}

type varWord struct {
	to  Loc
	val uint64
}

// VarArgs returns the variable arguments that g holds, nil if there are none
// or the func type is not variadic. The slice is that of the caller.
func (p *Plan) VarArgs(g *GoFrame) []any {
	if !p.Variadic {
		return nil
	}
	var data unsafe.Pointer
	var n int
	if p.varLoc.Area == GoReg {
		i := p.varLoc.Off / 8
		data = *(*unsafe.Pointer)(unsafe.Pointer(&g.Int[i]))
		n = int(g.Int[i+1])
	} else {
		at := unsafe.Add(g.Stack, p.varLoc.Off)
		data = *(*unsafe.Pointer)(at)
		n = *(*int)(unsafe.Add(at, 8))
	}
	return unsafe.Slice((*any)(data), n)
}

// PlanVariadic assigns variable arguments after the fixed ones, each by its
// dynamic type: bool and integers of less than 32 bits become int, float32
// becomes double (C 6.5.2.2), nil is a null pointer, and the rest is as for
// parameters, structs included. The error is a *SignatureError whose Arg
// counts the fixed arguments too.
func (p *Plan) PlanVariadic(args []any) (*VarPlan, error) {
	v := &VarPlan{}
	a := p.c
	for i, arg := range args {
		n := p.Type.NumIn() - 1 + i
		if arg == nil {
			v.store(a.assign(reflect.TypeFor[unsafe.Pointer](), 8), 0)
		} else if err := p.variable(v, &a, i, n, reflect.ValueOf(arg)); err != nil {
			return nil, err
		}
		if a.words > MaxStackWords {
			return nil, p.errorf(n, reflect.TypeOf(arg), "the arguments up to this one take %d words of stack; at most %d are passed", a.words, MaxStackWords)
		}
	}
	v.StackWords, v.NFloat = a.words, a.floats
	return v, nil
}

func (p *Plan) variable(v *VarPlan, a *cAssigner, i, n int, val reflect.Value) error {
	t := val.Type()
	switch k := t.Kind(); {
	case isAddr(t):
		addr := uintptr(0)
		if !val.IsNil() {
			addr = val.Interface().(addresser).Addr()
		}
		v.store(a.assign(t, 8), uint64(addr))
		return nil
	case k == reflect.String:
		h := a.assign(t, 8)
		v.store(h, 0)
		v.Strings = append(v.Strings, VarString{i, val.String(), h.at(0)})
		return nil
	case k == reflect.Slice:
		v.store(a.assign(t, 8), uint64(uintptr(val.UnsafePointer())))
		return nil
	case k == reflect.Bool:
		v.store(a.assign(t, 8), truthOf(val.Bool()))
		return nil
	case val.CanInt():
		v.store(a.assign(t, 8), uint64(val.Int()))
		return nil
	case val.CanUint():
		v.store(a.assign(t, 8), val.Uint())
		return nil
	case val.CanFloat():
		v.store(a.assign(reflect.TypeFor[float64](), 8), math.Float64bits(val.Float()))
		return nil
	}
	if why := whyNotParam(t, Call); why != "" {
		return p.errorf(n, t, "%s", why)
	}
	// What is left is pointers, complex numbers and structs, which are passed
	// as they lie in memory.
	h := a.assign(t, sizeInC(t))
	if h.words() > MaxStackWords {
		return nil // refused by the caller
	}
	image := reflect.New(t)
	image.Elem().Set(val)
	words := make([]uint64, h.words())
	for o := range h.size {
		b := *(*byte)(unsafe.Add(image.UnsafePointer(), o))
		words[o/8] |= uint64(b) << (o % 8 * 8)
	}
	v.store(h, words...)
	return nil
}

func (v *VarPlan) store(h cHome, words ...uint64) {
	for i, w := range words {
		v.words = append(v.words, varWord{h.at(uintptr(8 * i)), w})
	}
}

func truthOf(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// ToC stores the variable arguments in c; Plan.ToC must have been called
// before. c.Stack must have room for v.StackWords words. It sets NFloat and
// NStack.
//
//go:nosplit
//go:nocheckptr
func (v *VarPlan) ToC(c *CFrame) {
	c.NFloat = uint64(v.NFloat)
	c.NStack = uint64(v.StackWords)
	for i := range v.words {
		w := &v.words[i]
		base := unsafe.Pointer(c)
		if w.to.Area == CStack {
			base = unsafe.Pointer(c.Stack)
		}
		*(*uint64)(unsafe.Add(base, w.to.Off)) = w.val
	}
}
