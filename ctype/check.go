package ctype

import (
	"fmt"
	"reflect"
	"strings"
)

// Direction says which side calls.
type Direction uint8

const (
	Call     Direction = iota // Go calls C
	Callback                  // C calls Go
)

// Mismatch is a place where a Go type is not what C wants.
type Mismatch struct {
	Arg   int    // from 0; -1: the result; -2: the whole
	Where string // "argument 2", "result", or "" for the whole
	C, Go string // the types, as they are written
	Text  string // the difference in words, with Where
}

// MismatchError says how a Go func type differs from the C function that it stands for.
type MismatchError struct {
	C   *Type
	Go  reflect.Type
	All []Mismatch // in order
}

func (e *MismatchError) Error() string {
	var list []string
	for _, m := range e.All {
		list = append(list, m.Text)
	}
	return strings.Join(list, "; ")
}

// Check says whether calls under the Go func type g fit the C function type c: the number of arguments, and of each the
// size, sign, kind and, behind pointers, the layout of structs as far as it is known. What it takes:
//
//   - an integer of the same size and sign; either sign for plain char and for enums; bool or uint8 for _Bool
//   - float32, float64, complex64, complex128 for what has the same name in C; nothing stands for long double, __int128 and
//     vectors
//   - unsafe.Pointer and uintptr for any pointer, any pointer for void *, *T and []T for a pointer to what T stands for,
//     also to the first element of an array; string for a pointer to bytes or void; what has Addr() uintptr for a
//     function pointer, and if it has FuncType() reflect.Type too, as *weld.CallbackOf has, a Go func type that fits what C calls
//   - for a pointer to a struct or union: a pointer to a Go struct with the same members in the same places, to an empty one
//     (an opaque handle), or to bytes, which are taken as raw memory; [N]byte must not be too small. Any pointer for one to what is declared
//     only
//   - a struct by value for one with the same members in the same places, of the same size and psABI classes; for a union
//     a struct of its size and classes; for a struct or union of one scalar also what that scalar takes; nothing for a packed one of
//     up to 16 bytes
//   - a pointer for a C++ class that is passed by address, and a first argument for where such a result is to be
//   - for variable arguments ...any, nothing, or arguments of the types that C promotes to; a Go func without a result for any; a last result of type syscall.Errno
//
// The error is a *MismatchError.
func Check(c *Type, g reflect.Type, dir Direction) error {
	c = c.Strip()
	m := matcher{dir: dir, budget: 1 << 16, seen: map[pair]bool{}}
	e := &MismatchError{C: c, Go: g}
	whole := func(format string, args ...any) {
		e.All = append(e.All, Mismatch{Arg: -2, C: c.String(), Go: fmt.Sprint(g), Text: fmt.Sprintf(format, args...)})
	}
	switch {
	case g == nil || g.Kind() != reflect.Func:
		whole("%v is no func type", g)
		return e
	case c.Kind != Func:
		whole("C has a variable, %s, not a function", c)
		return e
	case c.Unchecked:
		return nil // nothing is known of its arguments
	}
	in := g.NumIn()
	if g.IsVariadic() {
		in--
		if !c.Variadic {
			whole("C takes no variable arguments, Go passes %v", g.In(in))
		}
	}
	params, result := c.Params, c.Elem
	if result.Strip().ByReference { // the caller passes where it is to be, and gets that back
		result = PointerTo(result)
		params = append([]Param{{"the result", result}}, params...)
	}
	if in < len(params) || in > len(params) && !(c.Variadic && promoted(g, len(params), in)) {
		more := ""
		if c.Variadic {
			more = " and variable ones, which are ...any in Go"
		}
		whole("C %s %s%s, Go %s %d", m.verb("takes", "passes"), count(len(params), "argument"), more, m.verb("passes", "takes"), in)
	}
	for i := range min(in, len(params)) {
		p := params[i]
		if why, ok := m.param(p.Type, g.In(i)); !ok {
			where := fmt.Sprintf("argument %d", i+1)
			if p.Name != "" {
				where += " (" + p.Name + ")"
			}
			e.All = append(e.All, Mismatch{i, where, p.Type.String(), g.In(i).String(),
				fmt.Sprintf("%s: C %s %s, Go %s %s%s", where, m.verb("wants", "passes"), describe(p.Type), m.verb("passes", "takes"), goName(g.In(i)), why)})
		}
	}
	out := g.NumOut()
	if out > 0 && isErrno(g.Out(out-1)) {
		out--
	}
	switch void := result.Strip().Kind == Void; {
	case out == 0 && (dir == Call || void): // a result that nobody wants
	case out == 0:
		e.All = append(e.All, Mismatch{-1, "result", result.String(), "", fmt.Sprintf("result: C wants %s, Go returns nothing", describe(result))})
	case void:
		e.All = append(e.All, Mismatch{-1, "result", "void", g.Out(0).String(), fmt.Sprintf("result: C %s void, Go %s %v", m.verb("returns", "wants"), m.verb("wants", "returns"), g.Out(0))})
	default:
		if why, ok := m.param(result, g.Out(0)); !ok {
			e.All = append(e.All, Mismatch{-1, "result", result.String(), g.Out(0).String(),
				fmt.Sprintf("result: C %s %s, Go %s %s%s", m.verb("returns", "wants"), describe(result), m.verb("wants", "returns"), goName(g.Out(0)), why)})
		}
	}
	if len(e.All) > 0 {
		return e
	}
	return nil
}

// promoted reports whether the arguments of a Go func type from one to another may be variable ones: C promotes what is smaller than an int,
// and floats.
func promoted(g reflect.Type, from, to int) bool {
	for i := from; i < to; i++ {
		switch g.In(i).Kind() {
		case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint32, reflect.Uint64, reflect.Uintptr, reflect.Float64,
			reflect.Pointer, reflect.UnsafePointer, reflect.String, reflect.Slice:
		default:
			return false
		}
	}
	return true
}

// CheckVariable says whether a Go pointer type may point to a C variable of type c. The error is a *MismatchError.
func CheckVariable(c *Type, g reflect.Type) error {
	m := matcher{budget: 1 << 16, seen: map[pair]bool{}}
	if why, ok := m.param(PointerTo(c), g); !ok {
		text := fmt.Sprintf("C has %s, Go points to it with %s%s", describe(c), goName(g), why)
		return &MismatchError{C: c, Go: g, All: []Mismatch{{-2, "", c.String(), g.String(), text}}}
	}
	return nil
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// goName is a Go type with its size where that is not in the name.
func goName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int, reflect.Uint, reflect.Uintptr, reflect.Struct:
		return fmt.Sprintf("%v (%s)", t, bytesOf(int64(t.Size())))
	case reflect.Pointer:
		if t.Elem().Kind() == reflect.Struct {
			return fmt.Sprintf("%v (%s)", t, bytesOf(int64(t.Elem().Size())))
		}
	}
	return t.String()
}

type pair struct {
	c *Type
	g reflect.Type
}

type matcher struct {
	dir    Direction
	budget int // comparisons; after that all is taken to fit
	seen   map[pair]bool
}

func (m *matcher) verb(call, callback string) string {
	if m.dir == Callback {
		return callback
	}
	return call
}

// param compares a parameter or result. Why is what to add to the types themselves, if ok is false.
func (m *matcher) param(c *Type, g reflect.Type) (why string, ok bool) {
	c = c.asParam().Strip()
	switch c.Kind {
	case Array: // as a parameter
		return m.param(PointerTo(c.Elem), g)
	case Func:
		return m.param(PointerTo(c), g)
	case Struct, Union:
		if c.ByReference && g.Kind() == reflect.Struct {
			return ": C++ passes this class by the address of a copy", false
		}
		if c.ByReference {
			return m.param(PointerTo(c), g)
		}
		if e := c.alone(g); e != nil {
			return m.param(e, g)
		}
	}
	switch g.Kind() {
	case reflect.String:
		if c.Kind != Pointer {
			return "", false
		}
		e := c.Elem.Strip()
		return "", e.Kind == Void || e.Kind == Int && e.Size == 1
	case reflect.Slice:
		if c.Kind != Pointer {
			return "", false
		}
		return m.pointee(c.Elem, g.Elem())
	}
	return m.value(c, g, true)
}

// value compares a value, which is passed or is in memory.
func (m *matcher) value(c *Type, g reflect.Type, passed bool) (why string, ok bool) {
	if m.budget--; m.budget < 0 {
		return "", true
	}
	c = c.Strip()
	size := int64(g.Size())
	if c.Kind == Unspecified || c.Kind == MemberPointer { // not to be compared
		return sizes(c.Size, size), c.Size < 0 || c.Size == size
	}
	switch k := g.Kind(); k {
	case reflect.Bool:
		return "", c.Kind == Bool && c.Size == 1
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Int,
		reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uint, reflect.Uintptr:
		signed := k <= reflect.Int64
		switch c.Kind {
		case Pointer:
			if k == reflect.Uintptr {
				return "", true
			}
			return ", which is no pointer", false
		case Bool:
			return "", size == c.Size && !signed
		case Enum:
			return sizes(c.Size, size), size == c.Size
		case Int:
			if c.Bits > 0 {
				return ", and Go has no such integers", false
			}
			if size != c.Size {
				return sizes(c.Size, size), false
			}
			if signed != c.Signed && c.Name != "char" {
				if c.Signed {
					return ": the sign differs, C's is signed", false
				}
				return ": the sign differs, C's is unsigned", false
			}
			return "", true
		}
		return "", false
	case reflect.Float32, reflect.Float64:
		if c.Kind == Float && c.Size == size && c.Format != Decimal {
			return "", true
		}
		if c.Kind == Float {
			return sizes(c.Size, size), false
		}
		return "", false
	case reflect.Complex64, reflect.Complex128:
		return "", c.Kind == Complex && c.Size == size && c.Format != NoFormat
	case reflect.UnsafePointer:
		return "", c.Kind == Pointer
	case reflect.Pointer:
		if c.Kind != Pointer {
			return "", false
		}
		if isAddr(g) {
			e := c.Elem.Strip()
			if f, ok := reflect.Zero(g).Interface().(functyper); ok && e.Kind == Func && m.dir == Call {
				if err := Check(e, f.FuncType(), Callback); err != nil {
					return ": what it calls: " + err.Error(), false
				}
			}
			return "", e.Kind == Func || e.Kind == Void
		}
		return m.pointee(c.Elem, g.Elem())
	case reflect.Struct:
		if c.Kind != Struct && c.Kind != Union {
			return "", false
		}
		return m.structs(c, g, passed)
	case reflect.Array:
		if c.Kind != Array {
			return "", false
		}
		if c.Len >= 0 && c.Len != int64(g.Len()) {
			return fmt.Sprintf(": %d elements, not %d", g.Len(), c.Len), false
		}
		return m.value(c.Elem, g.Elem(), false)
	}
	return fmt.Sprintf(", and a Go %v has no C equivalent", g.Kind()), false
}

func sizes(c, g int64) string {
	if c == g {
		return ""
	}
	return fmt.Sprintf(": %s, not %d", bytesOf(g), c)
}

// isByte reports whether values of t are bytes, which raw memory is made of.
func isByte(t reflect.Type) bool { return t.Kind() == reflect.Uint8 || t.Kind() == reflect.Int8 }

const behind = ": behind the pointer"

// pointee compares what is pointed to.
func (m *matcher) pointee(c *Type, g reflect.Type) (why string, ok bool) {
	c = c.Strip()
	empty := g.Kind() == reflect.Struct && g.Size() == 0
	switch c.Kind {
	case Void, Unspecified:
		return "", true
	case Func:
		return ": pass a function pointer as what weld.NewCallback makes, or as uintptr", false
	case Array:
		if g.Kind() == reflect.Array && c.Elem.Strip().Kind != Array {
			if c.Len > 0 && int64(g.Len()) < c.Len {
				return fmt.Sprintf(": %d elements, not %d", g.Len(), c.Len), false
			}
			return m.pointee(c.Elem, g.Elem())
		}
		if g.Kind() == reflect.Array {
			return m.value(c, g, false)
		}
		return m.pointee(c.Elem, g)
	case Struct, Union:
		switch {
		case empty || isByte(g) || c.Incomplete || c.Size < 0:
			return "", true
		case g.Kind() == reflect.Array && isByte(g.Elem()):
			return fmt.Sprintf(": %d bytes are too few", g.Size()), int64(g.Size()) >= c.Size
		case g.Kind() == reflect.Array:
			return m.pointee(c, g.Elem())
		case g.Kind() != reflect.Struct:
			if e := c.alone(g); e != nil {
				return m.pointee(e, g)
			}
			return "", false
		}
		return m.structs(c, g, false)
	}
	switch {
	case empty && c.Kind == Pointer:
		return ", which is no pointer to a pointer", false
	case isByte(g) && c.Size == 1 && (c.Kind == Int || c.Kind == Enum):
		return "", true
	case g.Kind() == reflect.Array:
		return m.pointee(c, g.Elem())
	case g.Kind() == reflect.String || g.Kind() == reflect.Slice:
		return fmt.Sprintf(": in memory a Go %v is no pointer", g.Kind()), false
	}
	why, ok = m.value(c, g, false)
	switch {
	case strings.HasPrefix(why, ","): // what is said of a value
		why = ""
	case why != "" && !strings.HasPrefix(why, behind):
		why = behind + why[1:]
	}
	return why, ok
}
