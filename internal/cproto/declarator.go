package cproto

// declarator is a declarator taken apart: the name in its middle and what is done to it, from the name outward.
type declarator struct {
	name string
	tok  token // the name's, or where it would be
	ops  []derivation
}

// derivation is one step from a declared name towards its base type.
type derivation struct {
	kind  Kind // Pointer, Array or Function
	quals Type // Pointer; and Array, for the pointer it becomes as a parameter
	len   uint64
	fn    *Signature
	tok   token
}

// declarator reads a declarator, which may be abstract (without a name).
func (p *parser) declarator() (declarator, error) {
	var d declarator
	if err := p.enter(); err != nil {
		return d, err
	}
	defer p.leave()
	var pointers []derivation
	for {
		if err := p.attributes(); err != nil {
			return d, err
		}
		tok := p.peek()
		if !p.accept("*") {
			break
		}
		if len(pointers) == maxDerivations {
			return d, p.errorAt(tok, "more than %d pointers", maxDerivations)
		}
		q, err := p.qualifiers()
		if err != nil {
			return d, err
		}
		pointers = append(pointers, derivation{kind: Pointer, quals: q, tok: tok})
	}
	d.tok = p.peek()
	if w, ok := p.word(); ok {
		if w != wName {
			return d, p.unexpected("a name")
		}
		d.name = p.next().text
	} else if p.is("(") && p.groups() {
		p.next()
		inner, err := p.declarator()
		if err != nil {
			return d, err
		}
		if err := p.expect(")", "after a declarator"); err != nil {
			return d, err
		}
		d = inner
	}
	for {
		op := derivation{tok: p.peek()}
		var err error
		switch {
		case p.is("("):
			op.kind = Function
			op.fn, err = p.parameters()
		case p.is("["):
			err = p.array(&op)
		default:
			for i := len(pointers) - 1; i >= 0; i-- {
				d.ops = append(d.ops, pointers[i])
			}
			if len(d.ops) > maxDerivations {
				return d, p.errorAt(op.tok, "a type in more than %d steps", maxDerivations)
			}
			return d, nil
		}
		if err != nil {
			return d, err
		}
		if len(d.ops) >= maxDerivations {
			return d, p.errorAt(op.tok, "a type in more than %d steps", maxDerivations)
		}
		d.ops = append(d.ops, op)
	}
}

// groups reports whether the parenthesis that comes next holds a declarator, not parameters.
func (p *parser) groups() bool {
	t := p.toks[p.at+1]
	switch t.kind {
	case tokPunct:
		return t.text == "*" || t.text == "("
	case tokIdent:
		w := words()[t.text]
		return w == wName && predefined()[t.text] == nil || w == wAttribute
	}
	return false
}

func (p *parser) qualifiers() (Type, error) {
	var q Type
	for {
		w, ok := p.word()
		switch {
		case ok && w == wConst:
			q.Const = true
		case ok && w == wVolatile:
			q.Volatile = true
		case ok && w == wRestrict:
			q.Restrict = true
		case ok && w == wAttribute:
			if err := p.attributes(); err != nil {
				return q, err
			}
			continue
		default:
			return q, nil
		}
		p.next()
	}
}

// array reads the brackets of an array: nothing, a length, a name that gives the length (which is then not known here), or a star.
func (p *parser) array(op *derivation) error {
	op.kind = Array
	p.next()
	for p.peek().text == "static" {
		p.next()
	}
	q, err := p.qualifiers()
	if err != nil {
		return err
	}
	op.quals = q
	for p.peek().text == "static" {
		p.next()
	}
	switch tok := p.peek(); {
	case p.is("]"):
	case p.accept("*"):
	case tok.kind == tokIdent && words()[tok.text] == wName:
		v, known := p.enums[tok.text]
		p.next()
		if known && v > 0 {
			op.len = uint64(v)
		}
	default:
		v, err := p.constant()
		if err != nil {
			return err
		}
		if v <= 0 || v > maxObject {
			return p.errorAt(tok, "an array of %d elements", v)
		}
		op.len = uint64(v)
	}
	return p.expect("]", "after the length of an array")
}

// parameters reads a parameter list with its parentheses.
func (p *parser) parameters() (*Signature, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	f := new(Signature)
	p.next()
	if p.accept(")") {
		return f, nil
	}
	for {
		tok := p.peek()
		if p.accept("...") {
			f.Variadic = true
			return f, p.expect(")", "after the ...")
		}
		if len(f.Params) == maxParams {
			return f, p.errorAt(tok, "more than %d parameters", maxParams)
		}
		base, err := p.specifiers()
		if err != nil {
			return f, err
		}
		d, err := p.declarator()
		if err != nil {
			return f, err
		}
		t, err := p.derive(base, d)
		if err != nil {
			return f, err
		}
		if err := p.attributes(); err != nil {
			return f, err
		}
		if t.Kind == Void {
			if len(f.Params) == 0 && d.name == "" && p.accept(")") {
				return f, nil
			}
			return f, p.errorAt(tok, "a parameter cannot have the type void")
		}
		quals := t
		t = decay(t)
		if quals.Kind == Array && len(d.ops) > 0 {
			q := d.ops[0].quals
			t.Const, t.Volatile, t.Restrict = q.Const, q.Volatile, q.Restrict
		}
		t.col = max(base.col, 1)
		f.Params = append(f.Params, Param{d.name, t})
		if p.accept(")") {
			return f, nil
		}
		if !p.accept(",") {
			return f, p.unexpected(`"," or ")" after a parameter`)
		}
	}
}

// derive builds the type of a declared name from its base type.
func (p *parser) derive(base Type, d declarator) (Type, error) {
	t := base
	for i := len(d.ops) - 1; i >= 0; i-- {
		op := d.ops[i]
		switch op.kind {
		case Pointer:
			t = pointerTo(t)
			t.Const, t.Volatile, t.Restrict = op.quals.Const, op.quals.Volatile, op.quals.Restrict
		case Array:
			if t.Kind == Function || t.Kind == Void {
				return t, p.errorAt(op.tok, "an array of a function or of void")
			}
			if t.Kind == Array && t.Len == 0 {
				return t, p.errorAt(op.tok, "an array of arrays without length")
			}
			elem := t
			t = Type{Kind: Array, Elem: &elem, Len: op.len, Align: elem.Align, Size: elem.Size * uintptr(op.len), leaves: elem.leaves}
			if t.Size > maxObject {
				return t, p.errorAt(op.tok, "an array of %d bytes is too large", t.Size)
			}
		case Function:
			if t.Kind == Function || t.Kind == Array {
				return t, p.errorAt(op.tok, "a function cannot return a function or an array")
			}
			f := *op.fn
			f.Result = t
			t = Type{Kind: Function, Func: &f}
		}
		t.col = base.col
	}
	return t, nil
}
