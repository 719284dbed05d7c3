package ctype

import (
	"sync"
)

// Kind is the class of a [Type].
type Kind uint8

// The kinds of type.
const (
	Void          Kind = iota
	Bool               // _Bool, bool
	Int                // every other integer, char among them
	Float              // see Type.Format
	Complex            // of two of what Type.Format says
	Pointer            // to data or to a function; a C++ reference too
	Array              // of Len elements, -1 if that is not known or the array is flexible
	Vector             // GNU vector_size: Len elements in a register
	Struct             // struct and class
	Union              //
	Enum               //
	Func               // a function
	Typedef            // another name of Elem
	Qualified          // Elem with Quals
	MemberPointer      // C++'s pointer to a member
	Unspecified        // what C cannot say, such as nullptr_t
)

var kindNames = [...]string{"void", "bool", "int", "float", "complex", "pointer", "array", "vector", "struct", "union",
	"enum", "function", "typedef", "qualified", "member pointer", "unspecified"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Quals is a set of qualifiers.
type Quals uint8

// The qualifiers of C.
const (
	Const Quals = 1 << iota
	Volatile
	Restrict
	Atomic
)

// Format is how a floating number is stored.
type Format uint8

// The formats. Their size alone does not tell them apart.
const (
	NoFormat  Format = iota
	Binary16         // _Float16
	BFloat16         // __bf16
	Binary32         // float
	Binary64         // double
	X87              // long double of x86, 80 bits
	Binary128        // _Float128, and long double of AArch64 and RISC-V
	Decimal          // _Decimal32, 64 and 128, told apart by their size
)

// Type is a C type. Sizes are in bytes. A Type does not change once it is made, and may be used by any number of
// goroutines. Those that come from debugging information keep it in memory; what is inside a struct, union or
// enum is read when [Type.Members] or [Type.Enumerators] is first called.
//
// The graph of types has cycles only through the members of structs and unions.
type Type struct {
	Kind   Kind
	Name   string // arithmetic types and Typedef: the name; Struct, Union, Enum: the tag, "" if there is none
	Size   int64  // in bytes; -1: not known, as of an incomplete type
	Align  int64  // an alignment that was asked for (_Alignas, aligned); 0: that of the type's kind
	Signed bool   // Int, Enum
	Format Format // Float, Complex; of NoFormat if the parts are integers
	Bits   int64  // Int: _BitInt(N), if that is not Size*8
	Quals  Quals  // Qualified
	Len    int64  // Array, Vector

	// Elem is what a Pointer points to, an Array or Vector is made of, a Typedef stands for, a Qualified qualifies and
	// a Func returns. For those it is never nil.
	Elem *Type

	Params     []Param // Func
	Variadic   bool    // Func: its parameters end in ...
	Unchecked  bool    // Func: declared without a prototype, so that Params may lack or be of other types
	Convention string  // Func: a calling convention other than the platform's, such as "ms_abi"

	Incomplete  bool // Struct, Union, Enum: declared, not described
	Reference   bool // Pointer: a C++ reference
	ByReference bool // Struct, Union: C++ passes it by the address of a copy, as its copying is not trivial

	body *body
}

// Param is a parameter of a function. The name may be empty.
type Param struct {
	Name string
	Type *Type
}

// Member is a member of a struct or union. Its name is empty for an unnamed struct or union within one and for the
// base of a C++ class.
type Member struct {
	Name   string
	Type   *Type
	Offset int64 // in bits from the start of the struct
	Bits   int64 // width of a bit-field; 0: none
	Align  int64 // an alignment in bytes that was asked for; 0: none
	Base   bool  // a base class
}

// Enumerator is a named value of an enum. A value of an unsigned enum above the largest int64 is given modulo 2^64.
type Enumerator struct {
	Name  string
	Value int64
}

// body is what a struct, union or enum consists of, read when needed.
type body struct {
	once    sync.Once
	read    func(*Type) ([]Member, []Enumerator, error)
	members []Member
	enums   []Enumerator
	err     error
	at      declAt

	// What was worked out of them: the alignment, 0 if it was not yet, and the canonical form, see canon.go.
	mu    sync.Mutex
	align int64
	canon *layoutForm
}

func (t *Type) load() *body {
	b := t.body
	if b == nil {
		return &body{}
	}
	b.once.Do(func() {
		if b.read != nil {
			b.members, b.enums, b.err = b.read(t)
			b.read = nil
		}
	})
	return b
}

// Members returns the members of a struct or union in order. The error is a *FormatError: debugging information is
// damaged. The slice is not to be changed.
func (t *Type) Members() ([]Member, error) {
	b := t.load()
	return b.members, b.err
}

// Enumerators returns those of an enum; see Members.
func (t *Type) Enumerators() ([]Enumerator, error) {
	b := t.load()
	return b.enums, b.err
}

var voidType = &Type{Kind: Void, Name: "void", Size: -1}

// VoidType is the type void.
func VoidType() *Type { return voidType }

// PointerTo returns the type of a pointer to t, of 8 bytes.
func PointerTo(t *Type) *Type { return &Type{Kind: Pointer, Size: 8, Elem: t} }

// NewStruct makes a struct or union of the given members.
func NewStruct(kind Kind, tag string, size int64, members []Member) *Type {
	return &Type{Kind: kind, Name: tag, Size: size, body: &body{members: members}}
}

// Strip returns t without its typedefs and qualifiers.
func (t *Type) Strip() *Type {
	for t.Kind == Typedef || t.Kind == Qualified {
		t = t.Elem
	}
	return t
}

// asParam returns t as it is passed: a union of nothing but pointers as a pointer. glibc declares the addresses of sockets as such, with the
// attribute transparent_union, and gcc describes these without members.
func (t *Type) asParam() *Type {
	u := t.Strip()
	if u.Kind != Union || u.Size != 8 || u.Incomplete {
		return t
	}
	ms, err := u.Members()
	if err != nil {
		return t
	}
	for _, m := range ms {
		if m.Type.Strip().Kind != Pointer {
			return t
		}
	}
	return PointerTo(voidType)
}

// size returns the size in bytes, through typedefs and arrays; -1 if it is not known.
func (t *Type) size() int64 {
	t = t.Strip()
	if t.Kind == Array && t.Size < 0 && t.Len >= 0 {
		n := t.Elem.size()
		if n > 0 && t.Len > maxTypeSize/n {
			return -1
		}
		if n < 0 {
			return -1
		}
		return n * t.Len
	}
	return t.Size
}

// maxTypeSize bounds the sizes that are believed.
const maxTypeSize = 1 << 46

// Alignment returns the alignment of t in bytes: what was asked for, or what the psABI gives it by its parts. 0: not known.
func (t *Type) Alignment() int64 { return t.align() }

// align returns the alignment in bytes that the psABI gives t: what was asked for, or the largest of its parts. 0: not
// known.
func (t *Type) align() int64 { return t.alignWithin(nil) }

// nesting is a struct or union and those that it is a member of.
type nesting struct {
	t     *Type
	outer *nesting
	depth int
}

func (t *Type) alignWithin(outer *nesting) int64 {
	for ; t.Align == 0 && (t.Kind == Typedef || t.Kind == Qualified || t.Kind == Array); t = t.Elem {
	}
	switch {
	case t.Align > 0:
		return t.Align
	case t.Kind == Complex:
		return t.Size / 2
	case t.Kind != Struct && t.Kind != Union:
		return min(max(t.Size, 1), 16)
	}
	ms, err := t.Members()
	if err != nil || t.Incomplete || t.body == nil {
		return 0
	}
	b := t.body
	b.mu.Lock()
	a := b.align
	b.mu.Unlock()
	if a > 0 {
		return a
	}
	here := &nesting{t, outer, 0}
	for w := outer; w != nil; w = w.outer {
		if here.depth++; w.t == t || here.depth > maxDepth { // part of itself: damage
			return 0
		}
	}
	a = 1
	for _, m := range ms {
		if m.Bits > 0 {
			continue
		}
		n := max(m.Align, m.Type.alignWithin(here))
		if off := m.Offset / 8; off > 0 { // less in a packed struct
			n = min(n, off&-off)
		}
		if t.Size > 0 {
			n = min(n, t.Size&-t.Size)
		}
		a = max(a, n)
	}
	b.mu.Lock()
	b.align = a
	b.mu.Unlock()
	return a
}

// maxDepth bounds how deep types are within one another.
const maxDepth = 128
