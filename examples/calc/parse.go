package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// fn is a function, or a statement outside of all, which is made into one.
type fn struct {
	name      string
	file      string
	line      int
	params    []string
	body      []stmt
	end       int // line of its end
	statement bool
}

type stmtKind int

const (
	assign stmtKind = iota
	ret
	show
	call
	branch
	loop
)

// stmt is a statement.
type stmt struct {
	kind stmtKind
	line int
	name string // what is assigned to
	e    *expr
	body []stmt
	end  int
}

// expr is a number, a variable, a call, or an operation on two.
type expr struct {
	op    string // "number", "name", "call", or the operator
	value int64
	name  string
	args  []*expr
}

// parser reads a file line by line.
type parser struct {
	file  string
	lines []string
	at    int      // number of the line
	words []string // what is left of the line
}

func newParser(file, text string) *parser {
	return &parser{file: file, lines: strings.Split(text, "\n")}
}

func (p *parser) fail(format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", p.file, p.at, fmt.Sprintf(format, args...))
}

// line goes to the next line with something in it; false at the end.
func (p *parser) line() bool {
	for p.at < len(p.lines) {
		text, _, _ := strings.Cut(p.lines[p.at], "#")
		p.at++
		if p.words = split(text); len(p.words) > 0 {
			return true
		}
	}
	return false
}

// split makes words of a line: names and numbers, and characters that are none.
func split(text string) (words []string) {
	part := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		n := strings.IndexFunc(text, func(r rune) bool { return !part(r) })
		switch {
		case n < 0:
			n = len(text)
		case strings.HasPrefix(text, "=="):
			n = 2
		case n == 0:
			n = len(string([]rune(text)[:1]))
		}
		words = append(words, text[:n])
		text = text[n:]
	}
	return words
}

func (p *parser) peek() string {
	if len(p.words) == 0 {
		return ""
	}
	return p.words[0]
}

func (p *parser) take() string {
	w := p.peek()
	if w != "" {
		p.words = p.words[1:]
	}
	return w
}

func (p *parser) want(w string) error {
	if got := p.take(); got != w {
		return p.fail("%q where %q is wanted", got, w)
	}
	return nil
}

func isName(w string) bool { return w != "" && (unicode.IsLetter(rune(w[0])) || w[0] == '_') }

// next returns the next function or statement, nil at the end.
func (p *parser) next() (*fn, error) {
	if !p.line() {
		return nil, nil
	}
	f := &fn{file: p.file, line: p.at}
	var err error
	if p.peek() != "fn" {
		f.statement = true
		f.name = fmt.Sprintf("statement_%d", p.at)
		f.body = make([]stmt, 1)
		f.body[0], err = p.stmt()
		f.end = p.at
		return f, err
	}
	p.take()
	if f.name = p.take(); !isName(f.name) {
		return nil, p.fail("%q is no name", f.name)
	}
	if err := p.want("("); err != nil {
		return nil, err
	}
	for p.peek() != ")" {
		name := p.take()
		if !isName(name) {
			return nil, p.fail("%q is no name", name)
		}
		f.params = append(f.params, name)
		if p.peek() == "," {
			p.take()
		}
	}
	if p.take(); len(p.words) > 0 {
		return nil, p.fail("%q behind the parameters", p.peek())
	}
	if len(f.params) > maxArgs {
		return nil, p.fail("more than %d parameters", maxArgs)
	}
	f.body, err = p.block()
	f.end = p.at
	return f, err
}

// block reads statements up to "end".
func (p *parser) block() (list []stmt, err error) {
	for p.line() {
		if p.peek() == "end" {
			return list, nil
		}
		s, err := p.stmt()
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return nil, p.fail("no end")
}

func (p *parser) stmt() (s stmt, err error) {
	s.line = p.at
	word := p.peek()
	kinds := map[string]stmtKind{"return": ret, "print": show, "if": branch, "while": loop}
	kind, known := kinds[word]
	switch {
	case known:
		s.kind = kind
		p.take()
	case len(p.words) > 1 && p.words[1] == "=" && isName(word):
		s.kind, s.name = assign, word
		p.words = p.words[2:]
	default:
		s.kind = call
	}
	if s.e, err = p.expr(0); err != nil {
		return s, err
	}
	if len(p.words) > 0 {
		return s, p.fail("%q behind the expression", p.peek())
	}
	if s.kind == branch || s.kind == loop {
		s.body, err = p.block()
		s.end = p.at
	}
	return s, err
}

var levels = [][]string{{"<", ">", "=="}, {"+", "-"}, {"*", "/", "%"}}

// expr reads an expression of operators from a level on.
func (p *parser) expr(level int) (*expr, error) {
	if level == len(levels) {
		return p.primary()
	}
	x, err := p.expr(level + 1)
	for err == nil && isOneOf(p.peek(), levels[level]) {
		op := p.take()
		var y *expr
		y, err = p.expr(level + 1)
		x = &expr{op: op, args: []*expr{x, y}}
	}
	return x, err
}

func isOneOf(w string, list []string) bool {
	for _, x := range list {
		if w == x {
			return true
		}
	}
	return false
}

func (p *parser) primary() (*expr, error) {
	w := p.take()
	switch {
	case w == "-":
		x, err := p.primary()
		return &expr{op: "-", args: []*expr{{op: "number"}, x}}, err
	case w == "(":
		x, err := p.expr(0)
		if err != nil {
			return nil, err
		}
		return x, p.want(")")
	case isName(w) && p.peek() == "(":
		p.take()
		x := &expr{op: "call", name: w}
		for p.peek() != ")" {
			a, err := p.expr(0)
			if err != nil {
				return nil, err
			}
			x.args = append(x.args, a)
			if p.peek() == "," {
				p.take()
			}
		}
		p.take()
		if len(x.args) > maxArgs {
			return nil, p.fail("more than %d arguments", maxArgs)
		}
		return x, nil
	case isName(w):
		return &expr{op: "name", name: w}, nil
	}
	n, err := strconv.ParseInt(w, 10, 64)
	if err != nil {
		return nil, p.fail("%q is no expression", w)
	}
	return &expr{op: "number", value: n}, nil
}
