package elf

import (
	"bytes"
	"io"
)

// Section is a section header.
type Section struct {
	Name      string
	Type      SectionType
	Flags     SectionFlag
	Addr      uint64
	Off       uint64
	Size      uint64
	Link      uint32
	Info      uint32
	Addralign uint64
	Entsize   uint64
}

// Compressed reports whether the section's data begins with an Elf64_Chdr.
func (s *Section) Compressed() bool { return s.Flags&SHF_COMPRESSED != 0 }

// Sections returns the section headers, read when first asked for; nil for
// a file without any and for a loaded image. The slice is not to be changed.
func (f *File) Sections() ([]Section, error) {
	f.sectOnce.Do(func() { f.sections, f.sectErr = f.parseSections() })
	return f.sections, f.sectErr
}

func (f *File) parseSections() ([]Section, error) {
	if f.loaded || f.Shoff == 0 {
		return nil, nil
	}
	_, sections, err := ReadSections(f.Name, bytes.NewReader(f.data), int64(len(f.data)))
	return sections, err
}

// decodeSections decodes a table of section headers. The names are offsets in the string table.
func decodeSections(table []byte) (sections []Section, names []uint32) {
	n := len(table) / shdrSize
	sections, names = make([]Section, n), make([]uint32, n)
	for i := range sections {
		b := table[i*shdrSize:][:shdrSize]
		names[i] = le.Uint32(b)
		sections[i] = Section{
			Type:      SectionType(le.Uint32(b[4:])),
			Flags:     SectionFlag(le.Uint64(b[8:])),
			Addr:      le.Uint64(b[16:]),
			Off:       le.Uint64(b[24:]),
			Size:      le.Uint64(b[32:]),
			Link:      le.Uint32(b[40:]),
			Info:      le.Uint32(b[44:]),
			Addralign: le.Uint64(b[48:]),
			Entsize:   le.Uint64(b[56:]),
		}
	}
	return sections, names
}

// nameSections gives the sections of the file, whose table is at shoff, their names out of strs.
func nameSections(file string, shoff uint64, sections []Section, names []uint32, strs []byte) error {
	interned := make(map[uint32]string)
	budget := 4*len(strs) + maxName
	for i, off := range names {
		s, ok := interned[off]
		if !ok {
			b := cstring(strs, uint64(off), maxName)
			if b == nil {
				return errOff(file, nil, shoff+uint64(i)*shdrSize, "the name of section %d, %#x, is outside the string table (%#x bytes) or longer than %#x", i, off, len(strs), maxName)
			}
			if budget -= len(b); budget < 0 {
				return errOff(file, ErrTooLarge, shoff, "the section names add up to more than four times their string table")
			}
			s = string(b)
			interned[off] = s
		}
		sections[i].Name = s
	}
	return nil
}

// ReadSections reads the ELF header and the section headers, with their names,
// of the file of size bytes in r, and nothing else: what is needed of a file of
// debugging information, whose program headers speak of what is not in it. It
// takes little-endian ELF64 of any machine and type. Errors of r are wrapped
// with the name, others are a *FormatError.
func ReadSections(name string, r io.ReaderAt, size int64) (Header, []Section, error) {
	if err := checkSize(name, size); err != nil {
		return Header{}, nil, err
	}
	buf := make([]byte, min(size, ehdrSize))
	if err := readFull(name, r, buf, 0, size); err != nil {
		return Header{}, nil, err
	}
	h, err := ParseHeader(name, buf)
	if err == nil {
		err = h.check(name, buf)
	}
	if err != nil || h.Shoff == 0 {
		return h, nil, err
	}
	if h.Shentsize != shdrSize {
		return h, nil, errOff(name, nil, 58, "e_shentsize is %d, wanted %d", h.Shentsize, shdrSize)
	}
	if h.Shoff > uint64(size) || uint64(size)-h.Shoff < shdrSize {
		return h, nil, errOff(name, ErrTruncated, h.Shoff, "the section headers are past the end of the file at %#x", size)
	}
	first := make([]byte, shdrSize)
	if err := readFull(name, r, first, int64(h.Shoff), size); err != nil {
		return h, nil, err
	}
	n, strndx := uint64(h.Shnum), uint32(h.Shstrndx)
	if n == 0 {
		n = le.Uint64(first[32:])
	}
	if h.Shstrndx == SHN_XINDEX {
		strndx = le.Uint32(first[40:])
	}
	if (uint64(size)-h.Shoff)/shdrSize < n {
		return h, nil, errOff(name, ErrTruncated, h.Shoff, "%d section headers of %d bytes extend past the end of the file at %#x", n, shdrSize, size)
	}
	table := make([]byte, n*shdrSize)
	if err := readFull(name, r, table, int64(h.Shoff), size); err != nil {
		return h, nil, err
	}
	sections, names := decodeSections(table)
	if strndx == 0 {
		return h, sections, nil
	}
	if uint64(strndx) >= n {
		return h, nil, errOff(name, nil, 62, "e_shstrndx is %d, but there are %d sections", strndx, n)
	}
	s := &sections[strndx]
	if s.Off > uint64(size) || s.Size > uint64(size)-s.Off || s.Type == SHT_NOBITS {
		return h, nil, errOff(name, ErrTruncated, s.Off, "the section names, %#x bytes, extend past the end of the file at %#x", s.Size, size)
	}
	strs := make([]byte, s.Size)
	if err := readFull(name, r, strs, int64(s.Off), size); err != nil {
		return h, nil, err
	}
	if err := nameSections(name, h.Shoff, sections, names, strs); err != nil {
		return h, nil, err
	}
	return h, sections, nil
}

// SectionData returns the data of a section as it stands in the file, without
// copying or decompressing it; nil for SHT_NOBITS and SHT_NULL.
func (f *File) SectionData(s *Section) ([]byte, error) {
	if s.Type == SHT_NOBITS || s.Type == SHT_NULL {
		return nil, nil
	}
	size := uint64(len(f.data))
	if s.Off > size || s.Size > size-s.Off {
		return nil, errOff(f.Name, ErrTruncated, s.Off, "section %q of %#x bytes extends past the end of the file at %#x", s.Name, s.Size, size)
	}
	return f.data[s.Off : s.Off+s.Size : s.Off+s.Size], nil
}

// SymtabSymbols returns the symbol table of section .symtab, which debuggers
// use; an empty table if there is none.
func (f *File) SymtabSymbols() (SymTable, error) {
	sections, err := f.Sections()
	if err != nil {
		return SymTable{}, err
	}
	for i := range sections {
		s := &sections[i]
		if s.Type != SHT_SYMTAB {
			continue
		}
		if s.Entsize != symSize || s.Size%symSize != 0 {
			return SymTable{}, errOff(f.Name, nil, s.Off, "section %q of %#x bytes has entries of %d, wanted %d", s.Name, s.Size, s.Entsize, symSize)
		}
		if uint64(s.Link) >= uint64(len(sections)) || sections[s.Link].Type != SHT_STRTAB {
			return SymTable{}, errOff(f.Name, nil, s.Off, "section %q names section %d as its string table, which is none", s.Name, s.Link)
		}
		syms, err := f.SectionData(s)
		if err != nil {
			return SymTable{}, err
		}
		strs, err := f.SectionData(&sections[s.Link])
		if err != nil {
			return SymTable{}, err
		}
		return SymTable{syms, strs}, nil
	}
	return SymTable{}, nil
}

// FindSymtabSymbol is FindSymbol for the symbols of .symtab. It returns the
// name too, as that stands in a string table of its own.
func (f *File) FindSymtabSymbol(vaddr uint64) (s Sym, name string, ok bool) {
	t, err := f.SymtabSymbols()
	if err != nil {
		return Sym{}, "", false
	}
	_, s, ok = t.Find(vaddr)
	return s, t.Name(s), ok
}
