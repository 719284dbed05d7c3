package main

import (
	"debug/dwarf"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"

	"weld/internal/cproto"
)

// errNoDebugInfo says that a function is not described.
var errNoDebugInfo = errors.New("no debug information describes it")

// described returns the prototype of a function from the debug information (DWARF 5, 3.3) of a file, or of the separate
// file of its build ID.
func described(file string, buildID []byte, name string) (p *cproto.Prototype, err error) {
	files := []string{file}
	if len(buildID) > 1 {
		id := hex.EncodeToString(buildID)
		files = append(files, filepath.Join("/usr/lib/debug/.build-id", id[:2], id[2:]+".debug"))
	}
	for _, f := range files {
		if p, err = describedIn(f, name); err == nil {
			return p, nil
		}
	}
	return nil, errNoDebugInfo
}

func describedIn(file, name string) (p *cproto.Prototype, err error) {
	// The readers of the standard library are not made for files that are damaged on purpose.
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, fmt.Errorf("%s: debug information: %v", file, r)
		}
	}()
	f, err := elf.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Section(".debug_info") == nil && f.Section(".zdebug_info") == nil {
		return nil, errNoDebugInfo
	}
	d, err := f.DWARF()
	if err != nil {
		return nil, err
	}
	r := d.Reader()
	for {
		e, err := r.Next()
		if err != nil {
			return nil, err
		}
		if e == nil {
			return nil, errNoDebugInfo
		}
		switch e.Tag {
		case dwarf.TagCompileUnit, dwarf.TagNamespace:
			continue
		case dwarf.TagSubprogram:
			if declared, _ := e.Val(dwarf.AttrDeclaration).(bool); !declared && e.Val(dwarf.AttrLowpc) != nil && named(d, e, name) {
				return prototypeOf(d, r, e, name)
			}
		}
		if e.Children {
			r.SkipChildren()
		}
	}
}

// named reports whether a subprogram has a name, itself or in what it completes.
func named(d *dwarf.Data, e *dwarf.Entry, name string) bool {
	for _, a := range []dwarf.Attr{dwarf.AttrName, dwarf.AttrLinkageName} {
		if s, _ := e.Val(a).(string); s == name {
			return true
		}
	}
	for _, a := range []dwarf.Attr{dwarf.AttrSpecification, dwarf.AttrAbstractOrigin} {
		if off, ok := e.Val(a).(dwarf.Offset); ok {
			r := d.Reader()
			r.Seek(off)
			if e, err := r.Next(); err == nil && e != nil && off != 0 {
				for _, a := range []dwarf.Attr{dwarf.AttrName, dwarf.AttrLinkageName} {
					if s, _ := e.Val(a).(string); s == name {
						return true
					}
				}
			}
		}
	}
	return false
}

// prototypeOf reads the subprogram e, whose children come next.
func prototypeOf(d *dwarf.Data, r *dwarf.Reader, e *dwarf.Entry, name string) (*cproto.Prototype, error) {
	p := &cproto.Prototype{Name: name, Result: cproto.Type{Kind: cproto.Void, Name: "void"}}
	typeAt := func(e *dwarf.Entry) (cproto.Type, error) {
		for range 4 { // a parameter may say no more than what it completes
			if off, ok := e.Val(dwarf.AttrType).(dwarf.Offset); ok {
				t, err := d.Type(off)
				if err != nil {
					return cproto.Type{}, err
				}
				return typeOf(t, 0)
			}
			off, ok := e.Val(dwarf.AttrAbstractOrigin).(dwarf.Offset)
			if !ok {
				if off, ok = e.Val(dwarf.AttrSpecification).(dwarf.Offset); !ok {
					break
				}
			}
			r := d.Reader()
			r.Seek(off)
			next, err := r.Next()
			if err != nil || next == nil {
				return cproto.Type{}, errNoDebugInfo
			}
			e = next
		}
		return cproto.Type{Kind: cproto.Void, Name: "void"}, nil
	}
	var err error
	if p.Result, err = typeAt(e); err != nil {
		return nil, err
	}
	if !e.Children {
		return p, nil
	}
	for {
		c, err := r.Next()
		if err != nil {
			return nil, err
		}
		if c == nil || c.Tag == 0 {
			return p, nil
		}
		switch c.Tag {
		case dwarf.TagFormalParameter:
			t, err := typeAt(c)
			if err != nil {
				return nil, err
			}
			n, _ := c.Val(dwarf.AttrName).(string)
			p.Params = append(p.Params, cproto.Param{Name: n, Type: t})
		case dwarf.TagUnspecifiedParameters:
			p.Variadic = true
		}
		if c.Children {
			r.SkipChildren()
		}
	}
}

// typeOf makes the C type that calls go by. What pointers point to is kept as far as it is shown: characters.
func typeOf(t dwarf.Type, depth int) (cproto.Type, error) {
	const deepest = 32
	size := max(t.Size(), 0)
	if depth > deepest || size > 1<<30 {
		return cproto.Type{}, errNoDebugInfo
	}
	plain := func(k cproto.Kind, name string, signed bool) (cproto.Type, error) {
		return cproto.Type{Kind: k, Name: name, Size: uintptr(size), Align: uintptr(max(size, 1)), Signed: signed}, nil
	}
	switch t := t.(type) {
	case *dwarf.QualType:
		return typeOf(t.Type, depth+1)
	case *dwarf.TypedefType:
		return typeOf(t.Type, depth+1)
	case *dwarf.VoidType:
		return cproto.Type{Kind: cproto.Void, Name: "void"}, nil
	case *dwarf.BoolType:
		return plain(cproto.Bool, "_Bool", false)
	case *dwarf.CharType:
		return plain(cproto.Int, t.Name, true)
	case *dwarf.UcharType:
		return plain(cproto.Int, t.Name, false)
	case *dwarf.IntType:
		return integerType(t.Name, size, true)
	case *dwarf.UintType:
		return integerType(t.Name, size, false)
	case *dwarf.AddrType:
		return integerType(t.Name, size, false)
	case *dwarf.FloatType:
		if size == 16 {
			return plain(cproto.LongDouble, t.Name, false)
		}
		return plain(cproto.Float, t.Name, false)
	case *dwarf.ComplexType:
		if size == 32 {
			return cproto.Type{}, errNoDebugInfo
		}
		c, err := plain(cproto.Complex, t.Name, false)
		c.Align = c.Size / 2
		return c, err
	case *dwarf.EnumType:
		e, err := plain(cproto.Int, "enum "+t.EnumName, true)
		for _, v := range t.Val {
			e.Enum = append(e.Enum, cproto.Enumerator{Name: v.Name, Value: v.Val})
		}
		return e, err
	case *dwarf.PtrType:
		elem := cproto.Type{Kind: cproto.Opaque, Name: "void"}
		if c, ok := unqualified(t.Type).(*dwarf.CharType); ok && c.Name == "char" {
			elem = cproto.Type{Kind: cproto.Int, Name: "char", Size: 1, Align: 1, Signed: true}
		}
		return cproto.Type{Kind: cproto.Pointer, Size: 8, Align: 8, Elem: &elem}, nil
	case *dwarf.ArrayType:
		elem, err := typeOf(t.Type, depth+1)
		if err != nil {
			return elem, err
		}
		return cproto.Type{Kind: cproto.Array, Size: uintptr(size), Align: elem.Align, Elem: &elem, Len: uint64(max(t.Count, 0))}, nil
	case *dwarf.StructType:
		return structType(t, depth)
	case *dwarf.UnspecifiedType:
		return cproto.Type{Kind: cproto.Pointer, Size: 8, Align: 8, Elem: &cproto.Type{Kind: cproto.Opaque, Name: "void"}}, nil // nullptr_t
	}
	return cproto.Type{}, fmt.Errorf("%w: type %v", errNoDebugInfo, t)
}

func integerType(name string, size int64, signed bool) (cproto.Type, error) {
	k := cproto.Int
	switch size {
	case 1, 2, 4, 8:
	case 16:
		k = cproto.Int128
	default:
		return cproto.Type{}, errNoDebugInfo
	}
	return cproto.Type{Kind: k, Name: name, Size: uintptr(size), Align: uintptr(size), Signed: signed}, nil
}

func unqualified(t dwarf.Type) dwarf.Type {
	for range 32 {
		switch u := t.(type) {
		case *dwarf.QualType:
			t = u.Type
		case *dwarf.TypedefType:
			t = u.Type
		default:
			return t
		}
	}
	return t
}

func structType(t *dwarf.StructType, depth int) (cproto.Type, error) {
	s := cproto.Type{Kind: cproto.Struct, Name: t.Kind + " " + t.StructName, Size: uintptr(max(t.ByteSize, 0)), Align: 1}
	if t.Incomplete {
		return s, errNoDebugInfo
	}
	if t.Kind == "union" {
		s.Kind = cproto.Union
	}
	const most = 256
	if len(t.Field) > most {
		return s, errNoDebugInfo
	}
	for _, f := range t.Field {
		ft, err := typeOf(f.Type, depth+1)
		if err != nil {
			return s, err
		}
		if f.BitSize != 0 || f.ByteOffset < 0 || uintptr(f.ByteOffset)+ft.Size > s.Size {
			return s, errNoDebugInfo
		}
		s.Align = max(s.Align, ft.Align)
		s.Fields = append(s.Fields, cproto.Field{Name: f.Name, Type: ft, Offset: uintptr(f.ByteOffset)})
	}
	return s, nil
}
