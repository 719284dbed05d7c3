package live

import (
	"crypto/rand"
	"fmt"

	"weld/image/elf"
)

// The file begins with the ELF header, the program headers and the note with the build-id. Of the header and the note single
// words change. The section headers are written anew by each commit, in one of two places.
// There is a second table of program headers, for dl_iterate_phdr in the process: where segments come to be, a new one is
// made, so that nobody has a table changed under the hands. Tools that rewrite files know only the place behind the header.

const (
	ehdrSize = 64
	phdrSize = 56
	shdrSize = 64

	maxPhdrs  = 96
	noteAt    = ehdrSize + maxPhdrs*phdrSize
	noteSize  = 16 + 20
	buildIDAt = noteAt + 16
	commitAt  = buildIDAt + 16 // the part of the build-id that changes
	headSize  = noteAt + 64    // of all this
)

// Sections. The numbers of the first ones are fixed; those of chunks follow as these are made, since symbols have them.
const (
	secNull = iota
	secNote
	secDynsym
	secDynstr
	secHash
	secEhFrameHdr
	secEhFrame
	secDynamic
	secSymtab
	secStrtab
	secShstrtab
	secFixed
)

// maxSections is more than there are: a region of 2 GiB has 16 chunks, as each is as large as those before.
const maxSections = 96

// section is what a section header says.
type section struct {
	name  string
	typ   elf.SectionType
	flags elf.SectionFlag
	at    uint64 // vaddr, also of what is not loaded
	off   uint64 // in the file, if it is not to be found by at
	size  uint64
	link  uint32
	info  uint32
	align uint64
	entry uint64
}

// prog is what a program header says.
type prog struct {
	typ            elf.ProgType
	flags          elf.ProgFlag
	at             uint64
	off            uint64
	fileSize, size uint64
	align          uint64
}

// headTable is the headers.
type headTable struct {
	sections [2]*extent
	turn     int
	chunks   uint16 // that have a section
	names    *extent
	at       map[string]uint32
	nameN    uint64
	phdrs    *extent // those of the process
	progs    []prog  // as they were written
	tables   uint64  // size of the region of tables then
}

// newSection gives a new chunk of a region a section. Those for tables have none, as the tables are sections.
func (t *headTable) newSection(r *region, c *chunk) {
	if r.kind >= numKinds {
		return
	}
	c.sec = secFixed + t.chunks
	t.chunks++
	c.name = sectionNames[r.kind]
	if n := len(r.chunks); n > 0 {
		c.name = fmt.Sprintf("%s.%d", c.name, n)
	}
}

// fileOff returns where an extent is in the file.
func (e *extent) fileOff() uint64 { return e.off - e.chunk.at + e.chunk.off }

// beginHeaders writes what does not change.
func (o *Object) beginHeaders() error {
	x := &tx{o: o, op: "create"}
	t := &o.heads
	if _, err := x.take(meta, headSize, headSize); err != nil { // what begins the file
		return err
	}
	var err error
	for i := range t.sections {
		if t.sections[i], err = x.take(aux, maxSections*shdrSize, maxSections*shdrSize); err != nil {
			return err
		}
	}
	if t.names, err = x.take(aux, 1<<10, 1<<10); err != nil {
		return err
	}
	if err = x.back(); err != nil {
		return err
	}
	t.at, t.nameN = map[string]uint32{}, 1
	b := o.bytes(0, headSize)
	putEhdr(b)
	le.PutUint16(b[62:], secShstrtab)
	note := b[noteAt:]
	le.PutUint32(note, 4)
	le.PutUint32(note[4:], 20)
	le.PutUint32(note[8:], uint32(elf.NT_GNU_BUILD_ID))
	copy(note[12:], "GNU\x00")
	rand.Read(b[buildIDAt:commitAt])
	return nil
}

// putEhdr writes what all ELF headers have in common.
func putEhdr(b []byte) {
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], uint16(elf.ET_DYN))
	le.PutUint16(b[18:], uint16(elf.EM_X86_64))
	le.PutUint32(b[20:], 1) // EV_CURRENT
	le.PutUint64(b[32:], ehdrSize)
	le.PutUint16(b[52:], ehdrSize)
	le.PutUint16(b[54:], phdrSize)
	le.PutUint16(b[58:], shdrSize)
}

// put writes a section header.
func (s *section) put(h []byte, name uint32) {
	addr := uint64(0)
	if s.flags&elf.SHF_ALLOC != 0 {
		addr = s.at
	}
	le.PutUint32(h, name)
	le.PutUint32(h[4:], uint32(s.typ))
	le.PutUint64(h[8:], uint64(s.flags))
	le.PutUint64(h[16:], addr)
	le.PutUint64(h[24:], s.off)
	le.PutUint64(h[32:], s.size)
	le.PutUint32(h[40:], s.link)
	le.PutUint32(h[44:], s.info)
	le.PutUint64(h[48:], s.align)
	le.PutUint64(h[56:], s.entry)
}

// Program headers that follow those of the chunks.
const (
	phDynamic = iota
	phNote
	phEhFrame
	phStack
	numOthers
)

// loads appends the program headers of what is loaded.
func (o *Object) loads(list []prog) []prog {
	for _, k := range []Kind{meta, Text, ROData, Data, BSS} {
		for _, c := range o.regions[k].chunks {
			if c.mapped == 0 {
				continue
			}
			p := prog{typ: elf.PT_LOAD, flags: progFlags[k], at: c.at, off: c.off, fileSize: c.mapped, size: c.mapped, align: page}
			if k == BSS {
				p.off, p.fileSize = c.at, 0
			}
			list = append(list, p)
		}
	}
	return list
}

// planPhdrs takes a new table of program headers, if there is to be one.
func (o *Object) planPhdrs(x *tx) (e *extent, err error) {
	n := o.segments + numOthers
	if n == len(o.heads.progs) && o.heads.tables == o.regions[meta].size {
		return nil, nil
	}
	size := uint64(n+1) * phdrSize
	if e, err = x.take(meta, size, size); err == nil { // which may need a chunk itself
		err = x.back()
	}
	return e, err
}

// writePhdrs makes the program headers say what there is. Of one that readers may be in the middle of the size grows first, then
// the address changes.
func (o *Object) writePhdrs(x *tx, fresh *extent) {
	t := &o.heads
	at := func(typ elf.ProgType, e *extent, size, align uint64) prog {
		return prog{typ, elf.PF_R, e.off, e.fileOff(), size, size, align}
	}
	list := o.loads(make([]prog, 0, len(t.progs)+2))
	list = append(list,
		at(elf.PT_DYNAMIC, o.dyn.dynamic, o.dyn.dynamicSize(), 8),
		prog{elf.PT_NOTE, elf.PF_R, noteAt, noteAt, noteSize, noteSize, 4},
		at(elf.PT_GNU_EH_FRAME, o.eh.hdr, o.eh.size(), 4),
		prog{typ: elf.PT_GNU_STACK, flags: elf.PF_R | elf.PF_W, align: 16})
	if fresh != nil {
		x.replace(t.phdrs)
		t.phdrs = fresh
		t.progs = make([]prog, len(list))
		t.tables = o.regions[meta].size
	}
	for i, now := range list {
		was := t.progs[i]
		if now == was {
			continue
		}
		for _, table := range [...]uint64{t.phdrs.off, ehdrSize} {
			p, now, was := table+uint64(i)*phdrSize, now, was
			if table != ehdrSize {
				now.reserve(o)
				was.reserve(o)
			}
			o.put64(p, uint64(now.typ)|uint64(now.flags)<<32)
			o.put64(p+40, max(now.size, was.size))
			o.put64(p+32, now.fileSize)
			o.put64(p+16, now.at)
			o.put64(p+24, now.at)
			o.put64(p+8, now.off)
			o.put64(p+40, now.size)
			o.put64(p+48, now.align)
		}
	}
	t.progs = list
}

// reserve makes the header of a table that is extended in place one of all the room it has, and that of the segment of tables
// one of all that can be in it: the table itself says how much of it there is, and nobody who reads one header after the other
// is to find more than they allow.
func (p *prog) reserve(o *Object) {
	switch p.typ {
	case elf.PT_DYNAMIC:
		p.fileSize, p.size = o.dyn.dynamic.size, o.dyn.dynamic.size
	case elf.PT_GNU_EH_FRAME:
		p.fileSize, p.size = o.eh.hdr.size, o.eh.hdr.size
	case elf.PT_LOAD:
		if r := &o.regions[meta]; p.at < r.off+r.size {
			p.size = r.chunkOf(p.at).size
		}
	}
}

// writeHeads makes the headers say what there is.
func (o *Object) writeHeads(x *tx, phdrs *extent) {
	o.writePhdrs(x, phdrs)
	t := &o.heads
	list := o.sections(make([]section, 0, maxSections))
	n := len(list)
	names := make([]uint32, n)
	for i := 1; i < n; i++ {
		names[i] = t.name(o, list[i].name)
	}
	list[secShstrtab].size = t.nameN
	t.turn ^= 1
	table := t.sections[t.turn]
	b := o.bytes(table.off, uint64(n)*shdrSize)
	for i := 1; i < n; i++ {
		list[i].put(b[i*shdrSize:], names[i])
	}
	// e_phnum, e_shentsize, e_shnum and e_shstrndx are in a word.
	const shoffAt, countsAt, shnumAt = 40, 56, 60
	counts := uint64(len(t.progs)) | shdrSize<<16 | uint64(n)<<32 | secShstrtab<<48
	if int(le.Uint16(o.bytes(shnumAt, 2))) > n {
		o.put64(countsAt, counts)
	}
	o.put64(shoffAt, table.fileOff())
	o.put64(countsAt, counts)
	o.put32(commitAt, uint32(o.seq.Load()+1))
}

// sections appends what the section headers are to say.
func (o *Object) sections(list []section) []section {
	const a = elf.SHF_ALLOC
	d, eh := &o.dyn, &o.eh
	more := func(e *extent, size uint64, s section) {
		s.at, s.off, s.size = e.off, e.fileOff(), size
		list = append(list, s)
	}
	list = append(list, section{}, section{name: ".note.gnu.build-id", typ: elf.SHT_NOTE, flags: a, at: noteAt, off: noteAt, size: noteSize, align: 4})
	more(d.syms, uint64(d.n)*symSize, section{name: ".dynsym", typ: elf.SHT_DYNSYM, flags: a, link: secDynstr, info: 1, align: 8, entry: symSize})
	more(d.strs, d.strUsed, section{name: ".dynstr", typ: elf.SHT_STRTAB, flags: a, align: 1})
	more(d.hash, 8+4*uint64(d.buckets+d.n), section{name: ".hash", typ: elf.SHT_HASH, flags: a, link: secDynsym, align: 8, entry: 4})
	more(eh.hdr, eh.size(), section{name: ".eh_frame_hdr", typ: elf.SHT_PROGBITS, flags: a, align: 4})
	more(eh.frames, eh.used+4, section{name: ".eh_frame", typ: elf.SHT_PROGBITS, flags: a, align: 8})
	more(d.dynamic, d.dynamicSize(), section{name: ".dynamic", typ: elf.SHT_DYNAMIC, flags: a, link: secDynstr, align: 8, entry: dynSize})
	more(o.tab.syms.e, o.tab.syms.used, section{name: ".symtab", typ: elf.SHT_SYMTAB, link: secStrtab, info: 1, align: 8, entry: symSize})
	more(o.tab.strs.e, o.tab.strs.used, section{name: ".strtab", typ: elf.SHT_STRTAB, align: 1})
	more(o.heads.names, 0, section{name: ".shstrtab", typ: elf.SHT_STRTAB, align: 1})

	list = list[:secFixed+o.heads.chunks]
	for k := range numKinds {
		r := &o.regions[k]
		top := max(r.top(), r.off)
		for _, c := range r.chunks {
			s := section{name: c.name, typ: elf.SHT_PROGBITS, flags: sectionFlags[k], at: c.at, off: c.off, align: page}
			if k == BSS {
				s.typ, s.off = elf.SHT_NOBITS, c.at
			}
			if top > c.at {
				s.size = min(top-c.at, c.mapped)
			}
			list[c.sec] = s
		}
	}
	if d.sorted {
		more(d.gnu, gnuSize(d, d.n-d.first()), section{name: ".gnu.hash", typ: elf.SHT_GNU_HASH, flags: a, link: secDynsym, align: 8})
	}
	if d.vers != nil {
		more(d.vers, 2*uint64(d.n), section{name: ".gnu.version", typ: elf.SHT_GNU_VERSYM, flags: a, link: secDynsym, align: 2, entry: 2})
	}
	if d.reqs != nil {
		more(d.reqs, d.wantsUsed, section{name: ".gnu.version_r", typ: elf.SHT_GNU_VERNEED, flags: a, link: secDynstr, info: uint32(d.wantFiles), align: 8})
	}
	if d.defs != nil {
		names := uint64(len(d.verNames) + 1)
		more(d.defs, names*(verdefSize+verdauxSize), section{name: ".gnu.version_d", typ: elf.SHT_GNU_VERDEF, flags: a, link: secDynstr, info: uint32(names), align: 8})
	}
	if d.rela != nil {
		more(d.rela, relaSize*uint64(len(d.imports)), section{name: ".rela.dyn", typ: elf.SHT_RELA, flags: a, link: secDynsym, align: 8, entry: relaSize})
	}
	if w := &o.dwarf; w.started {
		const str = elf.SHF_MERGE | elf.SHF_STRINGS
		more(w.abbrev.e, w.abbrev.used, section{name: ".debug_abbrev", typ: elf.SHT_PROGBITS, align: 1})
		more(w.info.e, w.info.used, section{name: ".debug_info", typ: elf.SHT_PROGBITS, align: 1})
		more(w.line.e, w.line.used, section{name: ".debug_line", typ: elf.SHT_PROGBITS, align: 1})
		more(w.ranges.e, w.ranges.used, section{name: ".debug_ranges", typ: elf.SHT_PROGBITS, align: 1})
		more(w.aranges.e, w.aranges.used, section{name: ".debug_aranges", typ: elf.SHT_PROGBITS, align: 1})
		more(w.str.e, w.str.used, section{name: ".debug_str", typ: elf.SHT_PROGBITS, flags: str, align: 1, entry: 1})
	}
	return list
}

var (
	progFlags = [numRegions]elf.ProgFlag{
		Text: elf.PF_R | elf.PF_X, ROData: elf.PF_R, Data: elf.PF_R | elf.PF_W, BSS: elf.PF_R | elf.PF_W, meta: elf.PF_R,
	}
	sectionNames = [numKinds]string{".text", ".rodata", ".data", ".bss"}
	sectionFlags = [numKinds]elf.SectionFlag{
		elf.SHF_ALLOC | elf.SHF_EXECINSTR, elf.SHF_ALLOC, elf.SHF_ALLOC | elf.SHF_WRITE, elf.SHF_ALLOC | elf.SHF_WRITE,
	}
)

// name returns where a section's name is in .shstrtab.
func (t *headTable) name(o *Object, s string) uint32 {
	at, ok := t.at[s]
	if !ok {
		at = uint32(t.nameN)
		copy(o.bytes(t.names.off+t.nameN, uint64(len(s))), s)
		t.nameN += uint64(len(s)) + 1
		t.at[s] = at
	}
	return at
}

// dynamicSize returns the bytes of .dynamic up to and with DT_NULL.
func (t *dynTable) dynamicSize() uint64 {
	n := t.gnuAt - t.dynamic.off + dynSize
	if t.sorted {
		n += dynSize
	}
	return n
}
