package link

import (
	"cmp"
	"debug/dwarf"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"

	"weld/image/elf"
)

// Source lines for messages, from the DWARF line tables of an object. They are read only once there is an error to report.

// maxDebugRead bounds the debug information of an object that is read for a message.
const maxDebugRead = 256 << 20

// A lineTable knows the lines of an object.
type lineTable struct {
	once sync.Once
	// The code of an object has no addresses: for the line table each section is given some, one after the other.
	bases []uint64
	rows  []lineRow
	vars  map[string]string // where variables are declared
}

// A lineRow says where code from an address on is from.
type lineRow struct {
	addr uint64
	file string
	line int // 0 at the end of a sequence
}

// sourceLine returns file:line of the code at off of a section, or "".
func (o *object) sourceLine(sec uint32, off uint64) string {
	t := o.lineTable()
	if sec >= uint32(len(t.bases)) || t.bases[sec] == 0 || off >= o.secs[sec].size {
		return ""
	}
	addr := t.bases[sec] + off
	i, found := slices.BinarySearchFunc(t.rows, addr, func(r lineRow, a uint64) int { return cmp.Compare(r.addr, a) })
	for found && i+1 < len(t.rows) && t.rows[i+1].addr == addr {
		i++ // the last of several rows for an address holds
	}
	if !found {
		i--
	}
	if i < 0 || t.rows[i].line == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d", t.rows[i].file, t.rows[i].line)
}

// sourceOf returns where symbol i of the object is defined, or "".
func (o *object) sourceOf(i uint32) string {
	e := o.sym(i)
	if e.shndx >= uint32(len(o.secs)) {
		return o.lineTable().vars[o.symName(i)]
	}
	if s := o.sourceLine(e.shndx, e.value); s != "" {
		return s
	}
	return o.lineTable().vars[o.symName(i)]
}

// lineTable returns the line table; where the debug information is missing or damaged it is empty, or has what could be read.
func (o *object) lineTable() *lineTable {
	t := &o.lines
	t.once.Do(func() {
		defer func() {
			if recover() != nil {
				t.rows = nil // package dwarf does not promise to stand what it is given
			}
			slices.SortStableFunc(t.rows, func(a, b lineRow) int {
				// The end of one piece of code may be where the next begins.
				return cmp.Or(cmp.Compare(a.addr, b.addr), cmp.Compare(min(a.line, 1), min(b.line, 1)))
			})
		}()
		t.read(o)
	})
	return t
}

func (t *lineTable) read(o *object) {
	t.bases = make([]uint64, len(o.secs))
	next := uint64(1 << 16)
	total := uint64(0)
	for i := range o.secs {
		s := &o.secs[i]
		switch {
		case s.alloc() && s.size < maxDebugRead:
			t.bases[i] = next
			next = alignUp(next+s.size+1, 64)
		case !s.alloc() && strings.HasPrefix(o.secName(uint32(i)), ".debug"):
			total += s.size
		}
	}
	if total > maxDebugRead {
		return
	}
	debug := map[string][]byte{}
	for i := range o.secs {
		name := o.secName(uint32(i))
		if !strings.HasPrefix(name, ".debug_") || o.secs[i].flags&shfGroup != 0 || debug[name] != nil {
			continue
		}
		debug[name] = t.relocated(o, uint32(i))
	}
	info := debug[".debug_info"]
	d, err := dwarf.New(debug[".debug_abbrev"], nil, nil, info, debug[".debug_line"], nil, debug[".debug_ranges"], debug[".debug_str"])
	if err != nil {
		return
	}
	for _, n := range []string{".debug_addr", ".debug_line_str", ".debug_str_offsets", ".debug_rnglists"} {
		if err := d.AddSection(n, debug[n]); err != nil {
			return
		}
	}
	t.vars = map[string]string{}
	r := d.Reader()
	for _, off := range unitOffsets(info) {
		r.Seek(off)
		unit, err := r.Next()
		if err != nil || unit == nil {
			continue
		}
		t.readUnit(d, r, unit)
	}
}

// unitOffsets returns where the first entries of the compilation units are (DWARF 5, section 7.5.1.1).
func unitOffsets(info []byte) []dwarf.Offset {
	var list []dwarf.Offset
	for at := uint64(0); inRange(at, 11, uint64(len(info))); {
		n, header := uint64(le.Uint32(info[at:])), uint64(11)
		if n >= 0xfffffff0 {
			break // 64-bit DWARF
		}
		if le.Uint16(info[at+4:]) >= 5 {
			header = 12
			if kind := info[at+6]; kind != 1 {
				header = 20 // a skeleton; type units, which have no code, are longer still
			}
		}
		list = append(list, dwarf.Offset(at+header))
		at += n + 4
	}
	return list
}

// readUnit reads the lines and the variables of a compilation unit.
func (t *lineTable) readUnit(d *dwarf.Data, r *dwarf.Reader, unit *dwarf.Entry) {
	lr, err := d.LineReader(unit)
	if err != nil || lr == nil {
		return
	}
	var e dwarf.LineEntry
	for {
		if err := lr.Next(&e); err != nil {
			if !errors.Is(err, io.EOF) {
				return
			}
			break
		}
		row := lineRow{addr: e.Address, line: e.Line}
		if e.EndSequence {
			row.line = 0
		} else if e.File != nil {
			row.file = shortPath(unit, e.File.Name)
		}
		t.rows = append(t.rows, row)
	}
	files := lr.Files()
	if !unit.Children {
		return
	}
	for depth := 1; depth > 0; {
		e, err := r.Next()
		switch {
		case err != nil || e == nil:
			return
		case e.Tag == 0:
			depth--
			continue
		case e.Tag == dwarf.TagNamespace && e.Children:
			depth++
			continue
		}
		if e.Tag == dwarf.TagVariable {
			line, _ := e.Val(dwarf.AttrDeclLine).(int64)
			file, _ := e.Val(dwarf.AttrDeclFile).(int64)
			if line > 0 && file >= 0 && file < int64(len(files)) && files[file] != nil {
				for _, a := range []dwarf.Attr{dwarf.AttrName, dwarf.AttrLinkageName} {
					if name, _ := e.Val(a).(string); name != "" && t.vars[name] == "" {
						t.vars[name] = fmt.Sprintf("%s:%d", shortPath(unit, files[file].Name), line)
					}
				}
			}
		}
		r.SkipChildren()
	}
}

// shortPath returns the name of a source file as the compiler was given it: without the folder it worked in.
func shortPath(unit *dwarf.Entry, name string) string {
	dir, _ := unit.Val(dwarf.AttrCompDir).(string)
	if rest, ok := strings.CutPrefix(name, dir+"/"); ok && dir != "" {
		return rest
	}
	return path.Clean(name)
}

// relocated returns the content of a debug section with its relocations done: addresses of code are those of t.bases, of other
// sections offsets.
func (t *lineTable) relocated(o *object, sec uint32) []byte {
	s := &o.secs[sec]
	b := o.bytes(sec)
	if s.flags&shfCompressed != 0 {
		d, err := o.decompress(sec)
		if err != nil {
			return nil
		}
		b = d.data
	} else if s.rel != 0 {
		b = slices.Clone(b)
	}
	rels := o.relas(sec)
	for ; len(rels) >= relaSize; rels = rels[relaSize:] {
		r := decodeRela(rels)
		size := o.mi.addressWidth(r.typ)
		number := o.mi.em == elf.EM_RISCV && rvSum(elf.R_RISCV(r.typ))
		if number {
			size, _ = riscv64{}.relocSize(r.typ)
		} else if size == 0 && r.typ != 0 && o.secName(sec) == ".debug_line" {
			return nil // a distance that is not known here
		}
		if size == 0 || r.sym >= o.nsyms || !inRange(r.off, size, uint64(len(b))) {
			continue
		}
		e := o.sym(r.sym)
		v := e.value + uint64(r.addend)
		if e.shndx < uint32(len(t.bases)) {
			v += t.bases[e.shndx]
		}
		switch {
		case number: // a difference, in two relocations
			(&applier{o: o}).rvNumber(r, b[r.off:], v)
		case size == 8:
			le.PutUint64(b[r.off:], v)
		default:
			le.PutUint32(b[r.off:], uint32(v))
		}
	}
	return b
}
