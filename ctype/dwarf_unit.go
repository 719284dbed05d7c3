package ctype

import (
	"fmt"
	"sort"
)

// dwarf is the DWARF of one ELF file. What it holds is read under Info.mu.
type dwarf struct {
	in   *Info
	name string // the file
	sec  sections

	units  []*unit // of .debug_info in order
	tunits []*unit // of .debug_types
	sigs   map[uint64]*unit

	tables     map[abbrevKey]*abbrevTable
	abbrevWork int // bytes of .debug_abbrev that were read

	types  map[typeKey]*Type // nil while it is being made
	alt    *dwarf            // what dwz moved out
	altErr error
	altSet bool
	main   *dwarf // of a .dwo or .dwp: the file with the skeleton units
	isDWO  bool
	dwp    *dwpIndex
	dwos   map[string]*dwarf // by path; nil: not to be had
}

type typeKey struct {
	u   *unit
	off uint64
}

// unit is a unit of .debug_info or .debug_types.
type unit struct {
	d        *dwarf
	index    int
	data     []byte // the section up to the end of the unit
	section  string
	off      uint64 // of the header
	first    uint64 // of the first DIE
	version  int
	kind     uint8
	sig      uint64 // of a type unit: its signature; of a skeleton or split unit: the id that pairs them
	typeOff  uint64 // of a type unit: where its type is
	key      abbrevKey
	contrib  *dwpRow // in a .dwp
	addrSize int

	// From the unit's DIE; see setup.
	ready       bool
	err         error
	abbrevs     *abbrevTable
	tag         uint32
	lang        uint64
	strOffBase  uint64
	addrBase    uint64
	rangesBase  uint64 // of .debug_rnglists, or DW_AT_GNU_ranges_base
	low         uint64
	hasLow      bool
	ranges      *attr
	high        *attr
	dwoName     string
	compDir     string
	stmtList    uint64
	hasStmtList bool
	bodyPos     uint64 // behind the unit's DIE
	children    bool
	skel        *unit // of a split unit

	split      *unit // of a skeleton: what it stands for
	splitReady bool

	places  []place // functions and variables by address; see index.go
	scanned bool
}

// end returns the offset behind the unit.
func (u *unit) end() uint64 { return uint64(len(u.data)) }

func (d *dwarf) corrupt(section string, off uint64, format string, args ...any) error {
	return &FormatError{File: d.name, Section: section, Off: off, What: fmt.Sprintf(format, args...), Kind: ErrCorrupt}
}

func (u *unit) corrupt(off uint64, format string, args ...any) error {
	return u.d.corrupt(u.section, off, format, args...)
}

// readUnits reads the headers of the units.
func (d *dwarf) readUnits() error {
	var err error
	d.types = map[typeKey]*Type{}
	d.tables = map[abbrevKey]*abbrevTable{}
	if d.units, err = d.headers(d.sec.info, ".debug_info", false); err != nil {
		return err
	}
	if d.tunits, err = d.headers(d.sec.types, ".debug_types", true); err != nil {
		return err
	}
	for _, list := range [2][]*unit{d.units, d.tunits} {
		for _, u := range list {
			if u.kind == utType || u.kind == utSplitType {
				if d.sigs == nil {
					d.sigs = map[uint64]*unit{}
				}
				if d.sigs[u.sig] == nil {
					d.sigs[u.sig] = u
				}
			}
		}
	}
	return nil
}

// headers reads the unit headers of a section. A unit of a version that is not known is passed over.
func (d *dwarf) headers(data []byte, section string, types bool) ([]*unit, error) {
	var list []*unit
	for pos := uint64(0); pos < uint64(len(data)); {
		u := &unit{d: d, index: len(list), section: section, off: pos}
		r := readerAt(data, pos)
		n := uint64(r.u32())
		if n == 0xffffffff {
			u.key.is64 = true
			n = r.u64()
		} else if n >= 0xfffffff0 {
			return nil, d.corrupt(section, pos, "a unit has the reserved length %#x", n)
		}
		if r.bad || n > uint64(r.left()) {
			return nil, &FormatError{d.name, section, pos, fmt.Sprintf("a unit of %#x bytes extends past the end of the section at %#x", n, len(data)), ErrTruncated}
		}
		if n == 0 { // padding
			pos = uint64(r.pos)
			continue
		}
		start := uint64(r.pos)
		u.data = data[:start+n]
		pos = start + n
		r.b = u.data
		u.version = int(r.u16())
		switch {
		case u.version >= 2 && u.version <= 4:
			u.key.off = r.offset(u.key.is64)
			u.addrSize = int(r.u8())
			u.kind = utCompile
			if types {
				u.kind = utType
			}
		case u.version == 5:
			u.kind = r.u8()
			u.addrSize = int(r.u8())
			u.key.off = r.offset(u.key.is64)
			if u.kind == utSkeleton || u.kind == utSplitCompile {
				u.sig = r.u64()
			}
		default:
			continue
		}
		if u.kind == utType || u.kind == utSplitType {
			u.sig = r.u64()
			u.typeOff = r.offset(u.key.is64)
		}
		u.first = uint64(r.pos)
		if r.bad || u.addrSize < 1 || u.addrSize > 8 {
			return nil, d.corrupt(section, u.off, "the header of a unit is damaged")
		}
		u.key.addr = u.addrSize
		switch {
		case u.version == 2:
			u.key.refAddr = u.addrSize
		case u.key.is64:
			u.key.refAddr = 8
		default:
			u.key.refAddr = 4
		}
		if len(list) == maxUnitsPerFile {
			return nil, &FormatError{d.name, section, u.off, "too many units", ErrTooLarge}
		}
		list = append(list, u)
	}
	return list, nil
}

// unitAt returns the unit of .debug_info that has a DIE at off.
func (d *dwarf) unitAt(off uint64) *unit {
	i := sort.Search(len(d.units), func(i int) bool { return d.units[i].off > off }) - 1
	if i < 0 {
		return nil
	}
	if u := d.units[i]; off >= u.first && off < u.end() {
		return u
	}
	return nil
}

// table returns the abbreviations of a unit, which are read once. Tables that overlap would be work without end.
func (d *dwarf) table(u *unit) (*abbrevTable, error) {
	if t := d.tables[u.key]; t != nil {
		return t, nil
	}
	key := u.key
	t, n, msg := parseAbbrevs(d.sec.abbrev, key)
	if msg != "" {
		return nil, d.corrupt(".debug_abbrev", key.off, "%s", msg)
	}
	if d.abbrevWork += n; d.abbrevWork > 4*len(d.sec.abbrev)+1<<16 {
		return nil, &FormatError{d.name, ".debug_abbrev", key.off, "its tables lie within one another", ErrTooLarge}
	}
	d.tables[key] = t
	return t, nil
}

// setup reads the unit's own DIE, on which the meaning of all others depends.
func (u *unit) setup() error {
	if u.ready {
		return u.err
	}
	u.ready = true
	u.err = u.readRoot()
	return u.err
}

func (u *unit) readRoot() error {
	var err error
	if u.abbrevs, err = u.d.table(u); err != nil {
		return err
	}
	u.defaultBases()
	root, err := u.die(u.first)
	if err != nil {
		return err
	}
	u.tag, u.children, u.bodyPos = root.tag, root.children, root.next
	for i := range root.attrs {
		a := &root.attrs[i]
		switch a.name {
		case atStrOffsetsBase:
			u.strOffBase = a.u
		case atAddrBase, atGNUAddrBase:
			u.addrBase = a.u
		case atRnglistsBase, atGNURangesBase:
			u.rangesBase = a.u
		case atGNUDwoID:
			u.sig = a.u
		case atStmtList:
			u.stmtList, u.hasStmtList = a.u, true
		}
	}
	if s := u.skel; s != nil {
		u.addrBase = s.addrBase
		if u.version < 5 {
			u.rangesBase = s.rangesBase
		}
		u.low, u.hasLow = s.low, s.hasLow
	}
	for i := range root.attrs {
		a := &root.attrs[i]
		switch a.name {
		case atLanguage:
			u.lang = a.u
		case atLowPC:
			if v, ok := u.address(a); ok {
				u.low, u.hasLow = v, true
			}
		case atHighPC:
			u.high = &attr{name: a.name, form: a.form, u: a.u}
		case atRanges:
			u.ranges = &attr{name: a.name, form: a.form, u: a.u}
		case atDwoName, atGNUDwoName:
			u.dwoName = string(u.str(a))
		case atCompDir:
			u.compDir = string(u.str(a))
		}
	}
	return nil
}

// defaultBases sets where the tables of a unit begin that says nothing: behind the header of the section, or of the
// unit's part of it in a .dwp (DWARF 5, section 7.3.2).
func (u *unit) defaultBases() {
	header, rngHeader := uint64(8), uint64(12)
	if u.key.is64 {
		header, rngHeader = 16, 20
	}
	if u.version < 5 {
		header, rngHeader = 0, 0
	}
	if u.d.isDWO {
		u.strOffBase, u.rangesBase = header, rngHeader
		if u.contrib != nil {
			u.strOffBase += u.contrib.off[dwpStrOffsets]
			u.rangesBase += u.contrib.off[dwpRnglists]
		}
	} else if u.version >= 5 {
		u.addrBase, u.strOffBase, u.rangesBase = header, header, rngHeader
	}
}

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
