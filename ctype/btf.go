package ctype

import (
	"fmt"
)

// Kinds of BTF (Linux, Documentation/bpf/btf.rst).
const (
	btfInt       = 1
	btfPtr       = 2
	btfArray     = 3
	btfStruct    = 4
	btfUnion     = 5
	btfEnum      = 6
	btfFwd       = 7
	btfTypedef   = 8
	btfVolatile  = 9
	btfConst     = 10
	btfRestrict  = 11
	btfFunc      = 12
	btfFuncProto = 13
	btfVar       = 14
	btfDatasec   = 15
	btfFloat     = 16
	btfDeclTag   = 17
	btfTypeTag   = 18
	btfEnum64    = 19
)

// maxBTFTypes bounds the types of a section; a kernel has some 200,000.
const maxBTFTypes = 1 << 24

// btfData is a BTF section.
type btfData struct {
	in     *Info
	file   string
	types  []byte
	strs   []byte
	offs   []uint32 // of each type, from id 1 at 0
	made   []*Type
	making []bool
	names  map[string]uint32 // functions and variables
	static map[uint32]bool   // those that others cannot see, of which another of the name is not
}

// NewBTF reads bare BTF, such as /sys/kernel/btf/vmlinux. The error is a *FormatError.
func NewBTF(name string, data []byte) (*Info, error) {
	in := newInfo(name, nil)
	b, err := readBTF(in, name, data)
	if err != nil {
		return nil, err
	}
	in.loaded, in.btf, in.source, in.file = true, b, FromBTF, name
	return in, nil
}

func (b *btfData) err(off int, kind error, format string, args ...any) error {
	return &FormatError{File: b.file, Section: ".BTF", Off: uint64(off), What: fmt.Sprintf(format, args...), Kind: kind}
}

// readBTF reads the header, and the places and names of the types.
func readBTF(in *Info, file string, data []byte) (*btfData, error) {
	b := &btfData{in: in, file: file}
	r := readerAt(data, 0)
	magic, version := r.u16(), r.u8()
	r.u8() // flags
	hdr := uint64(r.u32())
	typeOff, typeLen, strOff, strLen := uint64(r.u32()), uint64(r.u32()), uint64(r.u32()), uint64(r.u32())
	switch {
	case r.bad:
		return nil, b.err(0, ErrTruncated, "a header of %d bytes", len(data))
	case magic == 0x9feb:
		return nil, b.err(0, ErrUnsupported, "big-endian BTF")
	case magic != 0xeb9f:
		return nil, b.err(0, ErrCorrupt, "the magic number is %#x, wanted 0xeb9f", magic)
	case version != 1:
		return nil, b.err(2, ErrUnsupported, "version %d of BTF", version)
	}
	n := uint64(len(data))
	if hdr+typeOff+typeLen > n || hdr+strOff+strLen > n {
		return nil, b.err(8, ErrTruncated, "types or strings extend past its end at %#x", n)
	}
	b.types, b.strs = data[hdr+typeOff:][:typeLen], data[hdr+strOff:][:strLen]
	b.names, b.static = map[string]uint32{}, map[uint32]bool{}
	for pos := 0; pos < len(b.types); {
		if len(b.offs) == maxBTFTypes {
			return nil, b.err(pos, ErrTooLarge, "more than %d types", maxBTFTypes)
		}
		if len(b.types)-pos < 12 {
			return nil, b.err(pos, ErrTruncated, "its types end within one")
		}
		info := le.Uint32(b.types[pos+4:])
		kind, vlen := info>>24&0x1f, int(info&0xffff)
		extra := 0
		switch kind {
		case btfInt, btfVar, btfDeclTag:
			extra = 4
		case btfArray:
			extra = 12
		case btfStruct, btfUnion, btfEnum64, btfDatasec:
			extra = 12 * vlen
		case btfEnum, btfFuncProto:
			extra = 8 * vlen
		case btfPtr, btfFwd, btfTypedef, btfVolatile, btfConst, btfRestrict, btfFunc, btfFloat, btfTypeTag:
		default:
			return nil, b.err(pos, ErrUnsupported, "type %d is of the unknown kind %d", len(b.offs)+1, kind)
		}
		if extra > len(b.types)-pos-12 {
			return nil, b.err(pos, ErrTruncated, "type %d extends past the end of the types", len(b.offs)+1)
		}
		b.offs = append(b.offs, uint32(pos))
		if kind == btfFunc || kind == btfVar {
			linkage := info & 0xffff // of a function; of a variable it follows
			if kind == btfVar {
				linkage = le.Uint32(b.types[pos+12:])
			}
			name := b.str(le.Uint32(b.types[pos:]))
			if old := b.names[name]; name != "" && (old == 0 || b.static[old] && linkage != 0) {
				if b.names[name] = uint32(len(b.offs)); linkage == 0 {
					b.static[uint32(len(b.offs))] = true
				}
			}
		}
		pos += 12 + extra
	}
	b.made = make([]*Type, len(b.offs)+1)
	b.making = make([]bool, len(b.offs)+1)
	b.made[0] = voidType
	return b, nil
}

func (b *btfData) str(off uint32) string { return string(stringAt(b.strs, uint64(off))) }

// at returns the header of a type.
func (b *btfData) at(id uint32) (rec []byte, kind uint32, vlen int, kflag bool) {
	rec = b.types[b.offs[id-1]:]
	info := le.Uint32(rec[4:])
	return rec, info >> 24 & 0x1f, int(info & 0xffff), info>>31 != 0
}

// lookup finds a symbol by name: BTF has no addresses.
func (b *btfData) lookup(q Query) (*Known, error) {
	id := b.names[q.Name]
	if id == 0 {
		return nil, unknown(b.file, q.Name, ErrNotFound, "the BTF of %s does not have it", b.file)
	}
	rec, _, _, _ := b.at(id)
	t, err := b.typeOf(le.Uint32(rec[8:]), 0)
	if err != nil {
		return nil, err
	}
	return &Known{Type: t, Name: q.Name, From: FromBTF, File: b.file}, nil
}

// named finds a type by name. It looks at all of them, as that is rarely asked for.
func (b *btfData) named(kind Kind, name string) *Type {
	for i := range b.offs {
		rec, k, _, _ := b.at(uint32(i + 1))
		fits := false
		switch kind {
		case Struct:
			fits = k == btfStruct
		case Union:
			fits = k == btfUnion
		case Enum:
			fits = k == btfEnum || k == btfEnum64
		case Typedef:
			fits = k == btfTypedef
		}
		if fits && string(stringAt(b.strs, uint64(le.Uint32(rec)))) == name {
			if t, err := b.typeOf(uint32(i+1), 0); err == nil {
				return t
			}
		}
	}
	return nil
}

// typeOf returns the type with an id, made once.
func (b *btfData) typeOf(id uint32, depth int) (*Type, error) {
	if uint64(id) >= uint64(len(b.made)) {
		return nil, b.err(0, ErrCorrupt, "a reference to type %d of %d", id, len(b.offs))
	}
	if t := b.made[id]; t != nil {
		return t, nil
	}
	if b.making[id] || depth > maxDepth {
		return nil, b.err(int(b.offs[id-1]), ErrCorrupt, "type %d is part of itself", id)
	}
	b.making[id] = true
	t, err := b.makeType(id, depth)
	b.making[id] = false
	if err == nil {
		b.made[id] = t
	}
	return t, err
}

func (b *btfData) makeType(id uint32, depth int) (*Type, error) {
	rec, kind, vlen, kflag := b.at(id)
	name, size := b.str(le.Uint32(rec)), int64(le.Uint32(rec[8:]))
	elem := func() (*Type, error) { return b.typeOf(le.Uint32(rec[8:]), depth+1) }
	qualified := func(q Quals) (*Type, error) {
		t, err := elem()
		if err != nil {
			return nil, err
		}
		if t.Kind == Qualified {
			q, t = q|t.Quals, t.Elem
		}
		return &Type{Kind: Qualified, Quals: q, Elem: t, Size: t.Size}, nil
	}
	switch kind {
	case btfInt:
		enc := le.Uint32(rec[12:])
		t := &Type{Kind: Int, Name: name, Size: size, Signed: enc>>24&1 != 0}
		if enc>>24&4 != 0 {
			t.Kind = Bool
		}
		if f := b.in.floatNamed(name, size); f != nil {
			return f, nil
		}
		if bits := int64(enc & 0xff); bits != size*8 && bits != 0 {
			t.Bits = bits
		}
		return t, nil
	case btfFloat:
		return &Type{Kind: Float, Name: name, Size: size, Format: b.in.format(name, size)}, nil
	case btfPtr:
		t, err := elem()
		if err != nil {
			return nil, err
		}
		return PointerTo(t), nil
	case btfArray:
		t, err := b.typeOf(le.Uint32(rec[12:]), depth+1)
		if err != nil {
			return nil, err
		}
		a := &Type{Kind: Array, Elem: t, Len: int64(le.Uint32(rec[20:])), Size: -1}
		a.Size = a.size()
		return a, nil
	case btfStruct, btfUnion:
		t := &Type{Kind: Struct, Name: name, Size: size, body: &body{read: b.lazyMembers(id)}}
		if kind == btfUnion {
			t.Kind = Union
		}
		return t, nil
	case btfFwd:
		t := &Type{Kind: Struct, Name: name, Size: -1, Incomplete: true}
		if kflag {
			t.Kind = Union
		}
		return t, nil
	case btfEnum, btfEnum64:
		t := &Type{Kind: Enum, Name: name, Size: size, Signed: kflag, Incomplete: vlen == 0, body: &body{}}
		for i := range vlen {
			if kind == btfEnum64 {
				e := rec[12+12*i:]
				t.body.enums = append(t.body.enums, Enumerator{b.str(le.Uint32(e)), int64(uint64(le.Uint32(e[4:])) | uint64(le.Uint32(e[8:]))<<32)})
				continue
			}
			e := rec[12+8*i:]
			v := int64(le.Uint32(e[4:]))
			if t.Signed {
				v = int64(int32(v))
			}
			t.body.enums = append(t.body.enums, Enumerator{b.str(le.Uint32(e)), v})
		}
		return t, nil
	case btfTypedef:
		t, err := elem()
		if err != nil {
			return nil, err
		}
		return &Type{Kind: Typedef, Name: name, Elem: t, Size: t.Size}, nil
	case btfConst:
		return qualified(Const)
	case btfVolatile:
		return qualified(Volatile)
	case btfRestrict:
		return qualified(Restrict)
	case btfTypeTag:
		return qualified(0)
	case btfFuncProto:
		return b.signature(rec, vlen, depth)
	}
	return nil, b.err(int(b.offs[id-1]), ErrCorrupt, "type %d, of kind %d, where a type is wanted", id, kind)
}

// floatNamed returns the floating type of a name: before BTF had a kind for them, and without pahole's --btf_gen_floats, they are
// integers.
func (in *Info) floatNamed(name string, size int64) *Type {
	switch name {
	case "float", "double", "long double", "_Float16", "__bf16", "_Float32", "_Float64", "_Float32x", "_Float64x", "_Float128", "__float128":
		return &Type{Kind: Float, Name: name, Size: size, Format: in.format(name, size)}
	case "complex float", "complex double", "complex long double", "_Complex float", "_Complex double", "_Complex long double", "complex":
		return &Type{Kind: Complex, Name: name, Size: size, Format: in.format(name, size/2)}
	}
	return nil
}

func (b *btfData) signature(rec []byte, vlen, depth int) (*Type, error) {
	t := &Type{Kind: Func, Size: -1}
	var err error
	if t.Elem, err = b.typeOf(le.Uint32(rec[8:]), depth+1); err != nil {
		return nil, err
	}
	for i := range vlen {
		p := rec[12+8*i:]
		name, id := le.Uint32(p), le.Uint32(p[4:])
		if id == 0 && name == 0 && i == vlen-1 {
			t.Variadic = true
			break
		}
		pt, err := b.typeOf(id, depth+1)
		if err != nil {
			return nil, err
		}
		t.Params = append(t.Params, Param{b.str(name), pt})
	}
	return t, nil
}

func (b *btfData) lazyMembers(id uint32) func(*Type) ([]Member, []Enumerator, error) {
	return func(*Type) ([]Member, []Enumerator, error) {
		b.in.mu.Lock()
		defer b.in.mu.Unlock()
		rec, _, vlen, kflag := b.at(id)
		list := make([]Member, 0, vlen)
		for i := range vlen {
			e := rec[12+12*i:]
			t, err := b.typeOf(le.Uint32(e[4:]), 0)
			if err != nil {
				return nil, nil, err
			}
			m := Member{Name: b.str(le.Uint32(e)), Type: t}
			off := le.Uint32(e[8:])
			m.Offset = int64(off)
			if kflag {
				m.Offset, m.Bits = int64(off&0xffffff), int64(off>>24)
			} else if s := t.Strip(); s.Kind == Int && s.Bits != 0 { // pahole's older way
				m.Bits = s.Bits
			}
			if m.Bits > 0 && m.Name == "" {
				continue
			}
			list = append(list, m)
		}
		return list, nil, nil
	}
}
