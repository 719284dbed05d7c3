package cproto

import (
	"reflect"
	"syscall"
)

var (
	anySliceType = reflect.TypeFor[[]any]()
	errnoType    = reflect.TypeFor[syscall.Errno]()
)

// GoType gives the Go function type under which the function can be called through weld.MakeFunc: integers, floating
// and complex numbers as the Go type of the same size and sign, pointers as uintptr (of memory that a [Value] keeps), a
// struct or union as a Go struct that has its size and, eightbyte by eightbyte, its psABI class (section 3.2.3). A
// variadic function ends in ...any. With errno set there is a last result of type syscall.Errno.
func (p *Prototype) GoType(errno bool) reflect.Type {
	var in, out []reflect.Type
	for _, param := range p.Params {
		in = append(in, param.Type.goType())
	}
	if p.Variadic {
		in = append(in, anySliceType)
	}
	if p.Result.Kind != Void {
		out = append(out, p.Result.goType())
	}
	if errno {
		out = append(out, errnoType)
	}
	return reflect.FuncOf(in, out, p.Variadic)
}

var (
	signedTypes = map[uintptr]reflect.Type{1: reflect.TypeFor[int8](), 2: reflect.TypeFor[int16](),
		4: reflect.TypeFor[int32](), 8: reflect.TypeFor[int64]()}
	unsignedTypes = map[uintptr]reflect.Type{1: reflect.TypeFor[uint8](), 2: reflect.TypeFor[uint16](),
		4: reflect.TypeFor[uint32](), 8: reflect.TypeFor[uint64]()}
	floatTypes   = map[uintptr]reflect.Type{4: reflect.TypeFor[float32](), 8: reflect.TypeFor[float64]()}
	complexTypes = map[uintptr]reflect.Type{8: reflect.TypeFor[complex64](), 16: reflect.TypeFor[complex128]()}
)

// goType is the Go type a value of t is passed as. The parser has made sure that t can be passed.
func (t Type) goType() reflect.Type {
	switch t.Kind {
	case Bool:
		return reflect.TypeFor[bool]()
	case Int:
		if t.Signed {
			return signedTypes[t.Size]
		}
		return unsignedTypes[t.Size]
	case Float:
		return floatTypes[t.Size]
	case Complex:
		return complexTypes[t.Size]
	case Struct, Union:
		return t.goStruct()
	}
	return reflect.TypeFor[uintptr]()
}

// class is what the psABI calls the class of an eightbyte, without those that do not occur here.
type class uint8

const (
	noClass class = iota
	sse
	integer
)

// goStruct gives a Go struct with one field an eightbyte, or, above two of them (class MEMORY), with one field.
func (t Type) goStruct() reflect.Type {
	unit := unsignedTypes[t.Align]
	field := func(name string, unit reflect.Type, bytes uintptr) reflect.StructField {
		if n := bytes / unit.Size(); n != 1 {
			unit = reflect.ArrayOf(int(n), unit)
		}
		return reflect.StructField{Name: name, Type: unit}
	}
	if t.Size > 16 {
		return reflect.StructOf([]reflect.StructField{field("Memory", unit, t.Size)})
	}
	var classes [2]class
	t.classify(0, &classes)
	var fields []reflect.StructField
	for i, name := range []string{"Low", "High"} {
		at := uintptr(i) * 8
		if at >= t.Size {
			break
		}
		u := unit
		if classes[i] == sse {
			u = floatTypes[max(t.Align, 4)]
		}
		fields = append(fields, field(name, u, min(8, t.Size-at)))
	}
	return reflect.StructOf(fields)
}

// classify merges the classes of t's scalars, t being at an offset of at, into those of the eightbytes.
func (t Type) classify(at uintptr, classes *[2]class) {
	switch t.Kind {
	case Struct, Union:
		for _, f := range t.Fields {
			f.Type.classify(at+f.Offset, classes)
		}
	case Array:
		for i := range uintptr(t.Len) {
			t.Elem.classify(at+i*t.Elem.Size, classes)
		}
	case Float:
		classes[at/8] = max(classes[at/8], sse)
	case Complex:
		classes[at/8] = max(classes[at/8], sse)
		classes[(at+t.Size/2)/8] = max(classes[(at+t.Size/2)/8], sse)
	default:
		classes[at/8] = max(classes[at/8], integer)
	}
}
