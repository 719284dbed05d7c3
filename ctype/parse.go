package ctype

import (
	"strconv"
	"strings"
)

// ParseSignature returns a type of which text is the signature: the reverse of [SignatureOf], as far as that goes. Structs that are
// pointed to are declared only, members have no names, and qualifiers and typedefs are gone; enums of a size are all the same. The
// error is a *FormatError that says where the text is none that SignatureOf writes.
func ParseSignature(text string) (*Type, error) {
	p := sigParser{text: text}
	t, ok := p.value(0)
	if ok && p.pos != len(text) {
		ok = p.fail("end of the signature")
	}
	if ok {
		// What is left: numbers with zeros in front, layouts written twice, and names that end elsewhere than they seem to.
		s, err := SignatureOf(t)
		if err == nil && s.Text == text {
			return t, nil
		}
		p.pos = 0
		p.fail("a signature in its only form")
	}
	return nil, &FormatError{File: "a signature", Section: strconv.Quote(clip(text)), Off: uint64(p.pos), What: "it should have " + p.want + " here", Kind: ErrCorrupt}
}

// clip shortens a text for a message.
func clip(s string) string {
	const most = 100
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

// sigParser reads a signature from the left. Its functions return false if it is not right, after a call of fail.
type sigParser struct {
	text string
	pos  int
	want string

	layouts []*Type // structs and unions by value, in the order in which they begin
	parts   int
}

// maxParts bounds the parts of a type, which take more memory than their text.
const maxParts = 1 << 14

func (p *sigParser) fail(want string) bool {
	if p.want == "" {
		p.want = want
	}
	return false
}

// take passes over s if it is next.
func (p *sigParser) take(s string) bool {
	if strings.HasPrefix(p.text[p.pos:], s) {
		p.pos += len(s)
		return true
	}
	return false
}

func (p *sigParser) need(s string) bool { return p.take(s) || p.fail(strconv.Quote(s)) }

// number reads a number without a sign.
func (p *sigParser) number() (int64, bool) {
	start := p.pos
	for p.pos < len(p.text) && '0' <= p.text[p.pos] && p.text[p.pos] <= '9' {
		p.pos++
	}
	n, err := strconv.ParseInt(p.text[start:p.pos], 10, 64)
	if err != nil || n > maxTypeSize*8 {
		p.pos = start
		return 0, p.fail("a number")
	}
	return n, true
}

// value reads a type that is passed or stored by value.
func (p *sigParser) value(depth int) (*Type, bool) {
	if p.parts++; p.parts > maxParts || depth > maxDepth {
		return nil, p.fail("fewer parts")
	}
	switch {
	case p.take("*"):
		e, ok := p.pointee(depth + 1)
		if !ok {
			return nil, false
		}
		return PointerTo(e), true
	case p.take("["):
		return p.array(p.value, depth)
	case p.take("{"):
		return p.aggregate(Struct, depth)
	case p.take("|"):
		if !p.need("{") {
			return nil, false
		}
		return p.aggregate(Union, depth)
	case p.take("#"):
		n, ok := p.number()
		if !ok || n >= int64(len(p.layouts)) || p.layouts[n].Incomplete { // it would be part of itself
			return nil, p.fail("the number of a struct that came before")
		}
		return p.layouts[n], true
	case p.take("fn("):
		return p.function(depth)
	case p.take("void"):
		return voidType, true
	case p.take("vec("):
		n, ok := p.number()
		if !ok || !p.need(",") {
			return nil, false
		}
		e, ok := p.value(depth + 1)
		if !ok || !p.need(")") {
			return nil, false
		}
		size := int64(-1)
		if s := e.size(); s > 0 && n <= maxTypeSize/s {
			size = n * s
		}
		return &Type{Kind: Vector, Elem: e, Len: n, Size: size}, true
	case p.take("memptr"):
		n, ok := p.number()
		return &Type{Kind: MemberPointer, Size: n / 8}, ok
	case p.take("byref "):
		t, ok := p.pointee(depth)
		if !ok || t.Kind != Struct && t.Kind != Union {
			return nil, p.fail("a class")
		}
		t.ByReference = true
		return t, true
	}
	return p.scalar()
}

func (p *sigParser) array(elem func(int) (*Type, bool), depth int) (*Type, bool) {
	n := int64(-1)
	if !p.take("]") {
		var ok bool
		if n, ok = p.number(); !ok || n == 0 || !p.need("]") {
			return nil, p.fail("the length of an array")
		}
	}
	e, ok := elem(depth + 1)
	return &Type{Kind: Array, Elem: e, Len: n, Size: -1}, ok
}

// pointee reads what a pointer points to.
func (p *sigParser) pointee(depth int) (*Type, bool) {
	if depth > maxDepth {
		return nil, p.fail("fewer parts")
	}
	kind := Struct
	switch {
	case p.take("["):
		return p.array(p.pointee, depth)
	case p.take("struct "):
	case p.take("union "):
		kind = Union
	default:
		return p.value(depth)
	}
	name := p.name()
	if name == "" {
		return nil, p.fail("a name")
	}
	if name == "<anon>" {
		name = ""
	}
	return &Type{Kind: kind, Name: name, Size: -1, Incomplete: true}, true
}

// name reads a tag: up to what ends a type. Names of C++ have such characters in angle brackets and parentheses.
func (p *sigParser) name() string {
	start, depth := p.pos, 0
	for ; p.pos < len(p.text); p.pos++ {
		switch p.text[p.pos] {
		case '<', '(':
			depth++
			continue
		case '>':
			if depth > 0 {
				depth--
			}
			continue
		case ')':
			if depth > 0 {
				depth--
				continue
			}
		case ',', ';', '}':
			if depth > 0 {
				continue
			}
		default:
			continue
		}
		break
	}
	return p.text[start:p.pos]
}

func (p *sigParser) aggregate(kind Kind, depth int) (*Type, bool) {
	t := &Type{Kind: kind, Incomplete: true, body: &body{}}
	p.layouts = append(p.layouts, t)
	var ms []Member
	for !p.take("}") {
		if len(ms) > 0 && !p.need(";") || !p.need("@") {
			return nil, false
		}
		m := Member{Offset: -1}
		ok := true
		if !p.take("virtual") {
			if m.Offset, ok = p.number(); !ok {
				return nil, false
			}
		}
		if p.take(":") {
			if m.Bits, ok = p.number(); !ok || m.Bits == 0 {
				return nil, p.fail("the width of a bit-field")
			}
		}
		if !p.need(" ") {
			return nil, false
		}
		if m.Type, ok = p.value(depth + 1); !ok {
			return nil, false
		}
		ms = append(ms, m)
	}
	var ok bool
	if t.Size, ok = p.number(); !ok {
		return nil, false
	}
	if p.take("/") {
		if t.Align, ok = p.number(); !ok {
			return nil, false
		}
	}
	t.body.members = ms
	t.Incomplete = false
	return t, true
}

func (p *sigParser) function(depth int) (*Type, bool) {
	f := &Type{Kind: Func, Size: -1}
	ok := true
	switch {
	case p.take(")"):
	case p.take("?)"):
		f.Unchecked = true
	default:
		for {
			if p.take("...)") {
				f.Variadic = true
				break
			}
			t, ok := p.value(depth + 1)
			if !ok {
				return nil, false
			}
			f.Params = append(f.Params, Param{Type: t})
			if p.take(")") {
				break
			}
			if !p.need(",") {
				return nil, false
			}
		}
	}
	f.Convention = p.convention()
	f.Elem, ok = p.value(depth + 1)
	return f, ok
}

// convention reads the name of a calling convention, which a blank ends.
func (p *sigParser) convention() string {
	rest := p.text[p.pos:]
	n := 0
	for n < len(rest) && (rest[n] == '_' || rest[n] == '-' || '0' <= rest[n] && rest[n] <= '9' || 'a' <= rest[n]|0x20 && rest[n]|0x20 <= 'z') {
		n++
	}
	if n == 0 || n == len(rest) || rest[n] != ' ' || rest[:n] == "byref" {
		return ""
	}
	p.pos += n + 1
	return rest[:n]
}

var formats = []struct {
	text   string
	format Format
	size   int64
	name   string
}{
	{"f128", Binary128, 16, "_Float128"}, {"f80x", X87, 16, "long double"}, {"f64", Binary64, 8, "double"}, {"f32", Binary32, 4, "float"},
	{"f16", Binary16, 2, "_Float16"}, {"bf16", BFloat16, 2, "__bf16"},
	{"d128", Decimal, 16, "_Decimal128"}, {"d64", Decimal, 8, "_Decimal64"}, {"d32", Decimal, 4, "_Decimal32"},
}

func (p *sigParser) scalar() (*Type, bool) {
	complex := p.take("c")
	for _, f := range formats {
		if p.take(f.text) {
			if complex {
				return &Type{Kind: Complex, Name: f.name + " _Complex", Size: 2 * f.size, Format: f.format}, true
			}
			return &Type{Kind: Float, Name: f.name, Size: f.size, Format: f.format}, true
		}
	}
	letter := byte(0)
	if p.pos < len(p.text) {
		letter = p.text[p.pos]
	}
	if strings.IndexByte("besu", letter) < 0 || complex && letter != 's' && letter != 'u' {
		return nil, p.fail("a type")
	}
	p.pos++
	bits, ok := p.number()
	if !ok {
		return nil, false
	}
	size := bits / 8
	switch {
	case complex:
		return &Type{Kind: Complex, Name: "_Complex", Size: bits / 4, Signed: letter == 's'}, true
	case letter == 'b':
		return &Type{Kind: Bool, Name: "_Bool", Size: size}, true
	case letter == 'e':
		return &Type{Kind: Enum, Size: size, Incomplete: true, body: &body{}}, true
	case p.take("/"):
		wide, ok := p.number()
		return &Type{Kind: Int, Name: "_BitInt(" + strconv.FormatInt(bits, 10) + ")", Size: wide / 8, Bits: bits, Signed: letter == 's'}, ok
	}
	t := &Type{Kind: Int, Size: size, Signed: letter == 's'}
	sign := 0
	if t.Signed {
		sign = 1
	}
	if t.Name = intNames[size][sign]; t.Name == "signed char" {
		t.Name = "char"
	}
	return t, true
}
