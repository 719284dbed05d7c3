package cproto

import (
	"strconv"
	"strings"
)

// specifiers reads what stands before the declarators: the words of the type and its qualifiers in any order, storage
// classes, attributes.
func (p *parser) specifiers() (Type, error) {
	var (
		t      Type
		have   bool // t is a tagged or named type
		counts = map[string]int{}
		basic  int // words in counts
		quals  Type
		start  = p.peek()
	)
	for {
		tok := p.peek()
		w, ok := p.word()
		if p.is("[") && p.at+1 < len(p.toks) && p.toks[p.at+1].text == "[" {
			if err := p.standardAttribute(); err != nil {
				return t, err
			}
			continue
		}
		if !ok || w == wName && (have || basic > 0) {
			break
		}
		switch w {
		case wConst:
			quals.Const = true
		case wVolatile:
			quals.Volatile = true
		case wRestrict:
			return t, p.errorAt(tok, "restrict has to follow a *")
		case wStorage:
		case wAttribute:
			if err := p.attributes(); err != nil {
				return t, err
			}
			continue
		case wAsm:
			return t, p.unsupported(tok, "an assembler name")
		case wReserved:
			return t, p.unsupported(tok, strconv.Quote(tok.text)+" in a prototype")
		case wType:
			if have {
				return t, p.errorAt(tok, "%q after the type %s", tok.text, t.Name)
			}
			counts[strings.Trim(tok.text, "_")]++
			basic++
		case wTag, wName:
			if have || basic > 0 {
				return t, p.errorAt(tok, "%q after another type", tok.text)
			}
			have = true
			if w == wTag {
				var err error
				if t, err = p.tagged(); err != nil {
					return t, err
				}
				t.col = tok.col
				continue
			}
			t = Type{Kind: Opaque, Name: tok.text}
			if known := predefined()[tok.text]; known != nil {
				t = *known
			}
			t.col = tok.col
		}
		p.next()
	}
	if !have {
		if basic == 0 {
			return t, p.unexpected("a type")
		}
		var err error
		if t, err = p.basic(counts, start); err != nil {
			return t, err
		}
		t.col = start.col
	}
	t.Const, t.Volatile = quals.Const, quals.Volatile
	return t, nil
}

// basic makes one type of the words of a basic type, counted without their underscores (C11 6.7.2).
func (p *parser) basic(n map[string]int, start token) (Type, error) {
	complex := n["Complex"] + n["complex"]
	wide := n["int128"] + n["int128_t"] + n["uint128_t"]
	bad := func() (Type, error) {
		return Type{}, p.errorAt(start, "these words make no type together")
	}
	for w, k := range n {
		if k > 2 || k > 1 && w != "long" {
			return bad()
		}
	}
	if n["signed"]+n["unsigned"] > 1 || n["long"] > 0 && n["short"] > 0 || complex > 1 {
		return bad()
	}
	sign, length := n["signed"]+n["unsigned"], n["short"]+n["long"]
	cores := n["void"] + n["char"] + n["int"] + n["float"] + n["double"] + n["Bool"] + wide
	if cores > 1 {
		return bad()
	}
	floating := n["float"]+n["double"] > 0
	if complex > 0 && !floating {
		if cores > 0 || sign > 0 || length > 0 {
			return Type{}, p.unsupported(start, "a complex integer")
		}
		floating, n["double"] = true, 1 // GNU C: _Complex alone
	}
	switch {
	case floating:
		if sign > 0 || n["short"] > 0 || n["long"] > 1 || n["long"] > 0 && n["float"] > 0 {
			return bad()
		}
		if n["long"] > 0 {
			if complex > 0 {
				return Type{Kind: LongDouble, Name: "long double _Complex", Size: 32, Align: 16, Signed: true}, nil
			}
			return scalar(LongDouble, "long double", 16, true), nil
		}
		t := scalar(Float, "double", 8, true)
		if n["float"] > 0 {
			t = scalar(Float, "float", 4, true)
		}
		if complex > 0 {
			t.Kind, t.Name, t.Size = Complex, t.Name+" _Complex", 2*t.Size
		}
		return t, nil
	case n["void"] > 0, n["Bool"] > 0:
		if sign > 0 || length > 0 {
			return bad()
		}
		if n["void"] > 0 {
			return Type{Kind: Void, Name: "void"}, nil
		}
		return scalar(Bool, "_Bool", 1, false), nil
	case wide > 0:
		if length > 0 || sign > 0 && n["int128"] == 0 {
			return bad()
		}
		if n["unsigned"]+n["uint128_t"] > 0 {
			return scalar(Int128, "unsigned __int128", 16, false), nil
		}
		return scalar(Int128, "__int128", 16, true), nil
	}
	name, size := "int", uintptr(4)
	switch {
	case n["char"] > 0:
		if length > 0 {
			return bad()
		}
		name, size = "char", 1
		if n["signed"] > 0 {
			name = "signed char"
		}
	case n["short"] > 0:
		name, size = "short", 2
	case n["long"] == 2:
		name, size = "long long", 8
	case n["long"] == 1:
		name, size = "long", 8
	}
	if n["unsigned"] > 0 {
		return scalar(Int, "unsigned "+name, size, false), nil
	}
	return scalar(Int, name, size, true), nil
}

// tagged reads a struct, union or enum: its keyword, tag and description, as many of the last two as there are.
func (p *parser) tagged() (Type, error) {
	keyword := p.next()
	if err := p.attributes(); err != nil {
		return Type{}, err
	}
	name := keyword.text
	if w, ok := p.word(); ok {
		if w != wName {
			return Type{}, p.unexpected("a tag")
		}
		name += " " + p.next().text
	}
	if !p.is("{") {
		if name == keyword.text {
			return Type{}, p.unexpected("a tag or a description in braces")
		}
		if t := p.tags[name]; t != nil {
			return *t, nil
		}
		if keyword.text == "enum" {
			return scalar(Int, name, 4, true), nil
		}
		return Type{Kind: Opaque, Name: name}, nil
	}
	if err := p.enter(); err != nil {
		return Type{}, err
	}
	defer p.leave()
	var (
		t   Type
		err error
	)
	if keyword.text == "enum" {
		t, err = p.enumerators(name)
	} else {
		t, err = p.members(keyword, name)
	}
	if err != nil {
		return t, err
	}
	if err := p.attributes(); err != nil {
		return t, err
	}
	if name != keyword.text {
		if old := p.tags[name]; old != nil && old.String() != t.String() {
			return t, p.errorAt(keyword, "%s was described otherwise before", name)
		}
		p.tags[name] = &t
	}
	return t, nil
}

// members reads the description of a struct or union and lays it out.
func (p *parser) members(keyword token, name string) (Type, error) {
	t := Type{Kind: Struct, Name: name}
	if keyword.text == "union" {
		t.Kind = Union
	}
	seen := map[string]bool{}
	p.next()
	for !p.accept("}") {
		if p.accept(";") {
			continue
		}
		base, err := p.specifiers()
		if err != nil {
			return t, err
		}
		if p.is(";") && (base.Kind == Struct || base.Kind == Union) && !strings.Contains(base.Name, " ") {
			for _, f := range base.Fields {
				if f.Name != "" && seen[f.Name] {
					return t, p.errorAt(p.peek(), "two members are named %q", f.Name)
				}
				seen[f.Name] = true
			}
			t.Fields = append(t.Fields, Field{Type: base})
			p.next()
			continue
		}
		for {
			at := p.peek()
			d, err := p.declarator()
			if err != nil {
				return t, err
			}
			m, err := p.derive(base, d)
			if err != nil {
				return t, err
			}
			switch {
			case p.is(":"):
				return t, p.unsupported(p.peek(), "a bit-field")
			case d.name == "":
				return t, p.unexpected("the name of a member")
			case seen[d.name]:
				return t, p.errorAt(d.tok, "two members are named %q", d.name)
			case m.Kind == Function:
				return t, p.errorAt(at, "the member %q is a function", d.name)
			case m.Kind == Array && m.Len == 0:
				return t, p.unsupported(d.tok, "an array without length as a member")
			}
			if k := m.innermost().Kind; k == Void || k == Opaque {
				if err := p.byValue(m); err != nil {
					return t, err
				}
			}
			seen[d.name] = true
			t.Fields = append(t.Fields, Field{Name: d.name, Type: m})
			if err := p.attributes(); err != nil {
				return t, err
			}
			if !p.accept(",") {
				break
			}
		}
		if err := p.expect(";", "after a member"); err != nil {
			return t, err
		}
	}
	if len(t.Fields) == 0 {
		return t, p.errorAt(keyword, "%s has no members", name)
	}
	if !t.layout() {
		return t, p.errorAt(keyword, "%s is too large or too deep", name)
	}
	return t, nil
}

// enumerators reads the description of an enum. Its type is GCC's choice: unsigned int, or int if there is a negative
// value, or the 64-bit one if these are too small.
func (p *parser) enumerators(name string) (Type, error) {
	t := scalar(Int, name, 4, false)
	brace := p.next()
	next, low, high := int64(0), int64(0), int64(0)
	for !p.accept("}") {
		id := p.peek()
		if w, ok := p.word(); !ok || w != wName {
			return t, p.unexpected("the name of an enumerator")
		}
		p.next()
		if p.accept("=") {
			v, err := p.constant()
			if err != nil {
				return t, err
			}
			next = v
		}
		t.Enum = append(t.Enum, Enumerator{id.text, next})
		p.enums[id.text] = next
		low, high = min(low, next), max(high, next)
		next++
		if !p.accept(",") && !p.is("}") {
			return t, p.unexpected(`"," or "}" after an enumerator`)
		}
	}
	if len(t.Enum) == 0 {
		return t, p.errorAt(brace, "%s has no enumerators", name)
	}
	t.Signed = low < 0
	if low < -1<<31 || high > 1<<32-1 || t.Signed && high > 1<<31-1 {
		t.Size, t.Align = 8, 8
	}
	return t, nil
}

// constant reads an integer constant: a number or an enumerator, with a sign or without.
func (p *parser) constant() (int64, error) {
	neg := false
	for p.is("-") || p.is("+") {
		neg = neg != (p.next().text == "-")
	}
	tok := p.peek()
	v, known := p.enums[tok.text]
	switch {
	case tok.kind == tokIdent && known:
	case tok.kind == tokNumber:
		digits := strings.TrimRight(tok.text, "uUlL")
		if len(digits) > 1 && digits[0] == '0' && isDigit(digits[1]) {
			digits = "0o" + digits[1:]
		}
		u, err := strconv.ParseUint(digits, 0, 63)
		if err != nil || strings.Contains(digits, "_") {
			return 0, p.errorAt(tok, "%q is no integer constant that is known", tok.text)
		}
		v = int64(u)
	default:
		return 0, p.unexpected("an integer constant")
	}
	p.next()
	if neg {
		v = -v
	}
	return v, nil
}

// attributes passes over any number of __attribute__((...)), but for those that change a type's layout.
func (p *parser) attributes() error {
	for {
		tok := p.peek()
		switch w, ok := p.word(); {
		case ok && w == wAttribute:
			p.next()
			if !p.is("(") {
				return p.unexpected(`"((" after __attribute__`)
			}
			if err := p.balanced("(", ")"); err != nil {
				return err
			}
		case ok && w == wAsm:
			return p.unsupported(tok, "an assembler name")
		default:
			return nil
		}
	}
}

// standardAttribute passes over a [[...]] of C23.
func (p *parser) standardAttribute() error { return p.balanced("[", "]") }

// balanced passes over a bracket and all that is in it.
func (p *parser) balanced(open, closing string) error {
	for depth := 0; ; {
		tok := p.next()
		switch {
		case tok.kind == tokEOF:
			return p.errorAt(tok, "the attribute has no end")
		case tok.kind == tokPunct && tok.text == open:
			depth++
		case tok.kind == tokPunct && tok.text == closing:
			if depth--; depth == 0 {
				return nil
			}
		case tok.kind == tokIdent && layoutAttributes[strings.Trim(tok.text, "_")]:
			return p.unsupported(tok, "the attribute "+tok.text+", which changes a type's layout,")
		}
	}
}
