package abi

import (
	"iter"
	"reflect"
)

// leaf is a value of a base type inside a Go value: what Go assigns to one
// register.
type leaf struct {
	off  uintptr // from the start of the value
	size uintptr
	sse  bool // floating-point
	ptr  bool // a pointer that Go's collector follows
}

// goHome is where Go's internal ABI puts a value: each leaf in a register, or
// the whole on the stack.
type goHome struct {
	size    uintptr
	onStack bool
	stack   Loc
	leaves  []leaf // of a value in registers
	regs    []Loc  // register of each leaf
}

// goAssigner hands out registers and stack slots in the order of
// cmd/compile/abi-internal.md. Arguments come first; results starts the
// second sequence.
type goAssigner struct {
	ints, floats int
	stack        uintptr
}

func alignUp(n, a uintptr) uintptr { return (n + a - 1) &^ (a - 1) }

// results ends the arguments: results use the registers anew and follow on
// the stack at a word boundary.
func (a *goAssigner) results() {
	a.ints, a.floats = 0, 0
	a.stack = alignUp(a.stack, 8)
}

func (a *goAssigner) assign(t reflect.Type) goHome {
	h := goHome{size: t.Size()}
	// A value of size zero takes no register but aligns the stack.
	if h.size != 0 {
		if leaves, ok := goLeaves(nil, t, 0); ok && a.take(&h, leaves) {
			return h
		}
	}
	a.stack = alignUp(a.stack, uintptr(t.Align()))
	h.onStack, h.stack = true, Loc{GoStack, uint32(a.stack)}
	a.stack += h.size
	return h
}

func (a *goAssigner) take(h *goHome, leaves []leaf) bool {
	ints, floats := a.ints, a.floats
	regs := make([]Loc, len(leaves))
	for i, l := range leaves {
		if l.sse {
			regs[i] = goFloat(floats)
			floats++
		} else {
			regs[i] = goInt(ints)
			ints++
		}
	}
	if ints > goIntRegs || floats > goFloatRegs {
		return false
	}
	a.ints, a.floats = ints, floats
	h.leaves, h.regs = leaves, regs
	return true
}

// goLeaves appends the leaves of a value of type t at off. It reports false
// for a value that cannot be in registers.
func goLeaves(ls []leaf, t reflect.Type, off uintptr) ([]leaf, bool) {
	if len(ls) > goIntRegs+goFloatRegs {
		return ls, false
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.UnsafePointer, reflect.Chan, reflect.Map, reflect.Func:
		return append(ls, leaf{off: off, size: 8, ptr: true}), true
	case reflect.Float32, reflect.Float64:
		return append(ls, leaf{off: off, size: t.Size(), sse: true}), true
	case reflect.Complex64, reflect.Complex128:
		n := t.Size() / 2
		return append(ls, leaf{off: off, size: n, sse: true}, leaf{off: off + n, size: n, sse: true}), true
	case reflect.String:
		return append(ls, leaf{off: off, size: 8, ptr: true}, leaf{off: off + 8, size: 8}), true
	case reflect.Slice:
		return append(ls, leaf{off: off, size: 8, ptr: true}, leaf{off: off + 8, size: 8}, leaf{off: off + 16, size: 8}), true
	case reflect.Interface:
		return append(ls, leaf{off: off, size: 8, ptr: true}, leaf{off: off + 8, size: 8, ptr: true}), true
	case reflect.Array:
		switch t.Len() {
		case 0:
			return ls, true
		case 1:
			return goLeaves(ls, t.Elem(), off)
		}
		return ls, false
	case reflect.Struct:
		// Fields of size zero have no leaves but may have such an array.
		for i := range t.NumField() {
			f := t.Field(i)
			var ok bool
			if ls, ok = goLeaves(ls, f.Type, off+f.Offset); !ok {
				return ls, false
			}
		}
		return ls, true
	}
	return append(ls, leaf{off: off, size: t.Size()}), true
}

// sizedFields yields the fields of a struct type that are not of size zero.
func sizedFields(t reflect.Type) iter.Seq[reflect.StructField] {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if f := t.Field(i); f.Type.Size() != 0 && !yield(f) {
				return
			}
		}
	}
}

// pointers appends the offsets of the pointers in a value of type t at off.
func pointers(ps []uintptr, t reflect.Type, off uintptr) []uintptr {
	switch t.Kind() {
	case reflect.Array:
		e := t.Elem()
		if e.Size() == 0 {
			return ps
		}
		for i := range t.Len() {
			ps = pointers(ps, e, off+uintptr(i)*e.Size())
		}
	case reflect.Struct:
		for f := range sizedFields(t) {
			ps = pointers(ps, f.Type, off+f.Offset)
		}
	default:
		ls, _ := goLeaves(nil, t, off)
		for _, l := range ls {
			if l.ptr {
				ps = append(ps, l.off)
			}
		}
	}
	return ps
}
