package ctype

import (
	"fmt"
	"strings"
)

// Prototype gives the declaration of a function in C that needs no others: typedefs are resolved, and structs and enums
// described at their first use, where they are passed by value or pointed to by a parameter. What it gives can be read by
// [ParseDecl]. The error says what C cannot say, or a *FormatError.
func Prototype(t *Type, name string) (string, error) {
	t = t.Strip()
	if t.Kind != Func || t.Unchecked {
		return "", fmt.Errorf("%s is no function with a prototype", name)
	}
	p := prototyper{described: map[*Type]bool{}, budget: 2000}
	// What the result is made of is written first, and so described there.
	const here = "\x00"
	s := p.declare(t.Elem, here, 1)
	var params []string
	for _, x := range t.Params {
		name := x.Name
		if cxxWords[name] {
			name = "" // C++ could not read it
		}
		params = append(params, p.declare(x.Type.asParam(), name, 1))
	}
	switch {
	case t.Variadic:
		params = append(params, "...")
	case len(params) == 0:
		params = append(params, "void")
	}
	s = strings.Replace(s, here, name+"("+strings.Join(params, ", ")+")", 1)
	if p.err == nil && p.budget < 0 {
		p.err = &FormatError{File: "a type", What: "the prototype of " + name + " is too long", Kind: ErrTooLarge}
	}
	return s, p.err
}

// cxxWords are names that C has and C++ has not.
var cxxWords = map[string]bool{"template": true, "class": true, "new": true, "delete": true, "this": true, "private": true, "public": true,
	"protected": true, "operator": true, "typename": true, "virtual": true, "namespace": true, "friend": true, "try": true, "catch": true,
	"throw": true, "using": true, "explicit": true, "export": true, "mutable": true}

// prototyper writes declarations that need no others.
type prototyper struct {
	described map[*Type]bool // structs and enums
	budget    int
	err       error
}

// declare gives the declaration of inner as a t. Level counts down the pointers behind which structs are described.
func (p *prototyper) declare(t *Type, inner string, level int) string {
	if p.budget--; p.budget < 0 {
		return "..."
	}
	q := ""
	for t.Kind == Typedef || t.Kind == Qualified {
		if t.Kind == Qualified && t.Quals&Const != 0 {
			q = "const "
		}
		t = t.Elem
	}
	switch t.Kind {
	case Pointer:
		inner = "*" + q + inner
		e := t.Elem.Strip()
		if e.Kind == Array || e.Kind == Func {
			inner = "(" + inner + ")"
		}
		return p.declare(t.Elem, inner, level-1)
	case Array:
		n := ""
		if t.Len > 0 {
			n = fmt.Sprint(t.Len)
		}
		return q + p.declare(t.Elem, inner+"["+n+"]", level)
	case Func:
		var params []string
		for _, x := range t.Params {
			params = append(params, p.declare(x.Type, "", -1))
		}
		if t.Variadic {
			params = append(params, "...")
		}
		if len(params) == 0 {
			params = append(params, "void")
		}
		return p.declare(t.Elem, inner+"("+strings.Join(params, ", ")+")", -1)
	}
	s := q + p.base(t, level)
	if inner != "" && inner[0] != '[' {
		s += " "
	}
	return s + inner
}

var intNames = map[int64][2]string{1: {"unsigned char", "signed char"}, 2: {"unsigned short", "short"}, 4: {"unsigned int", "int"},
	8: {"unsigned long", "long"}, 16: {"unsigned __int128", "__int128"}}

func (p *prototyper) base(t *Type, level int) string {
	switch t.Kind {
	case Void:
		return "void"
	case Bool:
		return "_Bool"
	case Int:
		sign := 0
		if t.Signed {
			sign = 1
		}
		if s := intNames[t.Size][sign]; t.Bits == 0 && s != "" {
			if t.Name == "char" {
				return "char"
			}
			return s
		}
	case Float, Complex:
		if s := floatWord(t); s != "" {
			return s
		}
	case Enum:
		return p.enum(t)
	case Struct, Union:
		return p.aggregate(t, level)
	}
	if level < 1 { // pointed to: C knows nothing of it, but its address
		return "void"
	}
	if p.err == nil {
		p.err = fmt.Errorf("%s cannot be written in C that needs no other declarations", t)
	}
	return "void"
}

func floatWord(t *Type) string {
	s := ""
	switch t.Format {
	case Binary32:
		s = "float"
	case Binary64:
		s = "double"
	case X87:
		s = "long double"
	default:
		return ""
	}
	if t.Kind == Complex {
		s += " _Complex"
	}
	return s
}

// enum describes an enum once, if it is small enough for that to be of use.
func (p *prototyper) enum(t *Type) string {
	if p.described[t] && t.Name != "" {
		return "enum " + t.Name
	}
	list, err := t.Enumerators()
	if err != nil || len(list) == 0 || len(list) > 64 || p.described[t] || t.Size != 4 {
		if s := intNames[t.Size][1]; s != "" {
			return s
		}
		return "int"
	}
	p.described[t] = true
	var b strings.Builder
	b.WriteString("enum ")
	if t.Name != "" {
		b.WriteString(t.Name + " ")
	}
	sep := "{ "
	for _, e := range list {
		fmt.Fprintf(&b, "%s%s = %d", sep, e.Name, e.Value)
		sep = ", "
	}
	return b.String() + " }"
}

// aggregate describes a struct or union where that is needed, or of use and short.
func (p *prototyper) aggregate(t *Type, level int) string {
	tag := aggregateWord(t)
	if t.Name != "" {
		tag += " " + t.Name
	}
	byValue := level >= 1
	if p.described[t] && t.Name != "" {
		return tag
	}
	ms, err := t.Members()
	describable := err == nil && !t.Incomplete && len(ms) > 0 && len(ms) <= 64 && plain(ms)
	if describable {
		budget := 1 << 10
		_, describable = t.usual(&budget)
	}
	switch {
	case err != nil && p.err == nil:
		p.err = err
	case byValue && !describable && p.err == nil:
		p.err = fmt.Errorf("%s is passed by value, and cannot be described", tag)
	}
	if level < 0 || !describable {
		if t.Name == "" {
			return "void"
		}
		return tag
	}
	p.described[t] = true
	var b strings.Builder
	b.WriteString(tag + " { ")
	for _, m := range ms {
		inner := 1
		if m.Type.Strip().Kind == Pointer {
			inner = 0 // what it points to is named only
		}
		b.WriteString(p.declare(m.Type, m.Name, inner) + "; ")
	}
	return b.String() + "}"
}

// plain reports whether the members are of a kind that can be described.
func plain(ms []Member) bool {
	for _, m := range ms {
		if m.Bits > 0 || m.Align > 0 || m.Offset < 0 || m.Base || m.Type.Strip().Kind == Array && m.Type.Strip().Len <= 0 {
			return false
		}
	}
	return true
}
