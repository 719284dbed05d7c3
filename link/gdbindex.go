package link

import (
	"bytes"
	"cmp"
	"debug/dwarf"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The section .gdb_index, version 7 (GDB manual, "Index Section Format"): which compilation units there are, which addresses they
// have code at, and which names they define, so that gdb need not read the debug information to find a symbol. gdb takes
// versions 7 to 9; gold, lld and mold write 7 as well, and 9 only adds what main is called and which language it is in.
//
// Names are from .debug_gnu_pubnames and .debug_gnu_pubtypes, and for units without those from the debug information itself. It is
// all read in the form that it has in the output, where addresses and offsets are final.

// Kinds of names (GDB manual, "Index Section Format"), shifted to their place in a byte.
const (
	gdbType     = 1 << 4
	gdbVariable = 2 << 4
	gdbFunction = 3 << 4
)

// A gdbUnit is a compilation unit.
type gdbUnit struct {
	off, size uint64
	first     dwarf.Offset // of its first entry
	named     bool         // there is a table of its names
}

// A gdbIndex is the content of the section while it is made.
type gdbIndex struct {
	units  []gdbUnit
	types  [][3]uint64 // type units: offset, offset of the type, signature
	ranges []byte
	names  map[string][]uint32 // what units define a name: the index of the unit, and the kind in the upper byte
}

// makeGDBIndex makes the section, which is there and has no size yet.
func (l *linker) makeGDBIndex() (err error) {
	if l.gdbIndex == nil {
		return nil
	}
	debug := map[string][]byte{}
	for _, out := range l.order {
		if !strings.HasPrefix(out.name, ".debug_") || out.flags&shfAlloc != 0 || out.typ == shtNobits {
			continue
		}
		buf := make([]byte, out.size)
		if err := l.parErr(len(out.members), func(i int) error { return l.writeMember(buf, 0, out, out.members[i]) }); err != nil {
			return err
		}
		debug[out.name] = buf
	}
	data, err := buildGDBIndex(debug)
	if err != nil {
		l.warn("no .gdb_index can be made: %v", err)
		data = make([]byte, 24)
		le.PutUint32(data, 7) // no units and no names: gdb reads the debug information itself
		for i := 4; i < 24; i += 4 {
			le.PutUint32(data[i:], 24)
		}
	}
	l.gdbIndex.size, l.gdbIndex.out.size = uint64(len(data)), uint64(len(data))
	l.gdbIndex.write = func(buf []byte) error { copy(buf, data); return nil }
	return l.placeUnloaded(l.unloadedOff)
}

func buildGDBIndex(debug map[string][]byte) (data []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			data, err = nil, fmt.Errorf("damaged debug information") // package dwarf does not promise to stand what it is given
		}
	}()
	if debug[".debug_types"] != nil {
		return nil, fmt.Errorf("type units of DWARF 4 (.debug_types) are not supported")
	}
	x := &gdbIndex{names: map[string][]uint32{}}
	x.readUnits(debug[".debug_info"])
	d, err := dwarf.New(debug[".debug_abbrev"], nil, nil, debug[".debug_info"], debug[".debug_line"], nil, debug[".debug_ranges"], debug[".debug_str"])
	if err != nil {
		return nil, err
	}
	for _, n := range []string{".debug_addr", ".debug_line_str", ".debug_str_offsets", ".debug_rnglists"} {
		if err := d.AddSection(n, debug[n]); err != nil {
			return nil, err
		}
	}
	x.readNames(debug[".debug_gnu_pubnames"])
	x.readNames(debug[".debug_gnu_pubtypes"])
	r := d.Reader()
	for i := range x.units {
		r.Seek(x.units[i].first)
		unit, err := r.Next()
		if err != nil || unit == nil {
			return nil, cmp.Or(err, fmt.Errorf("a unit at %#x without entries", x.units[i].off))
		}
		ranges, err := d.Ranges(unit)
		if err != nil {
			return nil, err
		}
		for _, p := range ranges {
			if p[0] > 1 && p[0] < p[1] { // code that is not in the output is at 0, or 1 in lists
				x.ranges = le.AppendUint64(le.AppendUint64(x.ranges, p[0]), p[1])
				x.ranges = le.AppendUint32(x.ranges, uint32(i))
			}
		}
		if !x.units[i].named {
			if err := x.walk(r, unit, uint32(i)); err != nil {
				return nil, err
			}
		}
	}
	for i, t := range x.types { // they are numbered after the others
		r.Seek(dwarf.Offset(t[0] + typeUnitHeader))
		unit, err := r.Next()
		if err != nil || unit == nil {
			return nil, cmp.Or(err, fmt.Errorf("a type unit at %#x without entries", t[0]))
		}
		if err := x.walk(r, unit, uint32(len(x.units)+i)); err != nil {
			return nil, err
		}
	}
	return x.encode()
}

// typeUnitHeader is the size of the header of a type unit (DWARF 5, section 7.5.1.3).
const typeUnitHeader = 24

// readUnits lists the units.
func (x *gdbIndex) readUnits(info []byte) {
	for at := uint64(0); inRange(at, 12, uint64(len(info))); {
		n, first, kind := uint64(le.Uint32(info[at:])), uint64(11), uint8(1)
		if n >= 0xfffffff0 || n+4 > uint64(len(info))-at {
			return
		}
		if le.Uint16(info[at+4:]) >= 5 {
			first = 12
			if kind = info[at+6]; kind == 4 || kind == 5 {
				first = 20 // the identity of a split unit
			}
		}
		if kind == 2 && n+4 >= typeUnitHeader {
			x.types = append(x.types, [3]uint64{at, uint64(le.Uint32(info[at+20:])), le.Uint64(info[at+12:])})
		} else {
			x.units = append(x.units, gdbUnit{off: at, size: n + 4, first: dwarf.Offset(at + first)})
		}
		at += n + 4
	}
}

// readNames reads a table of names: .debug_gnu_pubnames or .debug_gnu_pubtypes.
func (x *gdbIndex) readNames(b []byte) {
	for len(b) >= 14 {
		n := uint64(le.Uint32(b))
		if n < 10 || n > uint64(len(b))-4 {
			return
		}
		set := b[14 : 4+n]
		off := uint64(le.Uint32(b[6:]))
		b = b[4+n:]
		unit, ok := slices.BinarySearchFunc(x.units, off, func(u gdbUnit, off uint64) int { return cmp.Compare(u.off, off) })
		if !ok {
			continue
		}
		x.units[unit].named = true
		for len(set) > 5 && le.Uint32(set) != 0 {
			end := bytes.IndexByte(set[5:], 0)
			if end < 0 {
				break
			}
			x.add(string(set[5:5+end]), uint32(unit), set[4])
			set = set[5+end+1:]
		}
	}
}

func (x *gdbIndex) add(name string, unit uint32, attr uint8) {
	if v := unit | uint32(attr)<<24; !slices.Contains(x.names[name], v) {
		x.names[name] = append(x.names[name], v)
	}
}

// walk finds the names of a unit in its entries.
func (x *gdbIndex) walk(r *dwarf.Reader, unit *dwarf.Entry, index uint32) error {
	if !unit.Children {
		return nil
	}
	var scopes []string
	members := map[dwarf.Offset]string{} // full names of what is declared in classes
	for {
		e, err := r.Next()
		switch {
		case err != nil:
			return err
		case e == nil:
			return nil
		case e.Tag == 0:
			if len(scopes) == 0 {
				return nil
			}
			scopes = scopes[:len(scopes)-1]
			continue
		}
		name, _ := e.Val(dwarf.AttrName).(string)
		if name == "" && e.Tag == dwarf.TagNamespace {
			name = "(anonymous namespace)"
		}
		full := name
		if n := len(scopes); n > 0 && name != "" && scopes[n-1] != "" {
			full = scopes[n-1] + "::" + name
		}
		if name != "" {
			members[e.Offset] = full
		}
		for _, a := range []dwarf.Attr{dwarf.AttrSpecification, dwarf.AttrAbstractOrigin} {
			if off, ok := e.Val(a).(dwarf.Offset); ok && members[off] != "" {
				full = members[off]
			}
		}
		declared, _ := e.Val(dwarf.AttrDeclaration).(bool)
		external, _ := e.Val(dwarf.AttrExternal).(bool)
		local := uint8(0x80)
		if external {
			local = 0
		}
		if full != "" && !declared {
			switch e.Tag {
			case dwarf.TagSubprogram:
				x.add(full, index, gdbFunction|local)
			case dwarf.TagVariable, dwarf.TagEnumerator:
				x.add(full, index, gdbVariable|local)
			case dwarf.TagClassType, dwarf.TagStructType, dwarf.TagUnionType, dwarf.TagEnumerationType, dwarf.TagTypedef, dwarf.TagBaseType:
				x.add(full, index, gdbType|0x80)
			case dwarf.TagNamespace:
				x.add(full, index, gdbType)
			}
		}
		switch e.Tag {
		case dwarf.TagNamespace, dwarf.TagClassType, dwarf.TagStructType, dwarf.TagUnionType:
			if e.Children {
				scopes = append(scopes, full)
			}
		case dwarf.TagEnumerationType:
			if e.Children { // enumerators are in the scope around, but for enum class
				outer := strings.TrimSuffix(strings.TrimSuffix(full, name), "::")
				if class, _ := e.Val(dwarf.AttrEnumClass).(bool); class {
					outer = full
				}
				scopes = append(scopes, outer)
			}
		default:
			if e.Children {
				r.SkipChildren()
			}
		}
	}
}

// gdbHash is the hash of gdb, mapped_index_string_hash, which does not tell upper from lower case.
func gdbHash(name string) uint32 {
	h := uint32(0)
	for i := range len(name) {
		c := name[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		h = h*67 + uint32(c) - 113
	}
	return h
}

// encode returns the section.
func (x *gdbIndex) encode() ([]byte, error) {
	if len(x.units)+len(x.types) >= 1<<24 {
		return nil, fmt.Errorf("%d units are too many", len(x.units))
	}
	names := slices.Sorted(maps.Keys(x.names))
	slots := 1024
	for slots*3 < len(names)*4 {
		slots *= 2
	}
	b := make([]byte, 24)
	le.PutUint32(b, 7)
	mark := func(i int) { le.PutUint32(b[4*i:], uint32(len(b))) }
	mark(1)
	for _, u := range x.units {
		b = le.AppendUint64(le.AppendUint64(b, u.off), u.size)
	}
	mark(2)
	for _, t := range x.types {
		for _, v := range t {
			b = le.AppendUint64(b, v)
		}
	}
	mark(3)
	b = append(b, x.ranges...)
	mark(4)
	table := make([]byte, 8*slots)
	// The pool: vectors of units first, one for all names that have the same.
	var pool []byte
	vectors := map[string]uint32{}
	at := map[string]uint32{}
	for _, name := range names {
		v := le.AppendUint32(nil, uint32(len(x.names[name])))
		slices.Sort(x.names[name])
		for _, u := range x.names[name] {
			v = le.AppendUint32(v, u)
		}
		off, ok := vectors[string(v)]
		if !ok {
			off = uint32(len(pool))
			vectors[string(v)] = off
			pool = append(pool, v...)
		}
		at[name] = off
	}
	for _, name := range names {
		h := gdbHash(name)
		i, step := h&uint32(slots-1), h*17&uint32(slots-1)|1
		for le.Uint64(table[8*i:]) != 0 {
			i = (i + step) & uint32(slots-1)
		}
		le.PutUint32(table[8*i:], uint32(len(pool)))
		le.PutUint32(table[8*i+4:], at[name])
		pool = append(append(pool, name...), 0)
	}
	b = append(b, table...)
	mark(5)
	b = append(b, pool...)
	if uint64(len(b)) > 1<<32-1 {
		return nil, fmt.Errorf("it would be larger than 4 GiB")
	}
	return b, nil
}
