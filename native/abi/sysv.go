package abi

import "reflect"

// class is a psABI 3.2.3 class of an eightbyte. MEMORY is a property of the
// whole value (cHome.memory); the x87 and vector classes have no Go type.
type class uint8

const (
	noClass class = iota
	classInteger
	classSSE
)

func merge(a, b class) class {
	switch {
	case a == noClass:
		return b
	case b == noClass || a == b:
		return a
	}
	return classInteger
}

// maxInRegs is the size of the largest value that is not of class MEMORY.
const maxInRegs = 16

// classify merges the classes of a value of type t, which lies at off of a
// value of at most maxInRegs bytes, into cls.
func classify(t reflect.Type, off uintptr, cls *[2]class) {
	put := func(o uintptr, c class) { cls[o/8] = merge(cls[o/8], c) }
	switch t.Kind() {
	case reflect.Float32, reflect.Float64, reflect.Complex64:
		put(off, classSSE)
		put(off+t.Size()-1, classSSE)
	case reflect.Complex128:
		put(off, classSSE)
		put(off+8, classSSE)
	case reflect.Array:
		e := t.Elem()
		if e.Size() == 0 {
			return
		}
		for i := range t.Len() {
			classify(e, off+uintptr(i)*e.Size(), cls)
		}
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Type.Size() != 0 && !isPadding(t, i) {
				classify(f.Type, off+f.Offset, cls)
			}
		}
	default:
		put(off, classInteger)
	}
}

// isPadding reports whether field i of t is a blank array of bytes that ends
// where the next field, or t, would begin or end without it.
func isPadding(t reflect.Type, i int) bool {
	f := t.Field(i)
	if f.Name != "_" || f.Type.Kind() != reflect.Array {
		return false
	}
	if k := f.Type.Elem().Kind(); k != reflect.Uint8 && k != reflect.Int8 {
		return false
	}
	if i+1 < t.NumField() {
		next := t.Field(i + 1)
		return next.Offset == alignUp(f.Offset, uintptr(next.Type.Align()))
	}
	return t.Size() == alignUp(f.Offset, uintptr(t.Align()))
}

// cHome is where the psABI puts a value: its eightbytes in registers, or the
// whole in memory.
type cHome struct {
	size   uintptr // of the C type; 0: not passed at all
	memory bool
	mem    Loc    // memory
	eight  [2]Loc // registers of the eightbytes
}

func (h *cHome) words() int { return int(alignUp(h.size, 8) / 8) }

// at returns the place of the byte at off of the value.
func (h *cHome) at(off uintptr) Loc {
	if h.memory {
		return h.mem.add(off)
	}
	return h.eight[off/8].add(off % 8)
}

// classesOf returns the classes of a value of type t whose C type has the
// given size, and whether it is passed in registers at all. No eightbyte is
// left without a class: holes are smaller than that.
func classesOf(t reflect.Type, size uintptr) (cls [2]class, inRegs bool) {
	if size > maxInRegs {
		return cls, false
	}
	classify(t, 0, &cls)
	return cls, true
}

// cAssigner hands out argument registers and memory words in the order of
// psABI 3.2.3.
type cAssigner struct {
	ints, floats int
	words        int
}

func (a *cAssigner) assign(t reflect.Type, size uintptr) cHome {
	h := cHome{size: size}
	if size == 0 {
		return h
	}
	if cls, ok := classesOf(t, size); ok && a.take(&h, cls) {
		return h
	}
	// No Go type is aligned to more than 8 bytes.
	h.memory = true
	h.mem = Loc{CStack, uint32(8 * a.words)}
	a.words += h.words()
	return h
}

// take puts the eightbytes of h in registers if there are enough for all.
func (a *cAssigner) take(h *cHome, cls [2]class) bool {
	ints, floats := a.ints, a.floats
	for i := range h.words() {
		if cls[i] == classSSE {
			h.eight[i] = cFloat(floats)
			floats++
		} else {
			h.eight[i] = cInt(ints)
			ints++
		}
	}
	if ints > cIntRegs || floats > cFloatRegs {
		return false
	}
	a.ints, a.floats = ints, floats
	return true
}

// resultHome says where a C result of type t is returned.
func resultHome(t reflect.Type, size uintptr) cHome {
	h := cHome{size: size}
	cls, ok := classesOf(t, size)
	if !ok {
		h.memory, h.mem = true, Loc{Area: SRet}
		return h
	}
	ints, floats := 0, 0
	for i := range h.words() {
		if cls[i] == classSSE {
			h.eight[i] = cFRet(floats)
			floats++
		} else {
			h.eight[i] = cRet(ints)
			ints++
		}
	}
	return h
}
