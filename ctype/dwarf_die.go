package ctype

// attr is an attribute of a DIE.
type attr struct {
	name uint32
	form uint16
	u    uint64 // constants, offsets, indexes, addresses
	b    []byte // blocks and strings
}

// die is a debugging information entry.
type die struct {
	u        *unit
	off      uint64
	tag      uint32
	children bool
	attrs    []attr
	next     uint64 // behind the attributes
}

func (e *die) get(name uint32) *attr {
	for i := range e.attrs {
		if e.attrs[i].name == name {
			return &e.attrs[i]
		}
	}
	return nil
}

func (e *die) flag(name uint32) bool {
	a := e.get(name)
	return a != nil && (a.form == formFlagPresent || a.u != 0)
}

// uint returns an attribute that is a number; ok is false if it is none or not there.
func (e *die) uint(name uint32) (uint64, bool) {
	a := e.get(name)
	if a == nil || !a.number() {
		return 0, false
	}
	return a.u, true
}

// name returns the DIE's own name.
func (e *die) name() []byte {
	if a := e.get(atName); a != nil {
		return e.u.str(a)
	}
	return nil
}

func (a *attr) number() bool {
	switch a.form {
	case formData1, formData2, formData4, formData8, formSdata, formUdata, formImplicit:
		return true
	}
	return false
}

// die reads the entry at off, which is of u. A null entry has tag 0.
func (u *unit) die(off uint64) (*die, error) {
	if u.abbrevs == nil {
		if err := u.setup(); err != nil {
			return nil, err
		}
	}
	if off < u.first || off >= u.end() {
		return nil, u.corrupt(off, "an entry outside its unit, %#x to %#x", u.first, u.end())
	}
	r := readerAt(u.data, off)
	e := &die{u: u, off: off}
	if err := u.entry(&r, e); err != nil {
		return nil, err
	}
	return e, nil
}

// entry reads the next DIE into e, whose space for attributes is used again.
func (u *unit) entry(r *reader, e *die) error {
	e.off, e.u = uint64(r.pos), u
	e.attrs = e.attrs[:0]
	code := r.uleb()
	if code == 0 {
		e.tag, e.children, e.next = 0, false, uint64(r.pos)
		if r.bad {
			return u.corrupt(e.off, "the unit ends within an entry")
		}
		return nil
	}
	ab := u.abbrevs.find(code)
	if ab == nil {
		return u.corrupt(e.off, "an entry has the code %d, which has no abbreviation", code)
	}
	e.tag, e.children = ab.tag, ab.children
	if cap(e.attrs) < len(ab.attrs) {
		e.attrs = make([]attr, 0, max(len(ab.attrs), 12))
	}
	for i := range ab.attrs {
		s := &ab.attrs[i]
		e.attrs = append(e.attrs, u.value(r, s.name, s.form, s.implicit))
	}
	if r.bad {
		return u.corrupt(e.off, "the unit ends within an entry")
	}
	e.next = uint64(r.pos)
	return nil
}

// value reads one attribute.
func (u *unit) value(r *reader, name uint32, form uint16, implicit int64) attr {
	a := attr{name: name, form: form}
	for range 4 {
		switch a.form {
		case formFlagPresent:
			a.u = 1
		case formImplicit:
			a.u = uint64(implicit)
		case formAddr:
			a.u = r.uint(u.addrSize)
		case formData1, formRef1, formFlag, formStrx1, formAddrx1:
			a.u = uint64(r.u8())
		case formData2, formRef2, formStrx2, formAddrx2:
			a.u = uint64(r.u16())
		case formStrx3, formAddrx3:
			a.u = r.uint(3)
		case formData4, formRef4, formStrx4, formAddrx4, formRefSup4:
			a.u = uint64(r.u32())
		case formData8, formRef8, formRefSig8, formRefSup8:
			a.u = r.u64()
		case formRefAddr:
			a.u = r.uint(u.key.refAddr)
		case formStrp, formSecOffset, formLineStrp, formStrpSup, formGNURefAlt, formGNUStrpAlt:
			a.u = r.offset(u.key.is64)
		case formUdata, formRefUdata, formStrx, formAddrx, formLoclistx, formRnglistx, formGNUAddrIndex, formGNUStrIndex:
			a.u = r.uleb()
		case formSdata:
			a.u = uint64(r.sleb())
		case formData16:
			a.b = r.bytes(16)
		case formBlock, formExprloc:
			a.b = r.bytes(r.uleb())
		case formBlock1:
			a.b = r.bytes(uint64(r.u8()))
		case formBlock2:
			a.b = r.bytes(uint64(r.u16()))
		case formBlock4:
			a.b = r.bytes(uint64(r.u32()))
		case formString:
			a.b = r.cstring()
		case formIndirect:
			f := r.uleb()
			if f == formImplicit || f > 0xffff {
				r.fail()
				return a
			}
			a.form = uint16(f)
			continue
		default:
			r.fail()
		}
		return a
	}
	r.fail()
	return a
}

// str returns the string that an attribute is; nil if it is none or is damaged, as a name is never needed to go on.
func (u *unit) str(a *attr) []byte {
	switch a.form {
	case formString:
		if len(a.b) > maxName {
			return nil
		}
		return a.b
	case formStrp:
		return stringAt(u.d.sec.str, a.u)
	case formLineStrp:
		return stringAt(u.d.sec.lineStr, a.u)
	case formStrx, formStrx1, formStrx2, formStrx3, formStrx4, formGNUStrIndex:
		size := uint64(4)
		if u.key.is64 {
			size = 8
		}
		if a.u > 1<<40 || u.strOffBase > 1<<40 {
			return nil
		}
		r := readerAt(u.d.sec.strOffsets, u.strOffBase+a.u*size)
		off := r.offset(u.key.is64)
		if r.bad {
			return nil
		}
		return stringAt(u.d.sec.str, off)
	case formStrpSup, formGNUStrpAlt:
		if alt, err := u.d.altFile(); err == nil {
			return stringAt(alt.sec.str, a.u)
		}
	}
	return nil
}

// address returns the address that an attribute is.
func (u *unit) address(a *attr) (uint64, bool) {
	switch a.form {
	case formAddr:
		return a.u, true
	case formAddrx, formAddrx1, formAddrx2, formAddrx3, formAddrx4, formGNUAddrIndex:
		return u.addrIndex(a.u)
	}
	return 0, false
}

// addrIndex returns an entry of .debug_addr, which is in the file of the skeleton units.
func (u *unit) addrIndex(i uint64) (uint64, bool) {
	d := u.d
	if d.main != nil {
		d = d.main
	}
	if i > 1<<40 || u.addrBase > 1<<40 {
		return 0, false
	}
	r := readerAt(d.sec.addr, u.addrBase+i*uint64(u.addrSize))
	v := r.uint(u.addrSize)
	return v, !r.bad
}

// ref returns the DIE that an attribute refers to.
func (u *unit) ref(from uint64, a *attr) (*unit, uint64, error) {
	switch a.form {
	case formRef1, formRef2, formRef4, formRef8, formRefUdata:
		off := u.off + a.u
		if off < u.first || off >= u.end() || a.u > u.end() {
			return nil, 0, u.corrupt(from, "a reference to %#x, outside the unit", off)
		}
		return u, off, u.setup()
	case formRefAddr:
		off := a.u
		if u.contrib != nil {
			off += u.contrib.off[dwpInfo]
		}
		if v := u.d.unitAt(off); v != nil {
			return v, off, v.setup()
		}
		return nil, 0, u.corrupt(from, "a reference to %#x, where no unit has an entry", off)
	case formRefSig8:
		v := u.d.typeUnit(a.u)
		if v == nil {
			return nil, 0, u.corrupt(from, "there is no type unit with the signature %#x", a.u)
		}
		off := v.off + v.typeOff
		if v.typeOff > v.end() || off < v.first || off >= v.end() {
			return nil, 0, v.corrupt(v.off, "the type of a type unit is outside of it")
		}
		return v, off, v.setup()
	case formGNURefAlt, formRefSup4, formRefSup8:
		alt, err := u.d.altFile()
		if err != nil {
			return nil, 0, err
		}
		if v := alt.unitAt(a.u); v != nil {
			return v, a.u, v.setup()
		}
		return nil, 0, u.corrupt(from, "a reference to %#x of %s, where no unit has an entry", a.u, alt.name)
	}
	return nil, 0, u.corrupt(from, "a reference of the form %#x", a.form)
}

// follow returns the DIE that attribute name of e refers to; nil if e has none.
func (e *die) follow(name uint32) (*die, error) {
	a := e.get(name)
	if a == nil {
		return nil, nil
	}
	u, off, err := e.u.ref(e.off, a)
	if err != nil {
		return nil, err
	}
	return u.die(off)
}

// skipChildren moves r behind the children of a DIE, of which the attributes have been read.
func (u *unit) skipChildren(r *reader, e *die) error {
	if !e.children {
		return nil
	}
	if s := e.get(atSibling); s != nil {
		if v, off, err := u.ref(e.off, s); err == nil && v == u && off > uint64(r.pos) {
			r.pos = int(off)
			return nil
		}
	}
	return u.skipTree(r)
}

// skipTree moves r behind the null entry that ends the entries it stands at.
func (u *unit) skipTree(r *reader) error {
	for depth := 1; depth > 0; {
		start := r.pos
		code := r.uleb()
		if code == 0 {
			if r.bad {
				return u.corrupt(uint64(start), "the unit ends within the children of an entry")
			}
			depth--
			continue
		}
		ab := u.abbrevs.find(code)
		if ab == nil {
			return u.corrupt(uint64(start), "an entry has the code %d, which has no abbreviation", code)
		}
		r.skipAttrs(ab, &u.key)
		if ab.children {
			depth++
		}
	}
	return nil
}

// each calls f for each child of e. The DIE is valid during the call only. f returns false to end it.
func (e *die) each(f func(c *die) (bool, error)) error {
	if !e.children {
		return nil
	}
	r := readerAt(e.u.data, e.next)
	var c die
	for {
		if uint64(r.pos) >= e.u.end() {
			return nil // compilers may leave out the last null entries
		}
		if err := e.u.entry(&r, &c); err != nil || c.tag == 0 {
			return err
		}
		more, err := f(&c)
		if err != nil || !more {
			return err
		}
		if err := e.u.skipChildren(&r, &c); err != nil {
			return err
		}
	}
}
