package link

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"

	"weld/image/elf"
)

// A machine is what the linker has to know of a processor: its relocations, stubs and tables. Methods are called once for a
// table of relocations or a part of the output, never for each relocation.
type machine interface {
	info() *machineInfo
	// relocName returns the name of a relocation type, relocSize how many bytes it changes, with false for types that are not
	// for objects.
	relocName(typ uint32) string
	relocSize(typ uint32) (uint64, bool)
	// scan finds what relocations of a loaded section need, apply does them, and applyDebug does those of a section that is
	// not loaded.
	scan(sc *scanner, rels []byte)
	apply(a *applier, rels []byte)
	applyDebug(a *applier, rels []byte)
	// pltSizes returns the sizes of the first entry of .plt, of the others, and of a stub that jumps through .got.
	pltSizes(l *linker) (header, entry, stub uint64)
	// writePlt writes .plt, writeStubs .plt.got. lazySlot is what slot i of .got.plt holds at first.
	writePlt(l *linker, buf []byte) error
	writeStubs(l *linker, buf []byte) error
	lazySlot(l *linker, i int) uint64
}

// A machineInfo is the constants of a machine.
type machineInfo struct {
	em          elf.Machine
	class       *elfClass
	rel         bool     // relocations have their addend in the place that they change (SHT_REL)
	emulation   string   // GNU ld's name, for -m
	formats     []string // of OUTPUT_FORMAT
	page        uint64   // the default of max-page-size
	base        uint64   // where an executable of fixed address begins
	interpreter string   // the C library's run-time linker
	// separateCode is set where headers and read-only data are not in the segment of the code by default.
	separateCode bool
	// Reserved words of .got and .got.plt; the first one that there is holds the address of .dynamic. _GLOBAL_OFFSET_TABLE_
	// is the start of .got if that has such words, else of .got.plt.
	gotHeader, gotPltHeader uint64
	variantI                bool   // thread-local storage follows the thread pointer, after tcb bytes
	tcb                     uint64 // size of what lies between
	moduleTP                bool   // in executables offsets of the local dynamic model are from the thread pointer
	dtpBias                 uint64 // what is taken off offsets from the start of a module's thread-local storage
	abs32, abs64            uint32 // types of the relocations that store an address, 0 for none
	values                  bool   // scan uses scanner.plain, and apply object.values
	feature                 uint32 // the property whose bits all objects must have; 0 for none
	featureMask             uint32 // the bits that are known
	dyn                     dynTypes
}

// A fileMerger is a machine whose objects say in their headers or a section what processor they need.
type fileMerger interface {
	mergeFlags(l *linker) error
	mergeAttributes(l *linker) error
}

// mergeFiles makes what the output says of the processor it needs.
func (l *linker) mergeFiles() error {
	m, ok := l.mach.(fileMerger)
	if !ok {
		return nil
	}
	if err := m.mergeFlags(l); err != nil {
		return err
	}
	return m.mergeAttributes(l)
}

// A dynamicAdder is a machine with entries of its own in .dynamic.
type dynamicAdder interface {
	dynamicEntries(l *linker, add func(tag elf.DynTag, v uint64))
}

// dynTypes are the types of dynamic relocations.
type dynTypes struct {
	symbolic, relative, globDat, jumpSlot, copy, irelative, tpoff, dtpmod, dtpoff, tlsdesc uint32
}

// machines are all that there are.
var machines = []machine{x8664{}, aarch64{}, riscv64{}, i386{}}

// DefaultInterpreter in Options.Interpreter is the run-time linker of the processor's usual C library.
const DefaultInterpreter = "default"

// Emulations returns GNU ld's names of the processors that can be linked for, as its option -m takes them.
func Emulations() []string {
	var list []string
	for _, m := range machines {
		list = append(list, m.info().emulation)
	}
	return list
}

// Emulation returns the processor of one of GNU ld's names for it: an emulation, such as elf_x86_64, or a format, such as
// elf64-x86-64.
func Emulation(name string) (elf.Machine, bool) {
	for _, m := range machines {
		if i := m.info(); name == i.emulation || slices.Contains(i.formats, name) {
			return i.em, true
		}
	}
	return elf.EM_NONE, false
}

// Formats returns GNU ld's names of the formats that can be linked.
func Formats() []string {
	var list []string
	for _, m := range machines {
		list = append(list, m.info().formats[0])
	}
	return list
}

// machineOf returns the machine of a file, or nil.
func machineOf(em elf.Machine, class elf.Class) machine {
	for _, m := range machines {
		if i := m.info(); i.em == em && i.class.id == class {
			return m
		}
	}
	return nil
}

// addressWidth returns the size of the address that a relocation stores, or 0 if it stores something else.
func (i *machineInfo) addressWidth(typ uint32) uint64 {
	switch {
	case typ == 0:
	case typ == i.abs64:
		return 8
	case typ == i.abs32:
		return 4
	}
	return 0
}

// setMachine makes m what is linked for.
func (l *linker) setMachine(m machine) {
	l.mach, l.mi = m, m.info()
	l.class = l.mi.class
	l.relSize = l.class.rela
	if l.mi.rel {
		l.relSize = l.class.rel
	}
	if l.page == 0 {
		l.page = l.mi.page
	}
}

// checkMachine refuses a file of another machine than the others.
func (l *linker) checkMachine(name string, h *elf.Header) error {
	m := machineOf(h.Machine, h.Class)
	if m != nil && m == l.mach && h.Data == elf.ELFDATA2LSB {
		return nil
	}
	is := h.Machine.Arch() + " (" + h.Machine.String()
	if m == nil {
		is += ", " + h.Class.String() + ", " + h.Data.String()
	}
	if l.mach == nil {
		return fileErr(ErrMachine, name, "", "it is for %s), which cannot be linked", is)
	}
	by := "-m " + l.mi.emulation
	if l.machineFile != "" {
		by = l.machineFile
	}
	return fileErr(ErrMachine, name, "", "it is for %s), wanted %s like %s", is, l.mi.em.Arch(), by)
}

// checkHeader checks the ELF header of a file that is to be linked. The first file decides on the machine.
func (l *linker) checkHeader(name string, data []byte) (elf.Header, error) {
	h, err := parseHeader(name, data)
	if err != nil {
		return h, err
	}
	if m := machineOf(h.Machine, h.Class); l.mach == nil && m != nil && h.Data == elf.ELFDATA2LSB {
		l.machineFile = name
		l.setMachine(m)
	}
	return h, l.checkMachine(name, &h)
}

// parseHeader reads the ELF header of an input.
func parseHeader(name string, data []byte) (elf.Header, error) {
	h, err := elf.ParseHeader(name, data)
	if err != nil {
		kind := err
		if errors.Is(err, elf.ErrTruncated) {
			kind = ErrTruncated
		}
		return h, &FileError{File: name, What: strings.TrimPrefix(err.Error(), name+": "), Kind: kind}
	}
	return h, nil
}

// checkArchive takes the machine from the first object of an archive if nothing has said it before.
func (l *linker) checkArchive(a *archive) error {
	if l.mach != nil || a.first >= uint64(len(a.data)) {
		return nil
	}
	m, _, err := a.member(a.first)
	if err == nil && a.thin {
		src, oerr := l.open(a.thinPath(m.name))
		if oerr != nil {
			return oerr
		}
		l.sources = append(l.sources, src)
		m.data = src.data
	}
	if err != nil || !bytes.HasPrefix(m.data, []byte("\x7fELF")) {
		return nil // what is wrong is said when members are read
	}
	_, err = l.checkHeader(a.name+"("+m.name+")", m.data)
	return err
}

// checkFormats refuses a linker script for another machine.
func (l *linker) checkFormats(s *linkScript) error {
	for _, f := range s.formats {
		first, _, _ := strings.Cut(f.names, ",")
		if l.mach == nil {
			for _, m := range machines {
				if slices.Contains(m.info().formats, first) {
					l.setMachine(m)
					l.machineFile = s.name
				}
			}
		}
		if l.mach == nil || !slices.Contains(l.mi.formats, first) {
			want := "the format of a processor that can be linked for"
			if l.mach != nil {
				want = l.mi.formats[0]
			}
			return fileErr(ErrMachine, s.name, "line "+strconv.Itoa(f.line), "OUTPUT_FORMAT(%s), wanted %s", f.names, want)
		}
	}
	return nil
}

// An elfClass is the sizes of the structures of the output. Inputs of ELFCLASS32 are widened when they are read.
type elfClass struct {
	id                                          elf.Class
	ehdr, phdr, shdr, sym, rel, rela, dyn, word uint64
}

var (
	class64 = &elfClass{elf.ELFCLASS64, 64, 56, 64, 24, 16, 24, 16, 8}
	class32 = &elfClass{elf.ELFCLASS32, 52, 32, 40, 16, 8, 12, 8, 4}
)

// putWord stores an address.
func (c *elfClass) putWord(b []byte, v uint64) {
	if c.word == 8 {
		le.PutUint64(b, v)
	} else {
		le.PutUint32(b, uint32(v))
	}
}

// getWord reads an address.
func (c *elfClass) getWord(b []byte) uint64 {
	if c.word == 8 {
		return le.Uint64(b)
	}
	return uint64(le.Uint32(b))
}

// putSym stores a symbol table entry.
func (c *elfClass) putSym(b []byte, name uint32, info, other uint8, shndx uint16, value, size uint64) {
	le.PutUint32(b, name)
	if c.word == 8 {
		_ = b[23]
		b[4], b[5] = info, other
		le.PutUint16(b[6:], shndx)
		le.PutUint64(b[8:], value)
		le.PutUint64(b[16:], size)
		return
	}
	_ = b[15]
	le.PutUint32(b[4:], uint32(value))
	le.PutUint32(b[8:], uint32(size))
	b[12], b[13] = info, other
	le.PutUint16(b[14:], shndx)
}

// putProg stores a program header.
func (c *elfClass) putProg(b []byte, s *segment) {
	le.PutUint32(b, uint32(s.typ))
	if c.word == 8 {
		_ = b[55]
		le.PutUint32(b[4:], uint32(s.flags))
		le.PutUint64(b[8:], s.off)
		le.PutUint64(b[16:], s.addr)
		le.PutUint64(b[24:], s.addr)
		le.PutUint64(b[32:], s.filesz)
		le.PutUint64(b[40:], s.memsz)
		le.PutUint64(b[48:], s.align)
		return
	}
	_ = b[31]
	le.PutUint32(b[4:], uint32(s.off))
	le.PutUint32(b[8:], uint32(s.addr))
	le.PutUint32(b[12:], uint32(s.addr))
	le.PutUint32(b[16:], uint32(s.filesz))
	le.PutUint32(b[20:], uint32(s.memsz))
	le.PutUint32(b[24:], uint32(s.flags))
	le.PutUint32(b[28:], uint32(s.align))
}

// A shdr is a section header.
type shdr struct {
	name, typ              uint32
	flags, addr, off, size uint64
	link, info             uint32
	align, entsize         uint64
}

// putSection stores a section header.
func (c *elfClass) putSection(b []byte, s *shdr) {
	le.PutUint32(b, s.name)
	le.PutUint32(b[4:], s.typ)
	w := c.word
	c.putWord(b[8:], s.flags)
	c.putWord(b[8+w:], s.addr)
	c.putWord(b[8+2*w:], s.off)
	c.putWord(b[8+3*w:], s.size)
	le.PutUint32(b[8+4*w:], s.link)
	le.PutUint32(b[12+4*w:], s.info)
	c.putWord(b[16+4*w:], s.align)
	c.putWord(b[16+5*w:], s.entsize)
}

// putRel stores a relocation of the output. Where it has no addend, the place that it is for has to hold that.
func (l *linker) putRel(b []byte, off uint64, typ, sym uint32, addend int64) {
	if l.class.word == 8 {
		putRela(b, off, typ, sym, addend)
		return
	}
	le.PutUint32(b, uint32(off))
	le.PutUint32(b[4:], sym<<8|typ&0xff)
	if !l.mi.rel {
		le.PutUint32(b[8:], uint32(addend))
	}
}

// getRel reads a relocation of the output.
func (l *linker) getRel(b []byte) rela {
	if l.class.word == 8 {
		return decodeRela(b)
	}
	info := le.Uint32(b[4:])
	r := rela{off: uint64(le.Uint32(b)), typ: info & 0xff, sym: info >> 8}
	if !l.mi.rel {
		r.addend = int64(int32(le.Uint32(b[8:])))
	}
	return r
}

// relSection returns the name and type of a section of relocations of the output.
func (l *linker) relSection(name string) (string, uint32) {
	if l.mi.rel {
		return ".rel" + name, shtRel
	}
	return ".rela" + name, shtRela
}

// relType returns the type of sections of relocations of the output.
func (l *linker) relType() uint32 {
	_, typ := l.relSection("")
	return typ
}
