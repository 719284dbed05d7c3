package link

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"weld/image/elf"
)

// maxAlign bounds the alignment of a section or a common symbol.
const maxAlign = 1 << 30

// maxSection bounds the size of a section in memory.
const maxSection = 1 << 40

// A section is a section of an object. It holds no pointers: there are many.
type section struct {
	name    uint32 // offset in the object's section name table
	typ     uint32
	flags   uint32
	link    uint32
	info    uint32
	rel     uint32 // the section of its relocations, 0 for none
	out     int32  // index of the output section, or outNone
	extra   int32  // for merged and .eh_frame sections the index of what is known of them, else -1
	dynAt   uint32 // index of its first dynamic relocation among those of its object that are not relative
	relAt   uint32 // likewise among those that are
	off     uint64 // of the data in the object
	size    uint64
	outOff  uint64 // in the output section
	addr    uint64 // of the first byte in the output; 0 for what has no address
	entsize uint32
	align   uint8 // log2
	state   uint8
	kind    uint8
	class   outClass // of what it becomes part of; found with the content
	live    uint32   // set when --gc-sections has reached it
}

// Values of section.out.
const outNone = -1

// States of a section.
const (
	secDropped uint8 = iota // tables, groups, and what the linker reads itself
	secLive                 // to be linked
	secGroup                // lost to a group of the same signature in another file
	secGC                   // removed by --gc-sections
)

// Kinds of section.
const (
	secPlain  uint8 = iota
	secMerge        // extra is its index in object.merges
	secEh           // extra is its index in object.ehs
	secFolded       // extra is the index in linker.folds of the section that stands for it
	secRelax        // extra is its index in object.relaxes: bytes are taken out of it
)

func (s *section) alloc() bool { return s.flags&shfAlloc != 0 }

// A group is a section group (gABI, "Section Groups").
type group struct {
	sym     uint32      // index of the signature symbol
	id      symID       // of the signature, if that is a global symbol of some file
	name    string      // the signature if that is no global symbol
	members []byte      // indices of sections, 4 bytes each
	sec     uint32      // the section that lists them
	lost    bool        // to a group of the same signature
	out     *outSection // that of a combined object
}

// An object is a relocatable object.
type object struct {
	name  string // a path, or archive(member)
	data  []byte
	pos   uint64 // place on the command line and in an archive: the order of linking
	index int32  // in linker.objs once all are known
	lib   string // base name of the archive it is from

	secs     []section
	shstrtab []byte
	symtab   []byte
	strtab   []byte
	xindex   []byte // SHT_SYMTAB_SHNDX
	nsyms    uint32
	first    uint32 // index of the first global symbol
	groups   []group

	names    nameBin
	aliases  map[uint32]string // global symbols that go by another name: --wrap, name@@version
	versions map[uint32]string // versions of symbols defined as name@version and name@@version

	merges   []mergeInput
	ehs      []ehInput
	localIDs map[uint32]symID // local symbols that need a place in a table
	values   []uint64         // of the symbols, once there are addresses: see findValues

	features   uint32 // GNU_PROPERTY_X86_FEATURE_1_AND
	isaNeeded  uint32
	execStack  bool   // .note.GNU-stack asks for it
	stackNote  bool   // there is a .note.GNU-stack
	ir         uint8  // what it has of intermediate code
	compiled   bool   // a plugin has made it
	ndyn       uint32 // dynamic relocations of its sections that are not relative
	nrelative  uint32 // and those that are
	dynBase    uint32 // index of the first of each in the output
	relBase    uint32
	inflated   map[uint32][]byte
	linkOnce   []uint32 // .gnu.linkonce sections
	cNames     []uint32 // sections whose name is a C identifier
	lines      lineTable
	relaxes    []relaxSec
	eflags     uint32
	attributes uint32 // the section of attributes of the processor, 0 for none
	relrs      []relrRef
	mi         *machineInfo
}

func (o *object) err(kind error, place, format string, args ...any) error {
	return fileErr(kind, o.name, place, format, args...)
}

// parse reads the headers, the symbol table and the groups of o.data.
func (o *object) parse(l *linker) error {
	if isBitcode(o.data) {
		o.ir = irOnly
		return nil
	}
	h, err := parseHeader(o.name, o.data)
	if err != nil {
		return err
	}
	if err := l.checkMachine(o.name, &h); err != nil {
		return err
	}
	o.mi, o.eflags = l.mi, h.Flags
	if h.Type != elf.ET_REL {
		return o.err(ErrFormat, "", "it is %s, wanted ET_REL", h.Type)
	}
	if err := o.parseSections(l, h); err != nil {
		return err
	}
	if err := o.parseSymtab(); err != nil {
		return err
	}
	if err := o.parseContents(l); err != nil {
		return err
	}
	return o.parseNames(l)
}

func (o *object) parseSections(l *linker, h elf.Header) error {
	size := uint64(len(o.data))
	if h.Shoff == 0 {
		return nil
	}
	c := o.mi.class
	shdrSize := c.shdr
	if uint64(h.Shentsize) != shdrSize {
		return o.err(ErrFormat, "ELF header", "e_shentsize is %d, wanted %d", h.Shentsize, shdrSize)
	}
	if !inRange(h.Shoff, shdrSize, size) {
		return o.err(ErrTruncated, "ELF header", "the section headers at %#x are past the end of the file at %#x", h.Shoff, size)
	}
	table := o.data[h.Shoff:]
	n, strndx := uint64(h.Shnum), uint32(h.Shstrndx)
	if n == 0 {
		n = c.decodeShdr(table).size
	}
	if strndx == shnXindex {
		strndx = c.decodeShdr(table).link
	}
	if n > uint64(len(table))/shdrSize {
		return o.err(ErrTruncated, "ELF header", "%d section headers at %#x extend past the end of the file at %#x", n, h.Shoff, size)
	}
	o.secs = tableOf[section](&l.mem, int(n))
	for i := range o.secs {
		h := c.decodeShdr(table[uint64(i)*shdrSize:])
		s := &o.secs[i]
		*s = section{
			name: h.name, typ: h.typ, flags: uint32(h.flags), off: h.off, size: h.size, link: h.link, info: h.info,
			out: outNone, extra: -1,
		}
		if i == 0 {
			s.size = 0
			continue
		}
		if s.typ != shtNobits && s.typ != shtNull && !inRange(s.off, s.size, size) {
			return o.err(ErrTruncated, fmt.Sprintf("section %d", i), "it has %#x bytes at %#x and the file ends at %#x", s.size, s.off, size)
		}
		align, ent := h.align, h.entsize
		if align > maxAlign || align&(align-1) != 0 {
			return o.err(ErrFormat, fmt.Sprintf("section %d", i), "its alignment %#x is not a power of two or more than %#x", align, uint64(maxAlign))
		}
		if s.size > maxSection {
			return o.err(ErrTooLarge, fmt.Sprintf("section %d", i), "its size %#x is more than %#x", s.size, uint64(maxSection))
		}
		if align > 1 {
			s.align = uint8(bits.TrailingZeros64(align))
		}
		s.entsize = uint32(min(ent, 1<<31))
	}
	if strndx != 0 {
		if uint64(strndx) >= n {
			return o.err(ErrFormat, "ELF header", "e_shstrndx is %d, but there are %d sections", strndx, n)
		}
		o.shstrtab = o.bytes(strndx)
	}
	left := o.maxNames()
	for i := range o.secs {
		name, ok := cstr(o.shstrtab, uint64(o.secs[i].name))
		if left -= int64(len(name)); left < 0 {
			return o.err(ErrTooLarge, "", "the names of its sections have more than %d bytes", o.maxNames())
		}
		if !ok && (len(o.shstrtab) > 0 || o.secs[i].name != 0) {
			return o.err(ErrFormat, fmt.Sprintf("section %d", i), "its name at %#x is not in the table of %#x bytes", o.secs[i].name, len(o.shstrtab))
		}
	}
	return nil
}

// bytes returns the data of a section as it stands in the file.
func (o *object) bytes(i uint32) []byte {
	s := &o.secs[i]
	if s.typ == shtNobits || s.typ == shtNull {
		return nil
	}
	if d, ok := o.inflated[i]; ok {
		return d
	}
	size := s.size
	if s.kind == secRelax {
		size = o.relaxes[s.extra].size
	}
	return o.data[s.off : s.off+size : s.off+size]
}

// secName returns the name of a section.
func (o *object) secName(i uint32) string {
	b, _ := cstr(o.shstrtab, uint64(o.secs[i].name))
	return viewString(b)
}

// place names a section in a message.
func (o *object) place(i uint32) string {
	if n := o.secName(i); n != "" {
		return "section " + n
	}
	return fmt.Sprintf("section %d", i)
}

// symPlace returns the section, as esym has it, and the type of symbol i.
func (o *object) symPlace(i uint32) (shndx uint32, typ elf.SymType) {
	b := o.symtab[uint64(i)*symSize:][:symSize]
	if shndx = uint32(le.Uint16(b[6:])); shndx >= 0xff00 {
		shndx = o.wideSection(i, shndx)
	}
	return shndx, elf.SymType(b[4] & 15)
}

// symValue returns the value of symbol i.
func (o *object) symValue(i uint32) uint64 { return le.Uint64(o.symtab[uint64(i)*symSize+8:]) }

// wideSection returns the section, as esym has it, of symbol i, in whose table it is special.
func (o *object) wideSection(i, shndx uint32) uint32 {
	if shndx != shnXindex {
		return shndx | shnBase
	}
	if x := uint64(i) * 4; x+4 <= uint64(len(o.xindex)) {
		return min(le.Uint32(o.xindex[x:]), shnBase-1)
	}
	return shnBase - 1 // no section has it
}

// parseContents looks through the sections: relocations, groups, and those that say something about the file.
func (o *object) parseContents(l *linker) error {
	isLTO, hasCode := false, false
	groups := 0
	for i := range o.secs {
		if o.secs[i].typ == shtGroup {
			groups++
		}
	}
	o.groups = slices.Grow(o.groups, groups)
	for i := range o.secs {
		s := &o.secs[i]
		if i == 0 {
			continue
		}
		switch s.typ {
		case shtNull, shtSymtab, shtStrtab, shtSymtabShndx, shtLLVMAddrsig:
			continue
		case shtRel, shtRela:
			if s.info == 0 {
				continue
			}
			entry := uint64(relaSize)
			if l.mi.rel {
				entry = relSize32
			}
			if s.typ != l.relType() {
				if uint64(s.info) < uint64(len(o.secs)) && s.size > 0 {
					return o.err(ErrFormat, o.place(uint32(i)), "relocations of type %s, which %s does not have", elf.SectionType(s.typ), l.mi.em.Arch())
				}
				continue
			}
			if uint64(s.info) >= uint64(len(o.secs)) {
				return o.err(ErrFormat, o.place(uint32(i)), "it is for section %d of %d", s.info, len(o.secs))
			}
			if s.size%entry != 0 || s.size/entry >= 1<<31 {
				return o.err(ErrFormat, o.place(uint32(i)), "the size %#x is no multiple of %d or too large", s.size, entry)
			}
			t := &o.secs[s.info]
			if t.rel != 0 {
				return o.err(ErrFormat, o.place(uint32(i)), "a second table of relocations for section %d", s.info)
			}
			t.rel = uint32(i)
			continue
		case shtGroup:
			if err := o.parseGroup(uint32(i)); err != nil {
				return err
			}
			continue
		}
		if s.typ == shtRISCVAttributes && o.mi.em == elf.EM_RISCV {
			o.attributes = uint32(i)
			continue
		}
		name := o.secName(uint32(i))
		if strings.HasPrefix(name, ".gnu.") {
			if strings.HasPrefix(name, ".gnu.lto_") || name == ".gnu.debuglto_" {
				isLTO = true
				if !o.compiled || l.opt.Mode != Relocatable {
					continue
				}
			}
			if strings.HasPrefix(name, ".gnu.linkonce.") {
				o.linkOnce = append(o.linkOnce, uint32(i))
			}
			if strings.HasPrefix(name, ".gnu.warning.") {
				continue
			}
		}
		if name == ".note.GNU-stack" {
			o.stackNote = true
			o.execStack = s.flags&shfExec != 0
			continue
		}
		if name == ".note.gnu.property" {
			o.parseProperties(o.bytes(uint32(i)), l.mi)
			continue
		}
		if s.flags&shfExclude != 0 && s.flags&shfAlloc == 0 && !(o.compiled && l.opt.Mode == Relocatable) {
			continue
		}
		if s.flags&shfAlloc != 0 && s.size > 0 {
			hasCode = true
		}
		if s.flags&shfAlloc == 0 && l.opt.Strip != StripNone && isDebug(name) {
			continue
		}
		if s.flags&shfCompressed != 0 {
			if err := o.inflate(uint32(i)); err != nil {
				return err
			}
		}
		s.state, s.class = secLive, classOf(name, s.flags)
		if s.alloc() && cIdentifier(name) {
			o.cNames = append(o.cNames, uint32(i))
		}
	}
	if isLTO {
		o.ir = irFat
		if !hasCode {
			o.ir = irOnly
		}
	}
	if l.mi.rel {
		o.widenAllRelocs(l)
	}
	return nil
}

func isDebug(name string) bool {
	return strings.HasPrefix(name, ".debug") || strings.HasPrefix(name, ".zdebug") || strings.HasPrefix(name, ".gdb_index") ||
		strings.HasPrefix(name, ".stab") || name == ".line" || strings.HasPrefix(name, ".gnu.debuglto_")
}

func (o *object) parseGroup(i uint32) error {
	s := &o.secs[i]
	b := o.bytes(i)
	if len(b) < 4 || len(b)%4 != 0 {
		return o.err(ErrFormat, fmt.Sprintf("section %d", i), "a section group of %#x bytes", len(b))
	}
	for m := b[4:]; len(m) > 0; m = m[4:] {
		if k := le.Uint32(m); k == 0 || k >= uint32(len(o.secs)) {
			return o.err(ErrFormat, fmt.Sprintf("section %d", i), "section %d of %d is in a section group", k, len(o.secs))
		}
	}
	if s.info >= o.nsyms {
		return o.err(ErrFormat, fmt.Sprintf("section %d", i), "the signature of a section group is symbol %d of %d", s.info, o.nsyms)
	}
	if le.Uint32(b)&grpComdat == 0 {
		return nil
	}
	g := group{sym: s.info, members: b[4:], sec: i}
	if s.info < o.first {
		g.name = o.symName(s.info)
	}
	o.groups = append(o.groups, g)
	return nil
}

// relas returns the relocations of a section as they stand in the file.
func (o *object) relas(i uint32) []byte {
	if r := o.secs[i].rel; r != 0 {
		return o.bytes(r)
	}
	return nil
}
