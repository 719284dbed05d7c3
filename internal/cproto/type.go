package cproto

import (
	"strconv"
	"strings"
)

// Kind is the class of a [Type].
type Kind uint8

// The kinds of type. Opaque and Function are seen only behind a pointer, Array also as a member of a struct.
const (
	Void       Kind = iota
	Bool            // _Bool
	Int             // every other integer, char and enum among them
	Float           // float and double
	Complex         // float _Complex and double _Complex
	LongDouble      // long double and its complex; never by value
	Int128          // __int128; never by value
	Pointer         // of data or functions, and arrays and functions as parameters
	Array           // of a length that may be unknown
	Struct          // with its members described
	Union           // with its members described
	Function        // never by value
	Opaque          // a tag without description or a type name that is not known
)

// Type is a C type as the x86-64 psABI lays it out. Sizes, alignments and offsets are in bytes. Nothing that is
// reached from a Type changes once it is made.
type Type struct {
	Kind                      Kind
	Name                      string // Void to Int128, Opaque: the C spelling; Struct, Union: keyword and tag, if any
	Size, Align               uintptr
	Signed                    bool
	Const, Volatile, Restrict bool
	Elem                      *Type  // Pointer, Array
	Len                       uint64 // Array: number of elements, 0 if not known; Pointer: the same if it was declared as an array of so many
	Fields                    []Field
	Func                      *Signature
	Enum                      []Enumerator // an enum whose enumerators are described

	leaves int // scalars in a Struct, Union or Array
	levels int // structs and unions within one another
	col    int // where it was written, for the error if it is used by value
}

// Field is a member of a struct or union. Its name is empty for an unnamed struct or union within one.
type Field struct {
	Name   string
	Type   Type
	Offset uintptr
}

// Enumerator is a named value of an enum.
type Enumerator struct {
	Name  string
	Value int64
}

// Signature is what a function takes and gives.
type Signature struct {
	Result   Type
	Params   []Param
	Variadic bool
}

// Param is a parameter of a function. The name may be empty.
type Param struct {
	Name string
	Type Type
}

// IsChar reports whether t is plain char, the element of C strings.
func (t Type) IsChar() bool { return t.Kind == Int && t.Name == "char" }

// IsString reports whether t is a pointer to plain char.
func (t Type) IsString() bool { return t.Kind == Pointer && t.Elem.IsChar() }

// String gives the type back as C, with the description of each struct, union and enum at its first use.
func (t Type) String() string { return new(printer).declare(t, "") }

// String gives the prototype back as C.
func (p *Prototype) String() string {
	f := Type{Kind: Function, Func: &Signature{Result: p.Result, Params: p.Params, Variadic: p.Variadic}}
	return new(printer).declare(f, p.Name)
}

// printer remembers the tags whose description has been printed.
type printer struct{ described map[string]bool }

// declare gives the declaration of inner, a declarator in C's inside-out order, as a t.
func (pr *printer) declare(t Type, inner string) string {
	switch t.Kind {
	case Pointer:
		q := t.quals()
		if t.Len > 0 && q == "" {
			return pr.declare(*t.Elem, inner+brackets(t.Len))
		}
		if q != "" && inner != "" {
			q += " "
		}
		inner = "*" + q + inner
		if t.Elem.Kind == Array || t.Elem.Kind == Function {
			inner = "(" + inner + ")"
		}
		return pr.declare(*t.Elem, inner)
	case Array:
		return pr.declare(*t.Elem, inner+brackets(t.Len))
	case Function:
		// The result is written first, so the first description of a tag is there.
		const here = "\x00"
		s := pr.declare(t.Func.Result, here)
		return strings.Replace(s, here, inner+pr.params(t.Func), 1)
	}
	s := t.Name
	switch {
	case t.Kind == Struct || t.Kind == Union:
		s = pr.body(t)
	case len(t.Enum) > 0:
		s = pr.enum(t)
	}
	if q := t.quals(); q != "" {
		s = q + " " + s
	}
	if inner != "" {
		s += " " + inner
	}
	return s
}

// brackets are those of an array; its length may be unknown, which is 0 here.
func brackets(n uint64) string {
	if n == 0 {
		return "[]"
	}
	return "[" + strconv.FormatUint(n, 10) + "]"
}

func (pr *printer) params(f *Signature) string {
	var list []string
	for _, p := range f.Params {
		list = append(list, pr.declare(p.Type, p.Name))
	}
	switch {
	case f.Variadic:
		list = append(list, "...")
	case len(list) == 0:
		list = append(list, "void")
	}
	return "(" + strings.Join(list, ", ") + ")"
}

// first reports whether the description of t is to be printed: for a tag, once.
func (pr *printer) first(t Type) bool {
	if pr.described[t.Name] {
		return false
	}
	if strings.Contains(t.Name, " ") {
		if pr.described == nil {
			pr.described = map[string]bool{}
		}
		pr.described[t.Name] = true
	}
	return true
}

func (pr *printer) body(t Type) string {
	if predefined()[t.Name] != nil || !pr.first(t) {
		return t.Name
	}
	var b strings.Builder
	b.WriteString(t.Name + " { ")
	for _, f := range t.Fields {
		b.WriteString(pr.declare(f.Type, f.Name) + "; ")
	}
	return b.String() + "}"
}

func (pr *printer) enum(t Type) string {
	if !pr.first(t) {
		return t.Name
	}
	var list []string
	for _, e := range t.Enum {
		list = append(list, e.Name+" = "+strconv.FormatInt(e.Value, 10))
	}
	return t.Name + " { " + strings.Join(list, ", ") + " }"
}

func (t Type) quals() string {
	var list []string
	if t.Const {
		list = append(list, "const")
	}
	if t.Volatile {
		list = append(list, "volatile")
	}
	if t.Restrict {
		list = append(list, "restrict")
	}
	return strings.Join(list, " ")
}

// Limits that keep a hostile text from costing more than its length is worth.
const (
	maxInput       = 1 << 14 // bytes of a prototype
	maxNesting     = 48      // parentheses, parameter lists and braces within one another
	maxDerivations = 32      // pointers, arrays and functions of one declarator
	maxParams      = 100     // of a function
	maxObject      = 1 << 30 // bytes of a type
	maxByValue     = 1 << 16 // bytes of a struct that is passed
	maxLeaves      = 4096    // scalars of a struct
	maxLevels      = 32      // structs within one another, whether by tag or by description
)

// pointerTo gives the type of a pointer.
func pointerTo(t Type) Type { return Type{Kind: Pointer, Size: 8, Align: 8, Elem: &t} }

// decay gives the type a parameter of type t really has (C11 6.7.6.3): arrays and functions become pointers.
func decay(t Type) Type {
	switch t.Kind {
	case Array:
		p := pointerTo(*t.Elem)
		p.Len = t.Len
		return p
	case Function:
		return pointerTo(t)
	}
	return t
}

// layout sets the offsets of t's fields, and its size and alignment, by the psABI: each member at the next
// multiple of its alignment, the whole padded to a multiple of the largest. It reports whether the size is one that
// this package takes.
func (t *Type) layout() bool {
	t.Align, t.leaves, t.levels = 1, 0, 1
	var end uintptr
	for i := range t.Fields {
		f := &t.Fields[i]
		at := uintptr(0)
		if t.Kind == Struct {
			at = roundUp(end, f.Type.Align)
		}
		f.Offset = at
		end = max(end, at+f.Type.Size)
		t.Align = max(t.Align, f.Type.Align)
		t.leaves += f.Type.count()
		t.levels = max(t.levels, f.Type.innermost().levels+1)
		if end > maxObject || t.leaves > maxLeaves || t.levels > maxLevels {
			return false
		}
	}
	t.Size = roundUp(end, t.Align)
	return t.Size <= maxObject
}

// innermost is the element type of an array of any number of dimensions, and t itself for anything else.
func (t Type) innermost() Type {
	for t.Kind == Array {
		t = *t.Elem
	}
	return t
}

// count is the number of members a struct, union or array ends up with, 1 for anything else. It counts an array as
// its one element.
func (t Type) count() int { return max(1, t.leaves) }

func roundUp(n, align uintptr) uintptr { return (n + align - 1) &^ (align - 1) }
