package cproto

import (
	"fmt"
	"strings"
)

// Prototype is the declaration of one function.
type Prototype struct {
	Name     string
	Result   Type
	Params   []Param
	Variadic bool
}

// Parse reads one function prototype, with or without the semicolon. Arrays and functions among the parameters
// become pointers. An empty parameter list means none, as in C23. Its errors are of type [*SyntaxError].
func Parse(s string) (*Prototype, error) {
	p, err := newParser(s)
	if err != nil {
		return nil, err
	}
	return p.prototype()
}

// ParseType reads a type as it stands in a cast or as the operand of sizeof. A type that is neither laid out nor a pointer (a
// struct without description) is an error. Its errors are of type [*SyntaxError].
func ParseType(s string) (Type, error) {
	p, err := newParser(s)
	if err != nil {
		return Type{}, err
	}
	base, err := p.specifiers()
	if err != nil {
		return Type{}, err
	}
	d, err := p.declarator()
	if err != nil {
		return Type{}, err
	}
	if d.name != "" {
		return Type{}, p.errorAt(d.tok, "%q is one name too many in a type", d.name)
	}
	t, err := p.derive(base, d)
	if err != nil {
		return Type{}, err
	}
	if end := p.peek(); end.kind != tokEOF {
		return Type{}, p.unexpected("the end of the type")
	}
	return t, p.byValue(t)
}

type parser struct {
	input string
	toks  []token
	at    int
	depth int
	tags  map[string]*Type // described so far, under keyword and tag
	enums map[string]int64 // enumerators
}

func newParser(s string) (*parser, error) {
	toks, err := lex(s)
	if err != nil {
		return nil, err
	}
	return &parser{input: s, toks: toks, tags: map[string]*Type{}, enums: map[string]int64{}}, nil
}

func (p *parser) peek() token { return p.toks[p.at] }

func (p *parser) next() token {
	t := p.toks[p.at]
	if t.kind != tokEOF {
		p.at++
	}
	return t
}

// is reports whether the next token is the given punctuation.
func (p *parser) is(punct string) bool { t := p.peek(); return t.kind == tokPunct && t.text == punct }

func (p *parser) accept(punct string) bool {
	if p.is(punct) {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(punct, where string) error {
	if p.accept(punct) {
		return nil
	}
	return p.unexpected(fmt.Sprintf("%q %s", punct, where))
}

// word is the meaning of the next token, wName with ok false if it is no identifier.
func (p *parser) word() (w word, ok bool) {
	t := p.peek()
	return words()[t.text], t.kind == tokIdent
}

func (p *parser) errorCol(col int, format string, args ...any) error {
	return &SyntaxError{Input: p.input, Col: col, What: fmt.Sprintf(format, args...)}
}

func (p *parser) errorAt(t token, format string, args ...any) error {
	return p.errorCol(t.col, format, args...)
}

func (p *parser) unsupported(t token, what string) error {
	return &SyntaxError{Input: p.input, Col: t.col, What: what + " is not supported", Err: ErrUnsupported}
}

func (p *parser) unexpected(want string) error {
	t := p.peek()
	return p.errorAt(t, "%v where %s is wanted", t, want)
}

// enter counts a level of nesting; the caller leaves it with leave.
func (p *parser) enter() error {
	if p.depth++; p.depth > maxNesting {
		return p.errorAt(p.peek(), "nested more than %d deep", maxNesting)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

func (p *parser) prototype() (*Prototype, error) {
	if p.peek().kind == tokEOF {
		return nil, p.errorAt(p.peek(), "no prototype: the text is empty")
	}
	if first := p.peek(); first.kind == tokIdent && words()[first.text] == wName {
		switch second := p.toks[p.at+1]; {
		case second.kind == tokEOF:
			return nil, p.errorAt(first, "%q alone is no prototype; one is double cos(double x)", first.text)
		case second.text == "(":
			return nil, p.errorAt(first, "no result type before %q", first.text)
		}
	}
	base, err := p.specifiers()
	if err != nil {
		return nil, err
	}
	d, err := p.declarator()
	if err != nil {
		return nil, err
	}
	if d.name == "" {
		return nil, p.unexpected("the name of the function")
	}
	t, err := p.derive(base, d)
	if err != nil {
		return nil, err
	}
	if t.Kind != Function {
		return nil, p.unexpected(fmt.Sprintf("the parameter list of %q", d.name))
	}
	if err := p.attributes(); err != nil {
		return nil, err
	}
	if p.is("{") {
		return nil, p.errorAt(p.peek(), "the prototype is wanted alone, without the body")
	}
	p.accept(";")
	if p.peek().kind != tokEOF {
		return nil, p.unexpected("the end of the prototype")
	}
	f := t.Func
	if f.Result.Kind != Void {
		if err := p.byValue(f.Result); err != nil {
			return nil, err
		}
	}
	for _, param := range f.Params {
		if err := p.byValue(param.Type); err != nil {
			return nil, err
		}
	}
	return &Prototype{Name: d.name, Result: f.Result, Params: f.Params, Variadic: f.Variadic}, nil
}

// byValue returns an error if t cannot be passed, returned or be a member.
func (p *parser) byValue(t Type) error {
	fail := func(err error, format string, args ...any) error {
		return &SyntaxError{Input: p.input, Col: max(t.col, 1), What: fmt.Sprintf(format, args...), Err: err}
	}
	switch t.Kind {
	case Opaque:
		if strings.Contains(t.Name, " ") {
			return fail(nil, "%s is used by value: describe it, as in %s { int x; double y; }", t.Name, t.Name)
		}
		return fail(nil, "unknown type name %q (an unknown type can only be pointed to)", t.Name)
	case Void:
		return fail(nil, "a value cannot have the type void")
	case LongDouble, Int128:
		return fail(ErrUnsupported, "%s by value is not supported", t.Name)
	case Array:
		return p.byValue(*t.Elem)
	case Struct, Union:
		if t.Size > maxByValue {
			return fail(ErrUnsupported, "%s of %d bytes is too large to pass by value (more than %d)", t.Name, t.Size, maxByValue)
		}
		for _, f := range t.Fields {
			if m := f.Type.innermost(); m.Kind == LongDouble || m.Kind == Int128 {
				return fail(ErrUnsupported, "%s by value is not supported: its member %s is of type %s", t.Name, f.Name, m.Name)
			}
			if err := p.byValue(f.Type); err != nil {
				return err
			}
		}
	}
	return nil
}
