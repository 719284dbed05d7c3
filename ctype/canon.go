package ctype

import (
	"crypto/sha256"
	"fmt"
	"strconv"
)

// Version is the version of the rules for signatures, which [Signature.String] begins with.
const Version = 1

// Signature is the type of a symbol brought into a form that does not depend on the compiler, its options or the version of
// DWARF. Two symbols bind if their signatures are equal. The package comment has the rules.
type Signature struct {
	Text string // such as "fn(*struct file,u64)s32"
	Hash uint64 // of the text; never 0
}

// String gives the version of the rules, the data model and the text.
func (s Signature) String() string { return prefix + s.Text }

// prefix is what comes before the text when it is hashed: the version of the rules, the size of pointers, the byte order.
const prefix = "ctype1/64le "

// maxText bounds the text of a signature.
const maxText = 1 << 16

// SignatureOf returns the signature of the type of a function or variable. The length of an array that is a variable is
// not part of it, as a declaration may leave it out. The error is an *UnknownError if a part of the type is not known, such
// as a struct by value that is declared only, and else a *FormatError.
func SignatureOf(t *Type) (Signature, error) {
	c := canon{}
	if s := t.Strip(); s.Kind == Array {
		c.write("[]")
		t = s.Elem
	}
	err := c.value(t, 0)
	if err != nil {
		return Signature{}, err
	}
	text := string(c.out)
	return Signature{text, HashOf(text)}, nil
}

// HashOf returns the hash of a signature's text: the first 8 bytes of the SHA-256 of it and what String puts before it, the
// first most significant. 0, which stands for no signature, becomes 1.
func HashOf(text string) uint64 {
	sum := sha256.Sum256([]byte(prefix + text))
	h := uint64(0)
	for _, b := range sum[:8] {
		h = h<<8 | uint64(b)
	}
	return max(h, 1)
}

// canon writes a signature.
type canon struct {
	out    []byte
	seen   map[[32]byte]int // structs by value, by the hash of their layout
	layout bool             // it is what the hash of a layout is made of
}

// layoutForm is the layout of a struct, for telling whether two are the same: a hash of its members' and nothing else, so
// that it costs no more than reading each struct once.
type layoutForm struct {
	hash [32]byte
	err  error
}

func (c *canon) write(s string) { c.out = append(c.out, s...) }

func unknownType(name, format string, args ...any) error {
	return unknown("a type", name, ErrNotFound, format, args...)
}

// value writes t where it is passed or stored by value.
func (c *canon) value(t *Type, depth int) error {
	if len(c.out) > maxText || depth > maxDepth {
		return &FormatError{File: "a type", What: "its signature is too long or too deep", Kind: ErrTooLarge}
	}
	t = t.Strip()
	switch t.Kind {
	case Void:
		c.write("void")
	case Pointer:
		c.write("*")
		return c.pointee(t.Elem, depth+1)
	case Array:
		c.dims(t)
		return c.value(t.Elem, depth+1)
	case Vector:
		c.write("vec(" + strconv.FormatInt(t.Len, 10) + ",")
		if err := c.value(t.Elem, depth+1); err != nil {
			return err
		}
		c.write(")")
	case Struct, Union:
		return c.aggregate(t, depth)
	case Func:
		return c.function(t, depth)
	case MemberPointer:
		c.write("memptr" + strconv.FormatInt(t.Size*8, 10))
	default:
		s := scalarText(t)
		if s == "" {
			return unknownType(t.Name, "nothing is known of this type")
		}
		c.write(s)
	}
	return nil
}

// scalarText is the text of an arithmetic type or enum, "" if t is none.
func scalarText(t *Type) string {
	bits := strconv.FormatInt(t.Size*8, 10)
	if t.Bits > 0 {
		bits = strconv.FormatInt(t.Bits, 10)
	}
	sign := func() string {
		if t.Signed {
			return "s"
		}
		return "u"
	}
	switch t.Kind {
	case Bool:
		return "b" + bits
	case Int:
		if t.Bits > 0 {
			return sign() + bits + "/" + strconv.FormatInt(t.Size*8, 10)
		}
		return sign() + bits
	case Enum:
		return "e" + bits
	case Float:
		return formatText(t.Format, t.Size)
	case Complex:
		if t.Format == NoFormat {
			return "c" + sign() + strconv.FormatInt(t.Size*4, 10)
		}
		return "c" + formatText(t.Format, t.Size/2)
	}
	return ""
}

func formatText(f Format, size int64) string {
	switch f {
	case Binary16:
		return "f16"
	case BFloat16:
		return "bf16"
	case Binary32:
		return "f32"
	case Binary64:
		return "f64"
	case X87:
		return "f80x"
	case Binary128:
		return "f128"
	case Decimal:
		return "d" + strconv.FormatInt(size*8, 10)
	}
	return ""
}

// dims writes the length of an array; none is known of one that is flexible, variable or of length 0.
func (c *canon) dims(t *Type) {
	if t.Len > 0 {
		c.write("[" + strconv.FormatInt(t.Len, 10) + "]")
	} else {
		c.write("[]")
	}
}

// pointee writes t where it is pointed to: of structs and unions the tag only, so that those that are declared and those that are
// described give the same.
func (c *canon) pointee(t *Type, depth int) error {
	t = t.Strip()
	switch t.Kind {
	case Struct, Union:
		c.write(aggregateWord(t) + " ")
		if t.Name == "" {
			c.write("<anon>")
		} else {
			c.write(t.Name)
		}
		return nil
	case Array:
		c.dims(t)
		return c.pointee(t.Elem, depth+1)
	case Unspecified:
		c.write("void")
		return nil
	}
	return c.value(t, depth)
}

func aggregateWord(t *Type) string {
	if t.Kind == Union {
		return "union"
	}
	return "struct"
}

func (c *canon) function(t *Type, depth int) error {
	c.write("fn(")
	if t.Unchecked {
		c.write("?")
	} else {
		for i, p := range t.Params {
			if i > 0 {
				c.write(",")
			}
			pt := p.Type.asParam().Strip()
			switch pt.Kind { // DWARF has pointers here, as C says; a declaration made by hand may not
			case Array:
				c.write("*")
				if err := c.pointee(pt.Elem, depth+1); err != nil {
					return err
				}
				continue
			case Func:
				c.write("*")
			}
			if err := c.value(pt, depth+1); err != nil {
				return err
			}
		}
		if t.Variadic {
			if len(t.Params) > 0 {
				c.write(",")
			}
			c.write("...")
		}
	}
	c.write(")")
	if t.Convention != "" {
		c.write(t.Convention + " ")
	}
	return c.value(t.Elem, depth+1)
}

// aggregate writes a struct or union by value: the layout, without names. One that has been written before in this signature
// is its number.
func (c *canon) aggregate(t *Type, depth int) error {
	if t.ByReference { // C++ passes a pointer to it
		c.write("byref ")
		return c.pointee(t, depth)
	}
	if c.layout {
		return c.outline(t)
	}
	f := t.layout()
	if f.err != nil {
		return f.err
	}
	if n, ok := c.seen[f.hash]; ok {
		c.write("#" + strconv.Itoa(n))
		return nil
	}
	if c.seen == nil {
		c.seen = map[[32]byte]int{}
	}
	c.seen[f.hash] = len(c.seen)
	ms, err := t.Members()
	if err != nil {
		return err
	}
	if t.Kind == Union {
		c.write("|")
	}
	c.write("{")
	for i, m := range ms {
		if i > 0 {
			c.write(";")
		}
		c.place(m)
		if err := c.value(m.Type, depth+1); err != nil {
			return err
		}
	}
	c.write("}")
	c.write(tail(t, ms))
	return nil
}

// outline writes what the hash of a layout has of a struct or union that a function takes or returns by value to which a member points:
// that function may take the very struct that is hashed.
func (c *canon) outline(t *Type) error {
	ms, err := t.Members()
	if err != nil {
		return err
	}
	if t.body == nil || t.Incomplete {
		return declaredOnly(t)
	}
	c.write(aggregateWord(t) + strconv.FormatInt(t.Size, 10) + "{")
	for _, m := range ms {
		c.place(m)
		s := m.Type.Strip()
		c.write(s.Kind.String() + scalarText(s) + ";")
	}
	c.write("}")
	return nil
}

func declaredOnly(t *Type) error {
	return unknownType(t.Name, "%s %s is declared, not described, and is wanted by value", aggregateWord(t), t.Name)
}

// place writes where a member is, in bits.
func (c *canon) place(m Member) {
	if m.Offset < 0 {
		c.write("@virtual")
	} else {
		c.write("@" + strconv.FormatInt(m.Offset, 10))
	}
	if m.Bits > 0 {
		c.write(":" + strconv.FormatInt(m.Bits, 10))
	}
	c.write(" ")
}

// tail is the size, and the alignment where more was asked for than the members' types have. gcc says so of the struct, clang of
// the member, and both of a typedef, clang in DWARF 5 only.
func tail(t *Type, ms []Member) string {
	s := strconv.FormatInt(t.Size, 10)
	asked, natural := t.Align, int64(1)
	for _, m := range ms {
		asked = max(asked, m.Align)
		mt := m.Type
		for ; mt.Kind == Typedef || mt.Kind == Qualified; mt = mt.Elem {
			if mt.Align > 0 && t.Size%mt.Align == 0 { // else the struct is packed
				asked = max(asked, mt.Align)
			}
		}
		if m.Bits == 0 {
			natural = max(natural, mt.align())
		}
	}
	if asked > natural {
		s += "/" + strconv.FormatInt(asked, 10)
	}
	return s
}

// layout returns the hash of the layout of a struct or union. It is made once.
func (t *Type) layout() *layoutForm { return t.layoutDepth(0) }

func (t *Type) layoutDepth(depth int) *layoutForm {
	if depth > maxDepth { // also a struct that is part of itself
		return &layoutForm{err: &FormatError{File: "a type", What: fmt.Sprintf("%s %s is too deep, or part of itself", aggregateWord(t), t.Name), Kind: ErrCorrupt}}
	}
	b := t.body
	if b == nil || t.Incomplete {
		return &layoutForm{err: declaredOnly(t)}
	}
	b.mu.Lock()
	f := b.canon
	b.mu.Unlock()
	if f != nil {
		return f
	}
	f = t.makeLayout(depth)
	b.mu.Lock()
	b.canon = f
	b.mu.Unlock()
	return f
}

func (t *Type) makeLayout(depth int) *layoutForm {
	ms, err := t.Members()
	if err != nil {
		return &layoutForm{err: err}
	}
	c := canon{layout: true}
	if t.Kind == Union {
		c.write("|")
	}
	for _, m := range ms {
		c.place(m)
		mt := m.Type.Strip()
		for n := 0; mt.Kind == Array && n < maxDepth; n++ {
			c.dims(mt)
			mt = mt.Elem.Strip()
		}
		if (mt.Kind == Struct || mt.Kind == Union) && !mt.ByReference {
			f := mt.layoutDepth(depth + 1)
			if f.err != nil {
				return f
			}
			c.write(string(f.hash[:]))
		} else if err := c.value(mt, depth+1); err != nil {
			return &layoutForm{err: err}
		}
		c.write(";")
	}
	c.write(tail(t, ms))
	return &layoutForm{hash: sha256.Sum256(c.out)}
}
