package link

import (
	"bytes"
	"math"

	"weld/image/elf"
)

// Files of ELFCLASS32 are widened when they are read: symbols and relocations become those of ELF64, and addends that stand in the
// place to be changed go to the relocations. What comes after knows one class of input.

// Sizes of ELF32 structures.
const (
	shdrSize32 = 40
	phdrSize32 = 32
	symSize32  = 16
	relSize32  = 8
	dynSize32  = 8
)

// decodeShdr decodes a section header.
func (c *elfClass) decodeShdr(b []byte) shdr {
	w := c.word
	_ = b[c.shdr-1]
	return shdr{
		name: le.Uint32(b), typ: le.Uint32(b[4:]), flags: c.getWord(b[8:]), addr: c.getWord(b[8+w:]), off: c.getWord(b[8+2*w:]),
		size: c.getWord(b[8+3*w:]), link: le.Uint32(b[8+4*w:]), info: le.Uint32(b[12+4*w:]), align: c.getWord(b[16+4*w:]), entsize: c.getWord(b[16+5*w:]),
	}
}

// decodeChdr decodes the header of a compressed section (gABI, "Section Compression"). ok is false if it is cut off.
func (c *elfClass) decodeChdr(b []byte) (typ uint32, size, align, length uint64, ok bool) {
	if c.word == 4 {
		if len(b) < 12 {
			return 0, 0, 0, 0, false
		}
		return le.Uint32(b), uint64(le.Uint32(b[4:])), uint64(le.Uint32(b[8:])), 12, true
	}
	if len(b) < 24 {
		return 0, 0, 0, 0, false
	}
	return le.Uint32(b), le.Uint64(b[8:]), le.Uint64(b[16:]), 24, true
}

// widenSymbols makes an ELF64 symbol table of an ELF32 one.
func widenSymbols(b []byte) []byte {
	out := make([]byte, 0, len(b)/symSize32*symSize)
	for ; len(b) >= symSize32; b = b[symSize32:] {
		out = append(out, b[:4]...)
		out = append(out, b[12:16]...)
		out = le.AppendUint64(out, uint64(le.Uint32(b[4:])))
		out = le.AppendUint64(out, uint64(le.Uint32(b[8:])))
	}
	return out
}

// widenRelocs makes ELF64 relocations of those of ELF32 without addends, for a section whose content is data.
func widenRelocs(m machine, b, data []byte) []byte {
	out := make([]byte, len(b)/relSize32*relaSize)
	for at := out; len(b) >= relSize32; b, at = b[relSize32:], at[relaSize:] {
		off, info := uint64(le.Uint32(b)), le.Uint32(b[4:])
		var addend int64
		if size, ok := m.relocSize(info & 0xff); ok && inRange(off, size, uint64(len(data))) {
			switch size {
			case 1:
				addend = int64(int8(data[off]))
			case 2:
				addend = int64(int16(le.Uint16(data[off:])))
			case 4:
				addend = int64(int32(le.Uint32(data[off:])))
			}
		}
		putRela(at, off, info&0xff, info>>8, addend)
	}
	return out
}

// widenAllRelocs does widenRelocs for all sections.
func (o *object) widenAllRelocs(l *linker) {
	for i := range o.secs {
		t := &o.secs[i]
		if t.rel == 0 {
			continue
		}
		var data []byte
		if t.typ != shtNobits && t.flags&shfCompressed == 0 {
			data = o.bytes(uint32(i))
		}
		if o.inflated == nil {
			o.inflated = map[uint32][]byte{}
		}
		o.inflated[t.rel] = widenRelocs(l.mach, o.bytes(t.rel), data)
	}
}

// putAddends stores the addends of relocations that stay relocations where they are for (-r), as the section's symbols have moved.
func (l *linker) putAddends(o *object, sec uint32, buf []byte) {
	for b := o.relas(sec); len(b) >= relaSize; b = b[relaSize:] {
		r := decodeRela(b)
		if r.sym == 0 || r.sym >= o.first {
			continue
		}
		e := o.sym(r.sym)
		if e.typ() != elf.STT_SECTION || e.shndx >= shnBase || o.secs[e.shndx].out < 0 {
			continue
		}
		size, ok := l.mach.relocSize(r.typ)
		if !ok || !inRange(r.off, size, uint64(len(buf))) {
			continue
		}
		v := uint64(r.addend) + o.secs[e.shndx].outOff
		switch at := buf[r.off:]; size {
		case 1:
			at[0] = byte(v)
		case 2:
			le.PutUint16(at, uint16(v))
		case 4:
			le.PutUint32(at, uint32(v))
		}
	}
}

// widenShared makes an ELF64 shared library of one of ELF32, so that package elf reads it. Addresses stay what they are; the tables of
// another size follow in a segment of their own above the others, with a hash table made anew.
func widenShared(name string, data []byte) ([]byte, error) {
	h, err := parseHeader(name, data)
	if err != nil {
		return nil, err
	}
	bad := func(format string, args ...any) error { return fileErr(ErrTruncated, name, "", format, args...) }
	size := uint64(len(data))
	if h.Phentsize != phdrSize32 || !inRange(h.Phoff, uint64(h.Phnum)*phdrSize32, size) {
		return nil, bad("%d program headers of %d bytes at %#x, and the file ends at %#x", h.Phnum, h.Phentsize, h.Phoff, size)
	}
	var segs []segment
	top := uint64(0)
	var dyn []byte
	for i := range uint64(h.Phnum) {
		b := data[h.Phoff+i*phdrSize32:]
		s := segment{
			typ: elf.ProgType(le.Uint32(b)), off: uint64(le.Uint32(b[4:])), addr: uint64(le.Uint32(b[8:])), filesz: uint64(le.Uint32(b[16:])),
			memsz: uint64(le.Uint32(b[20:])), flags: elf.ProgFlag(le.Uint32(b[24:])), align: uint64(le.Uint32(b[28:])),
		}
		if s.typ == elf.PT_DYNAMIC {
			if !inRange(s.off, s.filesz, size) {
				return nil, bad("the dynamic section at %#x has %#x bytes, and the file ends at %#x", s.off, s.filesz, size)
			}
			dyn = data[s.off : s.off+s.filesz]
		}
		segs = append(segs, s)
		top = max(top, s.addr+s.memsz)
	}
	at := func(addr uint64) []byte { // of a table: none is at 0
		for i := range segs {
			if s := &segs[i]; s.typ == elf.PT_LOAD && addr != 0 && addr >= s.addr && addr-s.addr < s.filesz && inRange(s.off, s.filesz, size) {
				return data[s.off+addr-s.addr : s.off+s.filesz]
			}
		}
		return nil
	}
	tags := map[elf.DynTag]uint64{}
	for b := dyn; len(b) >= dynSize32 && le.Uint32(b) != 0; b = b[dynSize32:] {
		tags[elf.DynTag(int32(le.Uint32(b)))] = uint64(le.Uint32(b[4:]))
	}
	n := countSymbols(at(tags[elf.DT_HASH]), at(tags[elf.DT_GNU_HASH]))
	syms := at(tags[elf.DT_SYMTAB])
	if n > uint64(len(syms))/symSize32 {
		return nil, bad("the dynamic symbol table cannot have %d symbols", n)
	}
	wide := widenSymbols(syms[:n*symSize32])

	// The new segment: program headers, dynamic section, symbols, hash table.
	out := bytes.Clone(data)
	for len(out)%8 != 0 {
		out = append(out, 0)
	}
	base := alignUp(top, 1<<12) + uint64(len(out))%(1<<12)
	off := uint64(len(out))
	phdrs := append(segs, segment{typ: elf.PT_LOAD, off: off, addr: base, flags: elf.PF_R, align: 1 << 12})
	place := func(b []byte) uint64 { // appends a table and returns its address
		for len(out)%8 != 0 {
			out = append(out, 0)
		}
		addr := base + uint64(len(out)) - off
		out = append(out, b...)
		return addr
	}
	phoff := off
	place(make([]byte, len(phdrs)*int(class64.phdr)))
	symAddr := place(wide)
	hashAddr := place(hashTable(wide, at(tags[elf.DT_STRTAB])))
	var wideDyn []byte
	entry := func(tag elf.DynTag, v uint64) {
		wideDyn = le.AppendUint64(wideDyn, uint64(tag))
		wideDyn = le.AppendUint64(wideDyn, v)
	}
	for b := dyn; len(b) >= dynSize32 && le.Uint32(b) != 0; b = b[dynSize32:] {
		switch tag := elf.DynTag(int32(le.Uint32(b))); tag {
		case elf.DT_HASH, elf.DT_GNU_HASH, elf.DT_SYMTAB, elf.DT_SYMENT, elf.DT_REL, elf.DT_RELSZ, elf.DT_RELENT, elf.DT_RELCOUNT, elf.DT_RELA, elf.DT_RELASZ,
			elf.DT_RELAENT, elf.DT_RELACOUNT, elf.DT_JMPREL, elf.DT_PLTREL, elf.DT_PLTRELSZ, elf.DT_RELR, elf.DT_RELRSZ, elf.DT_RELRENT,
			elf.DT_INIT_ARRAY, elf.DT_INIT_ARRAYSZ, elf.DT_FINI_ARRAY, elf.DT_FINI_ARRAYSZ, elf.DT_PREINIT_ARRAY, elf.DT_PREINIT_ARRAYSZ:
		default:
			entry(tag, uint64(le.Uint32(b[4:])))
		}
	}
	entry(elf.DT_SYMTAB, symAddr)
	entry(elf.DT_SYMENT, symSize)
	entry(elf.DT_HASH, hashAddr)
	entry(elf.DT_NULL, 0)
	dynAddr := place(wideDyn)
	var secs []byte
	shnum := uint64(0)
	if h.Shentsize == shdrSize32 && inRange(h.Shoff, uint64(h.Shnum)*shdrSize32, size) {
		shnum = uint64(h.Shnum)
		for i := range shnum {
			s := class32.decodeShdr(data[h.Shoff+i*shdrSize32:])
			var b [64]byte
			class64.putSection(b[:], &s)
			secs = append(secs, b[:]...)
		}
	}
	shoff := off + place(secs) - base
	end := uint64(len(out))
	for i := range phdrs {
		s := &phdrs[i]
		switch {
		case i == len(phdrs)-1:
			s.filesz, s.memsz = end-off, end-off
		case s.typ == elf.PT_DYNAMIC:
			s.off, s.addr, s.filesz, s.memsz = off+dynAddr-base, dynAddr, uint64(len(wideDyn)), uint64(len(wideDyn))
		}
		class64.putProg(out[phoff+uint64(i)*class64.phdr:], s)
	}
	head := out[:64]
	head[4] = uint8(elf.ELFCLASS64)
	le.PutUint64(head[24:], h.Entry)
	le.PutUint64(head[32:], phoff)
	le.PutUint64(head[40:], shoff)
	le.PutUint32(head[48:], h.Flags)
	for i, v := range []uint16{64, 56, uint16(len(phdrs)), 64, uint16(shnum), h.Shstrndx} {
		le.PutUint16(head[52+2*i:], v)
	}
	return out, nil
}

// countSymbols returns the number of dynamic symbols by the hash tables of a library of ELF32.
func countSymbols(sysv, gnu []byte) uint64 {
	if len(sysv) >= 8 {
		return uint64(le.Uint32(sysv[4:]))
	}
	if len(gnu) < 16 {
		return 0
	}
	buckets, first, words := uint64(le.Uint32(gnu)), uint64(le.Uint32(gnu[4:])), uint64(le.Uint32(gnu[8:]))
	if !inRange(16+4*words, 4*buckets, uint64(len(gnu))) {
		return 0
	}
	heads, chains := gnu[16+4*words:][:4*buckets], gnu[16+4*words+4*buckets:]
	last := uint64(0)
	for ; len(heads) > 0; heads = heads[4:] {
		last = max(last, uint64(le.Uint32(heads)))
	}
	if last < first {
		return first
	}
	for ; (last-first)*4+4 <= uint64(len(chains)); last++ {
		if le.Uint32(chains[(last-first)*4:])&1 != 0 {
			return last + 1
		}
	}
	return math.MaxUint64
}

// hashTable makes a SysV hash table of ELF64 symbols.
func hashTable(syms, strs []byte) []byte {
	n := len(syms) / symSize
	buckets := max(1, n)
	b := make([]byte, 4*(2+buckets+n))
	le.PutUint32(b, uint32(buckets))
	le.PutUint32(b[4:], uint32(n))
	heads, chains := b[8:8+4*buckets], b[8+4*buckets:]
	for i := 1; i < n; i++ {
		name, _ := cstr(strs, uint64(le.Uint32(syms[i*symSize:])))
		h := elf.SysVHash(string(name)) % uint32(buckets)
		copy(chains[4*i:][:4], heads[4*h:])
		le.PutUint32(heads[4*h:], uint32(i))
	}
	return b
}
