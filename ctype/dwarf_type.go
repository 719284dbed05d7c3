package ctype

import (
	"strings"

	weldelf "weld/image/elf"
)

// typeOf returns the type that attribute DW_AT_type of e refers to, void if it has none.
func (e *die) typeOf(depth int) (*Type, error) {
	a := e.get(atType)
	if a == nil {
		return voidType, nil
	}
	u, off, err := e.u.ref(e.off, a)
	if err != nil {
		return nil, err
	}
	return u.typeAt(off, depth+1)
}

// typeAt returns the type that the DIE at off describes. Each is made once. A type that is within itself other than by a
// member of a struct is damage: C has none.
func (u *unit) typeAt(off uint64, depth int) (*Type, error) {
	key := typeKey{u, off}
	if t, ok := u.d.types[key]; ok {
		if t == nil {
			return nil, u.corrupt(off, "a type that is part of itself")
		}
		return t, nil
	}
	if depth > maxDepth {
		return nil, &FormatError{u.d.name, u.section, off, "types are too deep within one another", ErrTooLarge}
	}
	u.d.types[key] = nil
	t, err := u.makeType(off, depth)
	if err != nil {
		delete(u.d.types, key)
		return nil, err
	}
	u.d.types[key] = t
	return t, nil
}

func (u *unit) makeType(off uint64, depth int) (*Type, error) {
	e, err := u.die(off)
	if err != nil {
		return nil, err
	}
	if a := e.get(atSignature); a != nil { // a declaration that stands for the type of a type unit
		v, off, err := u.ref(e.off, a)
		if err != nil {
			return nil, err
		}
		return v.typeAt(off, depth+1)
	}
	size := int64(-1)
	if n, ok := e.uint(atByteSize); ok && n <= maxTypeSize {
		size = int64(n)
	}
	align := int64(0)
	if n, ok := e.uint(atAlignment); ok && n > 0 && n&(n-1) == 0 && n <= 1<<28 {
		align = int64(n)
	}
	name := func() string { return string(e.name()) }
	quals := func(q Quals) (*Type, error) {
		elem, err := e.typeOf(depth)
		if err != nil {
			return nil, err
		}
		if elem.Kind == Qualified {
			q, elem = q|elem.Quals, elem.Elem
		}
		return &Type{Kind: Qualified, Quals: q, Elem: elem, Size: elem.Size, Align: align}, nil
	}
	switch e.tag {
	case tagBaseType:
		return u.baseType(e, size)
	case tagUnspecifiedType:
		t := &Type{Kind: Unspecified, Name: name(), Size: size}
		if t.Name == "decltype(nullptr)" || t.Name == "nullptr_t" {
			return &Type{Kind: Pointer, Size: int64(u.addrSize), Elem: voidType}, nil
		}
		return t, nil
	case tagPointerType, tagReferenceType, tagRvalueRefType:
		elem, err := e.typeOf(depth)
		if err != nil {
			return nil, err
		}
		if size < 0 {
			size = int64(u.addrSize)
		}
		return &Type{Kind: Pointer, Size: size, Elem: elem, Reference: e.tag != tagPointerType}, nil
	case tagPtrToMemberType:
		elem, err := e.typeOf(depth)
		if err != nil {
			return nil, err
		}
		if size < 0 {
			if size = int64(u.addrSize); elem.Strip().Kind == Func {
				size *= 2
			}
		}
		return &Type{Kind: MemberPointer, Size: size, Elem: elem}, nil
	case tagTypedef, tagTemplateAlias:
		elem, err := e.typeOf(depth)
		if err != nil {
			return nil, err
		}
		return &Type{Kind: Typedef, Name: name(), Size: elem.Size, Elem: elem, Align: align}, nil
	case tagConstType:
		return quals(Const)
	case tagVolatileType:
		return quals(Volatile)
	case tagRestrictType:
		return quals(Restrict)
	case tagAtomicType:
		return quals(Atomic)
	case tagPackedType, tagSharedType, tagImmutableType:
		return quals(0)
	case tagArrayType:
		return u.arrayType(e, depth)
	case tagStructureType, tagClassType, tagInterfaceType, tagUnionType:
		t := &Type{Kind: Struct, Name: name(), Size: size, Align: align, Incomplete: e.flag(atDeclaration)}
		if e.tag == tagUnionType {
			t.Kind = Union
		}
		if !t.Incomplete && !isC(u.lang) { // of what Rust's enums and Ada's records consist depends on their values
			variant := false
			err := e.each(func(c *die) (bool, error) {
				variant = c.tag == tagVariantPart
				return !variant, nil
			})
			if err != nil || variant {
				return &Type{Kind: Unspecified, Name: t.Name, Size: size, Align: align}, err
			}
		}
		if cc, ok := e.uint(atCallingConvention); ok {
			t.ByReference = cc == 4
		} else if !t.Incomplete && !isC(u.lang) {
			if t.ByReference, err = u.copiedByCode(off, 0); err != nil {
				return nil, err
			}
		}
		if !t.Incomplete {
			if size < 0 {
				return nil, u.corrupt(off, "a struct or union without a size")
			}
			t.body = &body{read: u.lazyMembers(off), at: e.declared()}
		}
		return t, nil
	case tagEnumerationType:
		return u.enumType(e, size, name(), depth)
	case tagSubroutineType:
		return u.signature(e, []*die{e}, depth)
	}
	return nil, u.corrupt(off, "an entry with the tag %#x where a type is wanted", e.tag)
}

// baseType makes an arithmetic type, of what its encoding and size say. Its name matters only where these say too little.
func (u *unit) baseType(e *die, size int64) (*Type, error) {
	t := &Type{Name: string(e.name()), Size: size}
	if size == 0 && !isC(u.lang) { // Rust's ()
		return voidType, nil
	}
	enc, _ := e.uint(atEncoding)
	if bits, ok := e.uint(atBitSize); ok && bits > 0 && bits <= 1<<24 {
		if t.Size < 0 {
			t.Size = int64(bits+7) / 8
		}
		if int64(bits) != t.Size*8 {
			t.Bits = int64(bits)
		}
	}
	if t.Size < 0 || t.Size > 1<<22 {
		return nil, u.corrupt(e.off, "the base type %q has no size", t.Name)
	}
	switch enc {
	case ateBoolean:
		t.Kind = Bool
	case ateSigned, ateSignedChar:
		t.Kind, t.Signed = Int, true
	case ateUnsigned, ateUnsignedChar, ateUTF, ateUCS, ateASCII:
		t.Kind = Int
	case ateAddress:
		return &Type{Kind: Pointer, Size: t.Size, Elem: voidType}, nil
	case ateFloat, ateImaginaryFloat:
		t.Kind, t.Format = Float, u.d.in.format(t.Name, t.Size)
	case ateDecimalFloat:
		t.Kind, t.Format = Float, Decimal
	case ateComplexFloat:
		t.Kind, t.Format = Complex, u.d.in.format(t.Name, t.Size/2)
	case ateComplexInteger:
		t.Kind, t.Signed = Complex, !strings.Contains(t.Name, "unsigned")
	default:
		t.Kind = Unspecified
	}
	if t.Kind == Int && strings.Contains(t.Name, "_BitInt") && t.Bits == 0 {
		t.Bits = bitIntWidth(t.Name)
	}
	return t, nil
}

// bitIntWidth reads the N of _BitInt(N), which clang has in the name only; 0 if it is as wide as its size.
func bitIntWidth(name string) int64 {
	_, s, ok := strings.Cut(name, "_BitInt(")
	if !ok {
		return 0
	}
	n := int64(0)
	for i := 0; i < len(s) && i < 8 && s[i] >= '0' && s[i] <= '9'; i++ {
		n = n*10 + int64(s[i]-'0')
	}
	return n
}

// format tells the floating formats of a size apart. The only clue to 16 bytes is the name: long double is x87's on x86, and
// IEEE's elsewhere.
func (in *Info) format(name string, size int64) Format {
	switch size {
	case 2:
		if strings.Contains(name, "bf16") || strings.Contains(name, "bfloat") {
			return BFloat16
		}
		return Binary16
	case 4:
		return Binary32
	case 8:
		return Binary64
	case 12:
		return X87
	case 16:
		x86 := in.machine == weldelf.EM_X86_64 || in.machine == weldelf.EM_386
		if x86 && !strings.Contains(strings.ToLower(name), "float128") {
			return X87
		}
		return Binary128
	}
	return NoFormat
}

// arrayType makes an array or a vector. One of more dimensions becomes an array of arrays.
func (u *unit) arrayType(e *die, depth int) (*Type, error) {
	elem, err := e.typeOf(depth)
	if err != nil {
		return nil, err
	}
	var dims []int64
	err = e.each(func(c *die) (bool, error) {
		if c.tag != tagSubrangeType && c.tag != tagEnumerationType {
			return true, nil
		}
		if len(dims) == maxDepth {
			return false, u.corrupt(e.off, "an array of more than %d dimensions", maxDepth)
		}
		n := int64(-1)
		if v, ok := c.uint(atCount); ok {
			n = int64(v)
		} else if v, ok := c.uint(atUpperBound); ok {
			low, _ := c.uint(atLowerBound)
			// gcc gives the bound of an array of none, which is -1, in as many bytes as it likes.
			if a := c.get(atUpperBound); a.form != formSdata && (v == 0xffffffff || v == 0xffffffffffffffff) {
				n = 0
			} else {
				n = int64(v) - int64(low) + 1
			}
		}
		if n < 0 || n > maxTypeSize {
			n = -1
		}
		dims = append(dims, n)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if len(dims) == 0 {
		dims = []int64{-1}
	}
	kind := Array
	if e.flag(atGNUVector) {
		kind = Vector
	}
	t := elem
	for i := len(dims) - 1; i >= 0; i-- {
		next := &Type{Kind: kind, Elem: t, Len: dims[i], Size: -1}
		if n := t.size(); n >= 0 && dims[i] >= 0 && (n == 0 || dims[i] <= maxTypeSize/n) {
			next.Size = n * dims[i]
		}
		t = next
	}
	if n, ok := e.uint(atByteSize); ok && n <= maxTypeSize && kind == Vector {
		t.Size = int64(n)
	}
	return t, nil
}

func (u *unit) enumType(e *die, size int64, name string, depth int) (*Type, error) {
	t := &Type{Kind: Enum, Name: name, Size: size, Incomplete: e.flag(atDeclaration)}
	if name == "c_void" && size == 1 && !isC(u.lang) { // Rust's void of C
		return voidType, nil
	}
	if a := e.get(atType); a != nil {
		of, err := e.typeOf(depth)
		if err != nil {
			return nil, err
		}
		of = of.Strip()
		t.Signed = of.Signed
		if t.Size < 0 {
			t.Size = of.Size
		}
	} else if enc, ok := e.uint(atEncoding); ok {
		t.Signed = enc == ateSigned
	}
	if t.Size < 0 {
		t.Size = 4 // a declaration; C has no other
	}
	off := e.off
	t.body = &body{at: e.declared(), read: func(t *Type) ([]Member, []Enumerator, error) {
		var list []Enumerator
		err := u.eachAt(off, func(c *die) (bool, error) {
			if c.tag == tagEnumerator {
				v, _ := c.uint(0x1c) // DW_AT_const_value
				if a := c.get(0x1c); a != nil && t.Signed {
					v = signExtend(v, a.form)
				}
				list = append(list, Enumerator{Name: string(c.name()), Value: int64(v)})
			}
			return true, nil
		})
		return nil, list, err
	}}
	return t, nil
}

// signExtend extends a constant of a form that has no sign.
func signExtend(v uint64, form uint16) uint64 {
	switch form {
	case formData1:
		return uint64(int8(v))
	case formData2:
		return uint64(int16(v))
	case formData4:
		return uint64(int32(v))
	}
	return v
}

// eachAt calls f for what is below the entry at off, later than it was first read.
func (u *unit) eachAt(off uint64, f func(*die) (bool, error)) error {
	in := u.d.in
	in.mu.Lock()
	defer in.mu.Unlock()
	e, err := u.die(off)
	if err != nil {
		return err
	}
	return e.each(f)
}

// lazyMembers returns what reads the members of the struct or union at off.
func (u *unit) lazyMembers(off uint64) func(*Type) ([]Member, []Enumerator, error) {
	return func(t *Type) ([]Member, []Enumerator, error) {
		var list []Member
		err := u.eachAt(off, func(c *die) (bool, error) {
			switch c.tag {
			case tagMember:
				if c.flag(atExternal) || c.flag(atDeclaration) { // static, in C++
					return true, nil
				}
			case tagInheritance:
			default:
				return true, nil
			}
			m, err := u.member(c, t)
			if err != nil {
				return false, err
			}
			if m.Bits > 0 && m.Name == "" { // padding; gcc leaves it out, clang not always
				return true, nil
			}
			list = append(list, m)
			return true, nil
		})
		return list, nil, err
	}
}

// member reads a member. Where a bit-field is has been said in two ways (DWARF 5, section 5.7.6, and DWARF 3, section
// 5.5.6, which counts from the most significant bit).
func (u *unit) member(c *die, of *Type) (Member, error) {
	m := Member{Name: string(c.name()), Base: c.tag == tagInheritance}
	var err error
	if m.Type, err = c.typeOf(0); err != nil {
		return m, err
	}
	loc := uint64(0)
	if a := c.get(atMemberLocation); a != nil {
		switch {
		case a.number() || a.form == formSecOffset:
			loc = a.u
		default: // an expression: DW_OP_plus_uconst n, or that of a virtual base
			r := readerAt(a.b, 0)
			if op := r.u8(); op == opPlusUconst {
				loc = r.uleb()
			} else {
				m.Offset = -1
			}
			if r.bad {
				return m, u.corrupt(c.off, "the place of a member is damaged")
			}
		}
	}
	if n, ok := c.uint(atAlignment); ok && n&(n-1) == 0 && n <= 1<<28 {
		m.Align = int64(n)
	}
	if loc > maxTypeSize {
		return m, u.corrupt(c.off, "a member at the offset %#x", loc)
	}
	if m.Offset == 0 {
		m.Offset = int64(loc) * 8
	}
	bits, ok := c.uint(atBitSize)
	if !ok {
		return m, nil
	}
	if bits > maxTypeSize {
		return m, u.corrupt(c.off, "a bit-field of %d bits", bits)
	}
	m.Bits = int64(bits)
	if v, ok := c.uint(atDataBitOffset); ok {
		m.Offset += int64(v & (maxTypeSize - 1))
	} else if a := c.get(atBitOffset); a != nil && a.number() {
		v := int64(signExtend(a.u, a.form))
		storage, ok := c.uint(atByteSize)
		if !ok {
			storage = uint64(max(m.Type.size(), 0))
		}
		m.Offset += int64(storage&0xffff)*8 - v - m.Bits
	}
	if m.Offset < 0 {
		return m, u.corrupt(c.off, "a bit-field before its struct")
	}
	return m, nil
}
