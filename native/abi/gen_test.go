package abi

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"unsafe"
)

// typeGen makes random types and values. The same seed gives the same ones.
type typeGen struct{ *rand.Rand }

func newGen(seed uint64) typeGen { return typeGen{rand.New(rand.NewPCG(seed, 0x5eed))} }

var scalarTypes = []reflect.Type{
	reflect.TypeFor[bool](), reflect.TypeFor[int8](), reflect.TypeFor[int16](), reflect.TypeFor[int32](),
	reflect.TypeFor[int64](), reflect.TypeFor[int](), reflect.TypeFor[uint8](), reflect.TypeFor[uint16](),
	reflect.TypeFor[uint32](), reflect.TypeFor[uint64](), reflect.TypeFor[uint](), reflect.TypeFor[uintptr](),
	reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[float32](), reflect.TypeFor[float64](),
	reflect.TypeFor[complex64](), reflect.TypeFor[complex128](),
	reflect.TypeFor[unsafe.Pointer](), reflect.TypeFor[*int32](),
}

var (
	stringType = reflect.TypeFor[string]()
	sliceType  = reflect.TypeFor[[]uint16]()
	goTypes    = []reflect.Type{stringType, sliceType, anyType}
)

func (g typeGen) scalar() reflect.Type { return scalarTypes[g.IntN(len(scalarTypes))] }

// structType makes a struct of up to five fields, nested at most depth deep.
func (g typeGen) structType(depth int, leaf func() reflect.Type) reflect.Type {
	var fs []reflect.StructField
	n := 1 + g.IntN(4)
	if g.IntN(20) == 0 {
		n = 0
	}
	for i := range n {
		t := leaf()
		switch k := g.IntN(8); {
		case k == 0 && depth > 0:
			t = g.structType(depth-1, leaf)
		case k == 1:
			t = reflect.ArrayOf(g.IntN(4), t)
		case k == 2 && depth > 0:
			t = reflect.ArrayOf(g.IntN(3), g.structType(depth-1, leaf))
		}
		fs = append(fs, reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: t})
	}
	return reflect.StructOf(fs)
}

// value makes a type that may be passed and returned by value.
func (g typeGen) value() reflect.Type {
	if g.IntN(3) == 0 {
		return g.structType(2, g.scalar)
	}
	return g.scalar()
}

// anyGoType makes any type at all.
func (g typeGen) anyGoType() reflect.Type {
	leaf := func() reflect.Type {
		if g.IntN(6) == 0 {
			return goTypes[g.IntN(len(goTypes))]
		}
		return g.scalar()
	}
	switch g.IntN(6) {
	case 0, 1:
		return g.structType(2, leaf)
	case 2:
		return reflect.ArrayOf(g.IntN(4), leaf())
	}
	return leaf()
}

// pathLeaf is a value of a base type inside another. Its path is a selector
// that both Go and C understand.
type pathLeaf struct {
	path string
	off  uintptr
	typ  reflect.Type
}

func leavesOf(t reflect.Type) []pathLeaf { return appendLeaves(nil, t, "", 0) }

func appendLeaves(ls []pathLeaf, t reflect.Type, path string, off uintptr) []pathLeaf {
	switch t.Kind() {
	case reflect.Array:
		for i := range t.Len() {
			ls = appendLeaves(ls, t.Elem(), fmt.Sprintf("%s[%d]", path, i), off+uintptr(i)*t.Elem().Size())
		}
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			ls = appendLeaves(ls, f.Type, path+"."+f.Name, off+f.Offset)
		}
	default:
		ls = append(ls, pathLeaf{path, off, t})
	}
	return ls
}

// nowhere is an address that belongs to nobody, the Go heap least of all.
const nowhere = 0x6000_0000_0000

// fill stores a random value at p, memory of type t. Strings are empty but
// have a pointer, interfaces are nil.
func (g typeGen) fill(t reflect.Type, p unsafe.Pointer) {
	for _, l := range leavesOf(t) {
		at := unsafe.Add(p, l.off)
		ptr := nowhere + uint64(g.Uint32())*8
		switch l.typ.Kind() {
		case reflect.Bool:
			*(*uint8)(at) = uint8(g.IntN(2))
		case reflect.Pointer, reflect.UnsafePointer:
			*(*uint64)(at) = ptr
		case reflect.String:
			*(*[2]uint64)(at) = [2]uint64{ptr, 0}
		case reflect.Slice:
			*(*[3]uint64)(at) = [3]uint64{ptr, uint64(g.IntN(9)), 9}
		case reflect.Interface:
			*(*[2]uint64)(at) = [2]uint64{}
		case reflect.Float32, reflect.Complex64:
			for i := range l.typ.Size() / 4 {
				*(*float32)(unsafe.Add(at, 4*i)) = float32(g.NormFloat64())
			}
		case reflect.Float64, reflect.Complex128:
			for i := range l.typ.Size() / 8 {
				*(*float64)(unsafe.Add(at, 8*i)) = g.NormFloat64() * math.Pi
			}
		default:
			bits := g.Uint64()
			copy(memory(at, l.typ.Size()), memory(unsafe.Pointer(&bits), 8))
		}
	}
}

// newValue makes a random value of type t.
func (g typeGen) newValue(t reflect.Type) reflect.Value {
	v := reflect.New(t)
	g.fill(t, v.UnsafePointer())
	return v.Elem()
}

func memory(p unsafe.Pointer, n uintptr) []byte { return unsafe.Slice((*byte)(p), n) }

// image returns the memory of v, padding included.
func image(v reflect.Value) []byte {
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	return append([]byte(nil), memory(p.UnsafePointer(), v.Type().Size())...)
}

// leafBytes returns the memory of v without its padding.
func leafBytes(v reflect.Value) []byte {
	m := image(v)
	var b []byte
	for _, l := range leavesOf(v.Type()) {
		b = append(b, m[l.off:l.off+l.typ.Size()]...)
	}
	return b
}
