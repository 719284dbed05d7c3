package abi

import "reflect"

// toC adds the moves of a value of type t from its place in Go to that in C.
func (ms *moves) toC(t reflect.Type, from goHome, to cHome) {
	switch t.Kind() {
	case reflect.Struct, reflect.Complex64, reflect.Complex128:
		if to.size != 0 {
			ms.aggregateToC(from, to)
		}
	default:
		ms.add(extension(t, from.onStack), from.first(), to.at(0))
	}
}

// extension returns the op that makes a C argument or result of a scalar.
func extension(t reflect.Type, onStack bool) op {
	signed := false
	switch t.Kind() {
	case reflect.Int8, reflect.Int16, reflect.Int32:
		signed = true
	}
	switch size := t.Size(); {
	case size == 1 && signed:
		return opSx1
	case size == 1:
		return opZx1
	case size == 2 && signed:
		return opSx2
	case size == 2:
		return opZx2
	case size == 4 && onStack && signed:
		return opSx4
	case size == 4 && onStack:
		return opZx4
	}
	return opWord
}

func (ms *moves) aggregateToC(from goHome, to cHome) {
	// Stack words and registers are written whole; the memory of a result
	// belongs to the caller, who may keep something else behind its end.
	whole := to.at(0).Area != SRet
	if from.onStack {
		if !to.memory {
			for off := uintptr(0); off < to.size; off += 8 {
				ms.load(from.stack.add(off), to.at(off), min(8, to.size-off))
			}
			return
		}
		if whole && to.size%8 != 0 {
			ms.zero(to.at(to.size &^ 7))
		}
		ms.copy(from.stack, to.mem, to.size)
		return
	}
	for off := uintptr(0); off < to.size; off += 8 {
		if whole && !from.hasWord(off) {
			ms.zero(to.at(off))
		}
	}
	for i, l := range from.leaves {
		ms.copy(from.regs[i], to.at(l.off), l.size)
	}
}

// hasWord reports whether a leaf of 8 bytes lies at off.
func (h *goHome) hasWord(off uintptr) bool {
	for _, l := range h.leaves {
		if l.off == off {
			return l.size == 8
		}
	}
	return false
}

// toGo adds the moves of a value of type t from its place in C to that in Go.
func (ms *moves) toGo(t reflect.Type, from cHome, to goHome) {
	switch k := t.Kind(); {
	case k == reflect.Struct || k == reflect.Complex64 || k == reflect.Complex128:
		ms.aggregateToGo(from, to)
	case to.onStack && k == reflect.Bool:
		ms.add(opBool1, from.at(0), to.stack)
	case to.onStack:
		ms.copy(from.at(0), to.stack, to.size)
	case k == reflect.Bool:
		ms.add(opBool, from.at(0), to.regs[0])
	default:
		ms.add(extension(t, from.memory), from.at(0), to.regs[0])
	}
}

func (ms *moves) aggregateToGo(from cHome, to goHome) {
	switch {
	case !to.onStack:
		for i, l := range to.leaves {
			ms.load(from.at(l.off), to.regs[i], l.size)
		}
	case from.memory:
		ms.copy(from.mem, to.stack, from.size)
	default:
		for off := uintptr(0); off < from.size; off += 8 {
			ms.copy(from.at(off), to.stack.add(off), min(8, from.size-off))
		}
	}
}
