package live

import (
	"weld/image/elf"
)

// partImage returns an ELF file of a part: one segment, which is the memory, the symbols of it, and what is known of its functions.
// It is nil if there is nothing. That of no part has nothing but headers.
// Frames are in .debug_frame (DWARF 4, 6.4), which has no address of its own as .eh_frame has.
func (o *Object) partImage(p *part, k Kind) []byte {
	b := partBuilder{file: make([]byte, ehdrSize+phdrSize)}
	b.sections = append(b.sections, section{})
	if p != nil {
		if !b.describe(o, p) {
			return nil
		}
		b.memory(o, p, k)
		b.rest()
	}
	return b.finish()
}

// partBuilder makes such a file.
type partBuilder struct {
	file     []byte
	sections []section

	syms, strs, frames []byte
	dwarf              dwarfBuilder
}

const partMemory = 1 // number of the section

// describe collects what there is to say of the symbols and functions; false if there is none.
func (b *partBuilder) describe(o *Object, p *part) bool {
	b.syms = make([]byte, symSize, symSize*(p.n+1))
	b.strs = make([]byte, 1, 32*(p.n+1))
	seen := map[*function]bool{}
	var lines []*function
	source := func(f *function) {
		if f != nil && f.of != nil {
			f = f.of
		}
		if f != nil && f.source != nil && f.source.written && !seen[f] {
			seen[f] = true
			lines = append(lines, f)
		}
	}
	o.addrs.within(p.from, p.to, func(s *sym) {
		b.syms = append(b.syms, make([]byte, symSize)...)
		row := b.syms[len(b.syms)-symSize:]
		putSym(row, uint32(len(b.strs)), s)
		le.PutUint16(row[6:], partMemory)
		b.strs = append(append(b.strs, s.name()...), 0)
		if s.typ == elf.STT_FUNC {
			source(s.b.functionAt(s.at - uint32(s.b.ext.off)))
		}
	})
	t := &o.eh
	for i := t.at(uint32(p.from)); i < t.rows.n && uint64(t.rows.at(i).start) < p.to; i++ {
		if r := t.rows.at(i); r.fde != 0 {
			b.frame(o, r)
			source(r.f)
		}
	}
	if len(lines) > 0 {
		b.dwarf.files, b.dwarf.added = map[string]uint32{}, map[string]uint32{}
		b.dwarf.str = []byte{0}
		b.dwarf.build(lines, o.dwarf.dir)
	}
	return len(b.syms) > symSize || len(b.frames) > 0
}

// frame adds the description of a function: the rules are those in .eh_frame.
func (b *partBuilder) frame(o *Object, r *ehRow) {
	if b.frames == nil {
		// As cie, without what says how addresses are written.
		b.frames = append(b.frames, 20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 1, 0x78, byte(returnAddress),
			cfaDefCFA, byte(RSP), 8, cfaOffset|byte(returnAddress), 1, cfaNop, cfaNop, cfaNop, cfaNop, cfaNop, cfaNop)
	}
	n := uint64(le.Uint32(o.bytes(uint64(r.fde), 4))) + 4
	fde := o.bytes(uint64(r.fde), n)
	start := len(b.frames)
	b.frames = append(b.frames, make([]byte, 8)...)
	b.frames = le.AppendUint64(b.frames, uint64(r.start))
	b.frames = le.AppendUint64(b.frames, uint64(le.Uint32(fde[fdeSize:])))
	b.frames = append(b.frames, fde[fdeRules:]...)
	for (len(b.frames)-start-4)%8 != 4 {
		b.frames = append(b.frames, cfaNop)
	}
	le.PutUint32(b.frames[start:], uint32(len(b.frames)-start-4))
}

// memory adds the segment, and the section that it is.
func (b *partBuilder) memory(o *Object, p *part, k Kind) {
	for uint64(len(b.file))%page != p.from%page {
		b.file = append(b.file, 0)
	}
	s := section{name: sectionNames[k], typ: elf.SHT_PROGBITS, flags: sectionFlags[k], at: p.from, off: uint64(len(b.file)), size: p.to - p.from, align: granule}
	fileSize := s.size
	if k == BSS {
		s.typ, fileSize = elf.SHT_NOBITS, 0
	} else {
		b.file = append(b.file, o.bytes(p.from, p.to-p.from)...)
	}
	b.sections = append(b.sections, s)
	h := b.file[ehdrSize:]
	le.PutUint32(h, uint32(elf.PT_LOAD))
	le.PutUint32(h[4:], uint32(progFlags[k]))
	le.PutUint64(h[8:], s.off)
	le.PutUint64(h[16:], s.at)
	le.PutUint64(h[24:], s.at)
	le.PutUint64(h[32:], fileSize)
	le.PutUint64(h[40:], s.size)
	le.PutUint64(h[48:], page)
}

func (b *partBuilder) add(s section, data []byte) {
	for len(b.file)%8 != 0 {
		b.file = append(b.file, 0)
	}
	s.off, s.size, s.align = uint64(len(b.file)), uint64(len(data)), 1
	if s.typ == elf.SHT_SYMTAB {
		s.align = 8
	}
	b.file = append(b.file, data...)
	b.sections = append(b.sections, s)
}

// rest adds the sections that are not loaded.
func (b *partBuilder) rest() {
	b.add(section{name: ".symtab", typ: elf.SHT_SYMTAB, link: uint32(len(b.sections)) + 1, info: 1, entry: symSize}, b.syms)
	b.add(section{name: ".strtab", typ: elf.SHT_STRTAB}, b.strs)
	debug := func(name string, data []byte) {
		if len(data) > 0 {
			b.add(section{name: name, typ: elf.SHT_PROGBITS}, data)
		}
	}
	debug(".debug_frame", b.frames)
	if d := &b.dwarf; len(d.info) > 0 {
		debug(".debug_abbrev", abbrevs)
		debug(".debug_info", d.info)
		debug(".debug_line", d.line)
		debug(".debug_ranges", d.ranges)
		debug(".debug_aranges", d.aranges)
		debug(".debug_str", d.str)
	}
}

// finish adds the headers.
func (b *partBuilder) finish() []byte {
	names := []byte{0}
	at := make([]uint32, len(b.sections)+1)
	for i := 1; i < len(b.sections); i++ {
		at[i] = uint32(len(names))
		names = append(append(names, b.sections[i].name...), 0)
	}
	last := len(b.sections)
	at[last] = uint32(len(names))
	names = append(names, ".shstrtab\x00"...)
	b.add(section{name: ".shstrtab", typ: elf.SHT_STRTAB}, names)
	for len(b.file)%8 != 0 {
		b.file = append(b.file, 0)
	}
	table := len(b.file)
	for i := range b.sections {
		s := &b.sections[i]
		b.file = append(b.file, make([]byte, shdrSize)...)
		s.put(b.file[len(b.file)-shdrSize:], at[i])
	}
	h := b.file
	putEhdr(h)
	le.PutUint64(h[40:], uint64(table))
	if last > 1 {
		le.PutUint16(h[56:], 1)
	} else {
		le.PutUint64(h[32:], 0) // no program headers
	}
	le.PutUint16(h[60:], uint16(len(b.sections)))
	le.PutUint16(h[62:], uint16(last))
	return b.file
}
