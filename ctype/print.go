package ctype

import (
	"fmt"
	"strconv"
	"strings"
)

// String gives t in C, without the members of structs: "struct timespec *", "int (*)(const void *, const void *)". A function
// type is "int (int, ...)".
func (t *Type) String() string { return t.Declare("") }

// Declare gives the declaration of name as a t: "int (*name)(void)".
func (t *Type) Declare(name string) string {
	p := printer{budget: 2000}
	return p.declare(t, name)
}

// printer bounds how much is printed of types that are within one another over and over.
type printer struct{ budget int }

func (p *printer) declare(t *Type, inner string) string {
	if p.budget--; p.budget < 0 {
		return "..."
	}
	switch t.Kind {
	case Pointer:
		mark := "*"
		if t.Reference {
			mark = "&"
		}
		return p.declare(t.Elem, wrap(mark+inner, t.Elem))
	case Array:
		n := ""
		if t.Len >= 0 {
			n = strconv.FormatInt(t.Len, 10)
		}
		return p.declare(t.Elem, inner+"["+n+"]")
	case Func:
		return p.declare(t.Elem, inner+p.params(t))
	case Qualified:
		q := quals(t.Quals)
		if t.Elem.Kind == Pointer {
			if inner != "" && q != "" {
				q += " "
			}
			return p.declare(t.Elem.Elem, wrap("*"+q+inner, t.Elem.Elem))
		}
		if t.Elem.Kind == Array || t.Elem.Kind == Func || q == "" {
			return p.declare(t.Elem, inner)
		}
		return q + " " + p.declare(t.Elem, inner)
	}
	s := p.name(t)
	if inner == "" {
		return s
	}
	return s + " " + inner
}

// wrap puts a pointer's declarator in parentheses if what it points to needs that.
func wrap(inner string, elem *Type) string {
	for elem.Kind == Qualified {
		elem = elem.Elem
	}
	if elem.Kind == Array || elem.Kind == Func {
		return "(" + inner + ")"
	}
	return inner
}

func (p *printer) params(t *Type) string {
	var list []string
	for _, x := range t.Params {
		list = append(list, p.declare(x.Type, ""))
	}
	switch {
	case t.Unchecked:
		return "()"
	case t.Variadic:
		list = append(list, "...")
	case len(list) == 0:
		list = append(list, "void")
	}
	return "(" + strings.Join(list, ", ") + ")"
}

func (p *printer) name(t *Type) string {
	tagged := func(word string) string {
		if t.Name == "" {
			return word + " {...}"
		}
		return word + " " + t.Name
	}
	switch t.Kind {
	case Struct, Union:
		return tagged(aggregateWord(t))
	case Enum:
		return tagged("enum")
	case Vector:
		return fmt.Sprintf("%s __attribute__((vector_size(%d)))", p.declare(t.Elem, ""), t.Size)
	case MemberPointer:
		return "a C++ pointer to member"
	case Int:
		if s := cNames[t.Name]; s != "" {
			return s
		}
	}
	if t.Name == "" {
		return t.Kind.String()
	}
	return t.Name
}

// cNames turns what gcc calls integers into what people do.
var cNames = map[string]string{
	"long int": "long", "long unsigned int": "unsigned long", "short int": "short", "short unsigned int": "unsigned short",
	"long long int": "long long", "long long unsigned int": "unsigned long long", "__int128 unsigned": "unsigned __int128",
}

func quals(q Quals) string {
	var list []string
	for _, x := range []struct {
		q Quals
		s string
	}{{Const, "const"}, {Volatile, "volatile"}, {Restrict, "restrict"}, {Atomic, "_Atomic"}} {
		if q&x.q != 0 {
			list = append(list, x.s)
		}
	}
	return strings.Join(list, " ")
}

// describe is String with the size of what cannot be seen from the name.
func describe(t *Type) string {
	s := t.String()
	u := t.Strip()
	if u.Kind == Pointer {
		if e := u.Elem.Strip(); (e.Kind == Struct || e.Kind == Union) && e.Size >= 0 {
			return fmt.Sprintf("%s (%d bytes)", s, e.Size)
		}
		return s
	}
	if n := u.size(); n >= 0 && u.Kind != Void && u.Kind != Func {
		return fmt.Sprintf("%s (%s)", s, bytesOf(n))
	}
	return s
}

func bytesOf(n int64) string {
	if n == 1 {
		return "1 byte"
	}
	return strconv.FormatInt(n, 10) + " bytes"
}
