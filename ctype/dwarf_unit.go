package ctype

import (
	"bytes"
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
	copied map[typeKey]bool  // classes, by copiedByCode
	alt    *dwarf            // what dwz moved out
	altErr error
	altSet bool
	main   *dwarf // of a .dwo or .dwp: the file with the skeleton units
	isDWO  bool
	dwp    *dwpIndex
	dwos   map[string]*dwarf // by path; nil: not to be had

	object    bool   // it is of a relocatable object
	line      []byte // .debug_line, see dwarf_line.go
	lineSet   bool
	fileWork  int
	fileLists map[uint64][]string // by where the line table is
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
	gcc         bool // has made it
	stmtList    uint64
	hasStmtList bool
	bodyPos     uint64 // behind the unit's DIE
	children    bool
	skel        *unit // of a split unit

	split      *unit // of a skeleton: what it stands for
	splitReady bool

	files    []string // by DW_AT_decl_file; see fileNames
	filesSet bool

	places  []place // functions and variables by address; see ranges.go and index.go
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
		case atProducer:
			u.gcc = bytes.HasPrefix(u.str(a), []byte("GNU "))
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
