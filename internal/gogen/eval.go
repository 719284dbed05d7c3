package gogen

import (
	"go/constant"
	"go/token"
	"strconv"
	"strings"
)

// evaluator gives macros their values: those of constant expressions of C without casts, and of string literals. Integers are of any
// size, and so wrong where C would wrap around; those that do not fit into 64 bits are refused, and negative ones of what is unsigned.
type evaluator struct {
	macros map[string]string
	known  map[string]macroValue // those that have one; nil at first
	open   []string              // macros that are being looked at
	toks   []string
	bad    bool
	uns    bool // a literal is unsigned
}

type macroValue struct {
	constant.Value
	uns bool
}

// value returns the value of a macro; nil if it has none that Go can write.
func (e *evaluator) value(name string) constant.Value {
	if v, ok := e.known[name]; ok {
		e.uns = e.uns || v.uns
		return v.Value
	}
	body, ok := e.macros[name]
	if !ok || len(e.open) > 32 || len(body) > 4096 {
		return nil
	}
	for _, o := range e.open {
		if o == name {
			return nil
		}
	}
	if e.known == nil {
		e.known = map[string]macroValue{}
	}
	sub := evaluator{macros: e.macros, known: e.known, open: append(e.open, name)}
	if sub.toks, ok = tokens(body); !ok || len(sub.toks) == 0 {
		return nil
	}
	v := sub.binary(1)
	if sub.bad || v == nil || len(sub.toks) > 0 || v.Kind() == constant.Unknown {
		return nil
	}
	if v.Kind() == constant.Int {
		if _, exact := constant.Int64Val(v); !exact {
			if _, exact := constant.Uint64Val(v); !exact {
				return nil
			}
		}
	}
	e.known[name] = macroValue{v, sub.uns}
	e.uns = e.uns || sub.uns
	return v
}

// wraps reports whether C has another value for v, which is unsigned.
func (e *evaluator) wraps(v constant.Value) bool {
	return e.uns && v.Kind() == constant.Int && constant.Sign(v) < 0
}

// tokens cuts an expression into numbers, names, literals and operators.
func tokens(s string) (list []string, ok bool) {
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		n := 1
		switch c := s[0]; {
		case c == '"' || c == '\'':
			for n < len(s) && s[n] != c {
				if s[n] == '\\' {
					n++
				}
				n++
			}
			if n >= len(s) {
				return nil, false
			}
			n++
		case c >= '0' && c <= '9' || c == '.' && len(s) > 1 && s[1] >= '0' && s[1] <= '9':
			for n < len(s) && (isWord(s[n]) || s[n] == '.' || (s[n] == '+' || s[n] == '-') && strings.IndexByte("eEpP", s[n-1]) >= 0 && (!strings.HasPrefix(s, "0x") || s[n-1]|0x20 == 'p')) {
				n++
			}
		case isWord(c):
			for n < len(s) && isWord(s[n]) {
				n++
			}
		case strings.HasPrefix(s, "/*"):
			if n = strings.Index(s[2:], "*/") + 4; n < 4 {
				return nil, false
			}
			s = s[n:]
			continue
		case strings.HasPrefix(s, "<<") || strings.HasPrefix(s, ">>"):
			n = 2
		case strings.IndexByte("+-*/%&|^~()", c) < 0:
			return nil, false
		}
		list, s = append(list, s[:n]), s[n:]
	}
	return list, true
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// binaryOps are the operators by how closely they bind, as in C.
var binaryOps = map[string]struct {
	level int
	tok   token.Token
}{"|": {1, token.OR}, "^": {2, token.XOR}, "&": {3, token.AND}, "<<": {4, token.SHL}, ">>": {4, token.SHR}, "+": {5, token.ADD}, "-": {5, token.SUB},
	"*": {6, token.MUL}, "/": {6, token.QUO}, "%": {6, token.REM}}

func (e *evaluator) peek() string {
	if len(e.toks) == 0 {
		return ""
	}
	return e.toks[0]
}

func (e *evaluator) fail() constant.Value {
	e.bad = true
	return constant.MakeUnknown()
}

func (e *evaluator) binary(level int) constant.Value {
	x := e.unary(0)
	for !e.bad {
		op, ok := binaryOps[e.peek()]
		if !ok || op.level < level {
			break
		}
		e.toks = e.toks[1:]
		y := e.binary(op.level + 1)
		if e.bad || x.Kind() == constant.String || y.Kind() == constant.String {
			return e.fail()
		}
		ints := x.Kind() == constant.Int && y.Kind() == constant.Int
		switch op.tok {
		case token.SHL, token.SHR:
			if !ints {
				return e.fail()
			}
			n, exact := constant.Uint64Val(y)
			if !exact || n > 63 {
				return e.fail()
			}
			x = constant.Shift(x, op.tok, uint(n))
		case token.QUO, token.REM:
			if constant.Sign(y) == 0 || op.tok == token.REM && !ints {
				return e.fail()
			}
			tok := op.tok
			if ints && tok == token.QUO {
				tok = token.QUO_ASSIGN // truncated, as in C
			}
			x = constant.BinaryOp(x, tok, y)
		case token.AND, token.OR, token.XOR:
			if !ints {
				return e.fail()
			}
			x = constant.BinaryOp(x, op.tok, y)
		default:
			x = constant.BinaryOp(x, op.tok, y)
		}
		if e.wraps(x) || x.Kind() == constant.Int && constant.BitLen(x) > 64 {
			return e.fail()
		}
	}
	return x
}

func (e *evaluator) unary(depth int) constant.Value {
	t := e.peek()
	if t == "" || depth > 64 {
		return e.fail()
	}
	e.toks = e.toks[1:]
	switch t {
	case "-", "+", "~":
		x := e.unary(depth + 1)
		if e.bad || x.Kind() == constant.String || t == "~" && x.Kind() != constant.Int {
			return e.fail()
		}
		if x = constant.UnaryOp(map[string]token.Token{"-": token.SUB, "+": token.ADD, "~": token.XOR}[t], x, 0); e.wraps(x) {
			return e.fail()
		}
		return x
	case "(":
		if depth += 1; len(e.open)+depth > 128 {
			return e.fail()
		}
		x := e.binary(1)
		if e.peek() != ")" {
			return e.fail()
		}
		e.toks = e.toks[1:]
		return x
	}
	switch c := t[0]; {
	case c == '"':
		return e.text(t)
	case c == '\'':
		t, ok := goEscapes(t[1 : len(t)-1])
		v, _, rest, err := strconv.UnquoteChar(t, '\'')
		if !ok || err != nil || rest != "" || v > 0x7f {
			return e.fail()
		}
		return constant.MakeInt64(int64(v))
	case c >= '0' && c <= '9' || c == '.':
		return e.number(t)
	case isWord(c):
		if v := e.value(t); v != nil {
			return v
		}
	}
	return e.fail()
}

// text is one string literal, or several behind one another.
func (e *evaluator) text(t string) constant.Value {
	s := ""
	for {
		u, ok := goEscapes(t)
		u, err := strconv.Unquote(u)
		if err != nil || !ok {
			return e.fail()
		}
		if s += u; !strings.HasPrefix(e.peek(), `"`) {
			return constant.MakeString(s)
		}
		t, e.toks = e.toks[0], e.toks[1:]
	}
}

// goEscapes writes the escapes of a C literal as Go has them: numbers have three octal digits, or two hexadecimal ones, where C takes one to three, or
// all that there are. ok is false for others of those.
func goEscapes(s string) (t string, ok bool) {
	run := func(at int, digits string) int {
		n := 0
		for at+n < len(s) && strings.IndexByte(digits, s[at+n]) >= 0 {
			n++
		}
		return n
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		b.WriteByte(s[i])
		if s[i] != '\\' || i+1 == len(s) {
			continue
		}
		i++
		if n := min(run(i, "01234567"), 3); n > 0 {
			b.WriteString("000"[n:] + s[i:i+n])
			i += n - 1
			continue
		}
		if s[i] == 'x' && run(i+1, "0123456789abcdefABCDEF") != 2 {
			return "", false
		}
		b.WriteByte(s[i])
	}
	return b.String(), true
}

// number is a literal without its suffix.
func (e *evaluator) number(t string) constant.Value {
	low := strings.ToLower(t)
	hexa := strings.HasPrefix(low, "0x")
	if strings.Contains(low, ".") || !hexa && strings.Contains(low, "e") || hexa && strings.Contains(low, "p") {
		if v := constant.MakeFromLiteral(strings.TrimRight(low, "fl"), token.FLOAT, 0); v.Kind() != constant.Unknown {
			return v
		}
		return e.fail()
	}
	all := low
	low = strings.TrimRight(low, "ul")
	e.uns = e.uns || strings.IndexByte(all[len(low):], 'u') >= 0
	if strings.IndexByte(low, '_') >= 0 {
		return e.fail()
	}
	if v := constant.MakeFromLiteral(low, token.INT, 0); v.Kind() == constant.Int {
		return v
	}
	return e.fail()
}
