package abi

import (
	"fmt"
	"reflect"
	"syscall"
)

// Direction says which side makes the call.
type Direction uint8

const (
	Call     Direction = iota // Go calls C
	Callback                  // C calls Go
)

func (d Direction) String() string {
	if d == Callback {
		return "callback"
	}
	return "call"
}

type addresser interface{ Addr() uintptr }

var (
	anyType   = reflect.TypeFor[any]()
	addrType  = reflect.TypeFor[addresser]()
	errnoType = reflect.TypeFor[syscall.Errno]()
)

// isAddr reports whether values of t stand for the address that their Addr
// method returns.
func isAddr(t reflect.Type) bool {
	return t.Kind() == reflect.Pointer && t.Implements(addrType)
}

const (
	whyFunc  = "a Go func is no C function pointer: make one with weld.NewCallback and pass that"
	whyArray = "C passes no arrays: pass a pointer or a slice, or put the array in a struct"
)

// whyNotParam says why t cannot be a parameter; "" if it can.
func whyNotParam(t reflect.Type, dir Direction) string {
	switch t.Kind() {
	case reflect.Slice:
		if dir == Callback {
			return "a C pointer comes without a length: take *T and use unsafe.Slice"
		}
		return ""
	case reflect.String:
		return ""
	case reflect.Pointer:
		if dir == Callback && isAddr(t) {
			return "a C function pointer cannot be made one: take uintptr"
		}
		return ""
	}
	return whyNotValue(t)
}

// whyNotResult says why t cannot be a result; "" if it can.
func whyNotResult(t reflect.Type, dir Direction) string {
	switch t.Kind() {
	case reflect.Slice:
		return "a C pointer comes without a length: return *T and use unsafe.Slice"
	case reflect.String:
		if dir == Callback {
			return "nothing would own the C string: return a pointer to memory that outlives the call"
		}
		return ""
	case reflect.Pointer:
		if isAddr(t) {
			return "a C function pointer cannot be made one: use uintptr"
		}
		return ""
	}
	return whyNotValue(t)
}

// whyNotValue covers the kinds that are the same in every place.
func whyNotValue(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Func:
		return whyFunc
	case reflect.Array:
		return whyArray
	case reflect.Map, reflect.Chan, reflect.Interface:
		return "a Go " + t.Kind().String() + " has no C equivalent"
	case reflect.Struct:
		_, why := layoutOf(t, "")
		return why
	}
	return ""
}

// layout is the size and alignment of a C type.
type layout struct{ size, align uintptr }

// layoutOf computes the C layout of t and says why there is none that agrees
// with Go's. path names the field that is looked at.
func layoutOf(t reflect.Type, path string) (layout, string) {
	l := layout{t.Size(), uintptr(t.Align())}
	switch t.Kind() {
	case reflect.String, reflect.Slice, reflect.Map, reflect.Chan, reflect.Interface:
		return l, fmt.Sprintf("field %s of type %v: a Go %v inside a struct has no C equivalent", path, t, t.Kind())
	case reflect.Func:
		return l, fmt.Sprintf("field %s of type %v: %s", path, t, "a Go func is no C function pointer: use a uintptr field and weld.NewCallback")
	case reflect.Pointer:
		if isAddr(t) {
			return l, fmt.Sprintf("field %s of type %v: use a uintptr field and its Addr()", path, t)
		}
	case reflect.Array:
		e, why := layoutOf(t.Elem(), path+"[0]")
		if why != "" {
			return l, why
		}
		if t.Len() > 1 && e.size != t.Elem().Size() {
			return l, fmt.Sprintf("field %s of type %v: elements are %d bytes apart in Go and %d in C", path, t, t.Elem().Size(), e.size)
		}
		l = layout{e.size * uintptr(t.Len()), e.align}
	case reflect.Struct:
		if t.PkgPath() == "simd/archsimd" {
			return l, fmt.Sprintf("%v, in a vector register in Go, is not supported", t)
		}
		l = layout{0, 1}
		for i := range t.NumField() {
			f := t.Field(i)
			name := f.Name
			if path != "" {
				name = path + "." + name
			}
			fl, why := layoutOf(f.Type, name)
			if why != "" {
				return l, why
			}
			l.size = alignUp(l.size, fl.align)
			if l.size != f.Offset {
				return l, fmt.Sprintf("field %s lies at offset %d in Go and %d in C: Go pads a struct whose last field has size zero", name, f.Offset, l.size)
			}
			l.size += fl.size
			l.align = max(l.align, fl.align)
		}
		l.size = alignUp(l.size, l.align)
	}
	return l, ""
}

// sizeInC returns the size of the C type that a parameter or result of type t
// stands for. t has passed whyNotParam or whyNotResult.
func sizeInC(t reflect.Type) uintptr {
	switch t.Kind() {
	case reflect.String, reflect.Slice:
		return 8
	case reflect.Struct:
		l, _ := layoutOf(t, "")
		return l.size
	}
	return t.Size()
}
