package ctype

import (
	"fmt"
	"reflect"
)

// addresser is what a Go type that stands for a C function pointer has, such as *weld.Callback.
type addresser interface{ Addr() uintptr }

// functyper is what such a type has that says which Go func stands behind it, also as a nil pointer, such as
// *weld.CallbackOf.
type functyper interface{ FuncType() reflect.Type }

var (
	addrType     = reflect.TypeFor[addresser]()
	anySliceType = reflect.TypeFor[[]any]()
)

// isErrno reports whether t is syscall.Errno, which is no type of C here; it has that name on every system.
func isErrno(t reflect.Type) bool { return t.PkgPath() == "syscall" && t.Name() == "Errno" }

// isAddr reports whether t stands for a function pointer.
func isAddr(t reflect.Type) bool { return t.Kind() == reflect.Pointer && t.Implements(addrType) }

// OfGo returns the C type that a Go type stands for in calls (package weld/native/abi has the table): of a func type the
// function, of a struct type the struct of the same fields. A struct has the Go type's name as its tag, so compare with
// [Check], which does not look at it. The error says what has no C equivalent.
func OfGo(t reflect.Type) (*Type, error) {
	g := goTypes{made: map[reflect.Type]*Type{}}
	if t.Kind() == reflect.Func {
		return g.function(t)
	}
	return g.value(t)
}

// goTypes makes C types of Go's.
type goTypes struct{ made map[reflect.Type]*Type }

func (g *goTypes) function(t reflect.Type) (*Type, error) {
	f := &Type{Kind: Func, Size: -1, Elem: voidType}
	for i := range t.NumIn() {
		in := t.In(i)
		if i == t.NumIn()-1 && t.IsVariadic() {
			if in != anySliceType {
				return nil, fmt.Errorf("argument %d: only ...any stands for variable arguments", i+1)
			}
			f.Variadic = true
			break
		}
		p, err := g.param(in)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		f.Params = append(f.Params, Param{Type: p})
	}
	outs := t.NumOut()
	if outs > 0 && isErrno(t.Out(outs-1)) {
		outs--
	}
	if outs > 1 {
		return nil, fmt.Errorf("%d results: C has one", outs)
	}
	if outs == 1 {
		r, err := g.param(t.Out(0))
		if err != nil {
			return nil, fmt.Errorf("result: %w", err)
		}
		f.Elem = r
	}
	return f, nil
}

// param is value for what stands for a pointer where it is passed.
func (g *goTypes) param(t reflect.Type) (*Type, error) {
	switch t.Kind() {
	case reflect.String:
		return PointerTo(&Type{Kind: Qualified, Quals: Const, Elem: charType, Size: 1}), nil
	case reflect.Slice:
		e, err := g.value(t.Elem())
		if err != nil {
			return nil, err
		}
		return PointerTo(e), nil
	case reflect.Array:
		return nil, fmt.Errorf("%v: C passes no arrays", t)
	}
	return g.value(t)
}

var charType = &Type{Kind: Int, Name: "char", Size: 1, Signed: true}

var scalarTypes = map[reflect.Kind]*Type{
	reflect.Bool: {Kind: Bool, Name: "_Bool", Size: 1},
	reflect.Int8: {Kind: Int, Name: "int8_t", Size: 1, Signed: true}, reflect.Uint8: {Kind: Int, Name: "uint8_t", Size: 1},
	reflect.Int16: {Kind: Int, Name: "int16_t", Size: 2, Signed: true}, reflect.Uint16: {Kind: Int, Name: "uint16_t", Size: 2},
	reflect.Int32: {Kind: Int, Name: "int", Size: 4, Signed: true}, reflect.Uint32: {Kind: Int, Name: "unsigned int", Size: 4},
	reflect.Int64: {Kind: Int, Name: "long", Size: 8, Signed: true}, reflect.Uint64: {Kind: Int, Name: "unsigned long", Size: 8},
	reflect.Int: {Kind: Int, Name: "long", Size: 8, Signed: true}, reflect.Uint: {Kind: Int, Name: "unsigned long", Size: 8},
	reflect.Uintptr: {Kind: Int, Name: "uintptr_t", Size: 8},
	reflect.Float32: {Kind: Float, Name: "float", Size: 4, Format: Binary32}, reflect.Float64: {Kind: Float, Name: "double", Size: 8, Format: Binary64},
	reflect.Complex64: {Kind: Complex, Name: "float _Complex", Size: 8, Format: Binary32}, reflect.Complex128: {Kind: Complex, Name: "double _Complex", Size: 16, Format: Binary64},
	reflect.UnsafePointer: {Kind: Pointer, Size: 8, Elem: voidType},
}

func (g *goTypes) value(t reflect.Type) (*Type, error) {
	if s := scalarTypes[t.Kind()]; s != nil {
		return s, nil
	}
	if made := g.made[t]; made != nil {
		return made, nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		if isAddr(t) {
			return PointerTo(&Type{Kind: Func, Size: -1, Elem: voidType, Unchecked: true}), nil
		}
		p := &Type{Kind: Pointer, Size: 8}
		g.made[t] = p // for a struct that points to itself
		e, err := g.value(t.Elem())
		if err != nil { // what is pointed to need not be C's
			e = voidType
		}
		p.Elem = e
		return p, nil
	case reflect.Array:
		e, err := g.value(t.Elem())
		if err != nil {
			return nil, err
		}
		return &Type{Kind: Array, Elem: e, Len: int64(t.Len()), Size: int64(t.Size())}, nil
	case reflect.Struct:
		s := &Type{Kind: Struct, Name: t.Name(), Size: int64(t.Size()), body: &body{}}
		g.made[t] = s
		for i := range t.NumField() {
			f := t.Field(i)
			ft, err := g.value(f.Type)
			if err != nil {
				delete(g.made, t)
				return nil, fmt.Errorf("field %s: %w", f.Name, err)
			}
			if f.Name == "_" && ft.Kind == Array && ft.Elem.Size == 1 {
				continue // padding
			}
			s.body.members = append(s.body.members, Member{Name: f.Name, Type: ft, Offset: int64(f.Offset) * 8})
		}
		return s, nil
	case reflect.Func:
		return nil, fmt.Errorf("%v: a Go func is no C function pointer: weld.NewCallback makes one", t)
	}
	return nil, fmt.Errorf("%v: a Go %v has no C equivalent", t, t.Kind())
}
