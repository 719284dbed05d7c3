package gogen

import (
	"fmt"
	"strings"

	"weld/ctype"
)

// typeKey tells the structs, unions and enums of C apart: by tag where there is one, as each unit has a copy of its own.
type typeKey struct {
	kind ctype.Kind
	name string
	t    *ctype.Type // if there is no name
}

// goType is a struct, union or enum of which a Go type is made.
type goType struct {
	c      *ctype.Type
	name   string // in Go
	cName  string // in C, with the word, on one line
	opaque string // why it is not described; "" if it is
	value  bool   // something has it by value

	sized       bool // size and align are known
	size, align int64
	body        string // of the Go type
	notes       []string
	unions      []accessor
	laying      bool
}

// accessor is a method of a union, that returns a pointer to a member.
type accessor struct{ name, typ, c string }

// where says what a type is wanted for.
type where uint8

const (
	asParam  where = iota // of a function that Go calls
	asResult              // of one
	asBack                // a parameter or result of a callback
	asMember              // in memory
)

// function returns the Go func type of a function, or why it has none.
func (w *writer) function(s Symbol) (text, why string) {
	t := s.Type.Strip()
	raw := w.opt.Raw(s.Name)
	switch {
	case t.Unchecked:
		return "", "they are declared without prototypes"
	case t.Convention != "":
		return "", "they have the calling convention " + t.Convention
	case !t.Variadic && len(t.Params) > 128:
		return "", "they have more than 128 parameters"
	}
	return w.funcType(t, asParam, asResult, raw)
}

// funcType writes a func type.
func (w *writer) funcType(t *ctype.Type, in, out where, raw bool) (text, why string) {
	names := map[string]bool{}
	var params []string
	for i, p := range t.Params {
		typ, why := w.value(p.Type, in, raw, names0(p.Name, i))
		if why != "" {
			return "", why
		}
		name := paramName(p.Name)
		if name == "_" && in == asParam {
			name = fmt.Sprintf("p%d", i+1)
		}
		if name != "_" {
			name = unique(names, name)
		}
		params = append(params, name+" "+typ)
	}
	if len(names) == 0 && in != asParam {
		for i := range params {
			params[i] = strings.TrimPrefix(params[i], "_ ")
		}
	}
	if t.Variadic {
		params = append(params, unique(names, "args")+" ...any")
	}
	text = "func(" + strings.Join(params, ", ") + ")"
	if t.Elem.Strip().Kind == ctype.Void {
		return text, ""
	}
	typ, why := w.value(t.Elem, out, raw, "result")
	if why != "" {
		return "", why
	}
	return text + " " + typ, ""
}

func names0(name string, i int) string {
	if name != "" {
		return name
	}
	return fmt.Sprintf("p%d", i+1)
}

// variable returns the Go type of the field of a variable: a pointer to it.
func (w *writer) variable(t *ctype.Type) (text, why string) {
	u := t.Strip()
	if u.Kind == ctype.Array && u.Len < 0 {
		t = u.Elem
	}
	text, why = w.pointee(t, "value")
	if why != "" || text == "" {
		return "unsafe.Pointer", w.useUnsafe()
	}
	return "*" + text, ""
}

// useUnsafe notes that the package is needed. It returns "", for use as a reason.
func (w *writer) useUnsafe() string {
	w.unsafe = true
	return ""
}

var intTypes = map[int64][2]string{1: {"uint8", "int8"}, 2: {"uint16", "int16"}, 4: {"uint32", "int32"}, 8: {"uint64", "int64"}}

// scalar returns the Go type of an arithmetic type; "" if there is none.
func scalar(t *ctype.Type) string {
	switch t.Kind {
	case ctype.Bool:
		if t.Size == 1 {
			return "bool"
		}
	case ctype.Int:
		if t.Bits == 0 {
			if t.Signed {
				return intTypes[t.Size][1]
			}
			return intTypes[t.Size][0]
		}
	case ctype.Float:
		switch t.Format {
		case ctype.Binary32:
			return "float32"
		case ctype.Binary64:
			return "float64"
		}
	case ctype.Complex:
		switch t.Format {
		case ctype.Binary32:
			return "complex64"
		case ctype.Binary64:
			return "complex128"
		}
	}
	return ""
}

// value returns the Go type that stands for t in a place, or why there is none. Hint names what has no name of its own.
func (w *writer) value(t *ctype.Type, at where, raw bool, hint string) (text, why string) {
	u := t.Strip()
	switch u.Kind {
	case ctype.Array, ctype.Func:
		if at != asMember {
			u = ctype.PointerTo(u)
		}
	case ctype.Union:
		if at != asMember && onlyPointers(u) {
			u = ctype.PointerTo(ctype.VoidType())
		}
	}
	switch u.Kind {
	case ctype.Bool, ctype.Int, ctype.Float, ctype.Complex:
		if s := scalar(u); s != "" {
			return s, ""
		}
		return "", "they pass " + u.String() + ", which Go has not"
	case ctype.Enum:
		return w.named(t, hint).name, ""
	case ctype.Pointer:
		return w.pointer(u, at, raw, hint)
	case ctype.Struct, ctype.Union:
		if u.ByReference {
			return "", "they pass C++ objects"
		}
		if isVaList(u) {
			return "", "they take a va_list"
		}
		g := w.named(t, hint)
		w.layValue(g)
		switch {
		case g.opaque != "":
			return "", "they pass " + g.cName + " by value, and it " + g.opaque
		case u.Size == 0:
			return "", "they pass an empty struct"
		case g.c.Size > 1024:
			return "", "they pass more than 1024 bytes by value"
		case g.c.Size <= 16 && u.Unaligned():
			return "", "they pass a packed struct of up to 16 bytes by value"
		case u.Kind == ctype.Struct && g.c.Size <= 16 && u.SSE() != [2]bool{} && acrossWords(u, 0, 0):
			return "", "they pass a struct with floating-point numbers and a union that is in two words by value"
		}
		if a := u.Alignment(); a > 8 {
			return "", "they pass a struct of a larger alignment than Go has"
		}
		return g.name, ""
	case ctype.Vector:
		return "", "they pass vectors, which Go has not"
	}
	return "", "they pass " + u.String() + ", which C has not"
}

// acrossWords reports whether a type of up to 16 bytes, at an offset in a struct, has a union that is in two eightbytes and begins in the
// middle of one: the words of Go's union are of the classes that they have where it is alone.
func acrossWords(t *ctype.Type, at int64, depth int) bool {
	u := t.Strip()
	if depth > 16 || at > 16 {
		return false // damage
	}
	switch u.Kind {
	case ctype.Union:
		return at%8 != 0 && at/8 != (at+u.Size-1)/8
	case ctype.Struct:
		ms, _ := u.Members()
		for _, m := range ms {
			if acrossWords(m.Type, at+m.Offset/8, depth+1) {
				return true
			}
		}
	case ctype.Array:
		for i := range min(u.Len, 16) {
			if acrossWords(u.Elem, at+i*max(u.Elem.Strip().Size, 0), depth+1) {
				return true
			}
		}
	}
	return false
}

func onlyPointers(u *ctype.Type) bool {
	ms, err := u.Members()
	if err != nil || u.Incomplete || u.Size != 8 {
		return false
	}
	for _, m := range ms {
		if m.Type.Strip().Kind != ctype.Pointer {
			return false
		}
	}
	return true
}

func isVaList(t *ctype.Type) bool {
	return t.Kind == ctype.Struct && strings.HasPrefix(t.Name, "__va_list")
}

// pointer returns the Go type of a pointer.
func (w *writer) pointer(p *ctype.Type, at where, raw bool, hint string) (text, why string) {
	e := p.Elem.Strip()
	switch {
	case p.Reference:
		return "", "they take C++ references"
	case isVaList(e) && at != asMember:
		return "", "they take a va_list"
	case e.Kind == ctype.Func:
		if at != asParam {
			return "uintptr", ""
		}
		fn, why := w.funcType(e, asBack, asBack, true)
		if why != "" || e.Variadic || e.Unchecked || e.Convention != "" {
			return "uintptr", ""
		}
		return "*weld.CallbackOf[" + fn + "]", ""
	case isText(p.Elem) && !raw && (at == asParam || at == asResult):
		return "string", ""
	}
	text, why = w.pointee(p.Elem, hint)
	if why != "" || text == "" {
		return "unsafe.Pointer", w.useUnsafe()
	}
	return "*" + text, ""
}

// isText reports whether t is const char.
func isText(t *ctype.Type) bool {
	isConst := false
	for t.Kind == ctype.Typedef || t.Kind == ctype.Qualified {
		isConst = isConst || t.Quals&ctype.Const != 0
		t = t.Elem
	}
	return isConst && t.Kind == ctype.Int && t.Size == 1 && t.Name == "char"
}

// pointee returns the Go type of what is pointed to; "" for void and what nothing stands for.
func (w *writer) pointee(t *ctype.Type, hint string) (text, why string) {
	u := t.Strip()
	switch u.Kind {
	case ctype.Int, ctype.Bool, ctype.Float, ctype.Complex:
		if u.Kind == ctype.Int && u.Size == 1 {
			return "byte", ""
		}
		return scalar(u), ""
	case ctype.Enum:
		return w.named(t, hint).name, ""
	case ctype.Struct, ctype.Union:
		return w.named(t, hint).name, ""
	case ctype.Pointer:
		return w.pointer(u, asMember, true, hint)
	case ctype.Array:
		text, why = w.pointee(u.Elem, hint)
		if text == "" || why != "" || u.Len < 0 {
			return text, why
		}
		return fmt.Sprintf("[%d]%s", u.Len, text), ""
	}
	return "", ""
}

// named returns the Go type of a struct, union or enum.
func (w *writer) named(t *ctype.Type, hint string) *goType {
	typedef := ""
	for t.Kind == ctype.Typedef || t.Kind == ctype.Qualified {
		if t.Kind == ctype.Typedef {
			typedef = t.Name
		}
		t = t.Elem
	}
	key := typeKey{t.Kind, t.Name, nil}
	if t.Name == "" {
		if key.name = typedef; typedef == "" {
			key.t = t
		} else {
			key.name = " " + typedef // apart from the tags
		}
	}
	if g := w.types[key]; g != nil {
		if g.c.Incomplete && !t.Incomplete {
			g.c = t
		}
		return g
	}
	word := map[ctype.Kind]string{ctype.Struct: "struct", ctype.Union: "union", ctype.Enum: "enum"}[t.Kind]
	g := &goType{c: t}
	switch {
	case t.Name != "":
		g.cName, g.name = oneLine(word+" "+t.Name), w.exported(t.Name)
	case typedef != "":
		g.cName, g.name = oneLine(typedef), w.exported(typedef)
	default:
		g.cName, g.name = "an unnamed "+word, exported(hint)
	}
	g.name = unique(w.taken, g.name)
	w.types[key] = g
	w.made = append(w.made, g)
	if t.Incomplete && w.lib.Describe != nil && t.Name != "" {
		if full := w.lib.Describe(t.Kind, t.Name); full != nil {
			g.c = full
		}
	}
	return g
}
