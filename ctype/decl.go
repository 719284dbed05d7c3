package ctype

import (
	"weld/internal/cproto"
)

// ParseDecl reads the prototype of a function in C, such as "int open(const char *path, int flags, ...)": a type that the caller
// gives, where there is no debugging information. Structs that are passed by value have to be written out in it. The errors are of package
// cproto's type *SyntaxError, which shows where.
func ParseDecl(text string) (*Known, error) {
	p, err := cproto.Parse(text)
	if err != nil {
		return nil, err
	}
	d := decls{}
	f := d.function(&cproto.Signature{Result: p.Result, Params: p.Params, Variadic: p.Variadic})
	return &Known{Type: f, Name: p.Name, From: FromDecl, File: text}, nil
}

// ParseType reads a type in C, such as "struct { int x, y; } *"; see ParseDecl.
func ParseType(text string) (*Type, error) {
	t, err := cproto.ParseType(text)
	if err != nil {
		return nil, err
	}
	return decls{}.value(t), nil
}

// decls makes types of those of package cproto.
type decls struct{}

func (d decls) function(s *cproto.Signature) *Type {
	f := &Type{Kind: Func, Size: -1, Elem: d.value(s.Result), Variadic: s.Variadic}
	for _, p := range s.Params {
		f.Params = append(f.Params, Param{p.Name, d.value(p.Type)})
	}
	return f
}

func (d decls) value(t cproto.Type) *Type {
	var q Quals
	if t.Const {
		q |= Const
	}
	if t.Volatile {
		q |= Volatile
	}
	if t.Restrict {
		q |= Restrict
	}
	u := d.unqualified(t)
	if q == 0 {
		return u
	}
	return &Type{Kind: Qualified, Quals: q, Elem: u, Size: u.Size}
}

func (d decls) unqualified(t cproto.Type) *Type {
	size := int64(t.Size)
	switch t.Kind {
	case cproto.Bool:
		return &Type{Kind: Bool, Name: "_Bool", Size: size}
	case cproto.Int, cproto.Int128:
		if t.Enum != nil || len(t.Name) > 5 && t.Name[:5] == "enum " {
			e := &Type{Kind: Enum, Size: size, Signed: t.Signed, Incomplete: t.Enum == nil, body: &body{}}
			if len(t.Name) > 5 {
				e.Name = t.Name[5:]
			}
			for _, x := range t.Enum {
				e.body.enums = append(e.body.enums, Enumerator(x))
			}
			return e
		}
		return &Type{Kind: Int, Name: t.Name, Size: size, Signed: t.Signed}
	case cproto.Float:
		f := Binary64
		if size == 4 {
			f = Binary32
		}
		return &Type{Kind: Float, Name: t.Name, Size: size, Format: f}
	case cproto.Complex:
		f := Binary64
		if size == 8 {
			f = Binary32
		}
		return &Type{Kind: Complex, Name: t.Name, Size: size, Format: f}
	case cproto.LongDouble:
		if size == 32 {
			return &Type{Kind: Complex, Name: t.Name, Size: size, Format: X87}
		}
		return &Type{Kind: Float, Name: t.Name, Size: size, Format: X87}
	case cproto.Pointer:
		return PointerTo(d.value(*t.Elem))
	case cproto.Array:
		n := int64(t.Len)
		if n == 0 {
			n = -1
		}
		return &Type{Kind: Array, Elem: d.value(*t.Elem), Len: n, Size: size}
	case cproto.Struct, cproto.Union:
		kind, word := Struct, "struct"
		if t.Kind == cproto.Union {
			kind, word = Union, "union"
		}
		var ms []Member
		for _, f := range t.Fields {
			ms = append(ms, Member{Name: f.Name, Type: d.value(f.Type), Offset: int64(f.Offset) * 8})
		}
		return NewStruct(kind, tagOf(t.Name, word), size, ms)
	case cproto.Function:
		return d.function(t.Func)
	case cproto.Opaque:
		for _, x := range []struct {
			word string
			kind Kind
		}{{"struct", Struct}, {"union", Union}, {"enum", Enum}} {
			if tag := tagOf(t.Name, x.word); tag != t.Name {
				return &Type{Kind: x.kind, Name: tag, Size: -1, Incomplete: true}
			}
		}
		return &Type{Kind: Typedef, Name: t.Name, Size: -1, Elem: &Type{Kind: Struct, Name: t.Name, Size: -1, Incomplete: true}}
	}
	return voidType
}

// tagOf takes the word struct, union or enum off a name; a name without it is a typedef's.
func tagOf(name, word string) string {
	if len(name) > len(word) && name[:len(word)] == word && name[len(word)] == ' ' {
		return name[len(word)+1:]
	}
	if name == word {
		return ""
	}
	return name
}
