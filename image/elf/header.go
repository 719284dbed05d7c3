package elf

import (
	"encoding/binary"
)

// le is the byte order of every file that New accepts.
var le = binary.LittleEndian

// Sizes of the ELF64 structures.
const (
	ehdrSize = 64
	phdrSize = 56
	shdrSize = 64
	dynSize  = 16
	symSize  = 24
	relaSize = 24
	relSize  = 16
)

// pnXnum in e_phnum says that the number is in sh_info of section header 0.
const pnXnum = 0xffff

// Header is the ELF header. The fields are widened to those of ELF64.
type Header struct {
	Class      Class
	Data       Data
	OSABI      OSABI
	ABIVersion uint8
	Type       Type
	Machine    Machine
	Version    uint32
	Entry      uint64
	Phoff      uint64
	Shoff      uint64
	Flags      uint32
	Ehsize     uint16
	Phentsize  uint16
	Phnum      uint16
	Shentsize  uint16
	Shnum      uint16
	Shstrndx   uint16
}

// ParseHeader decodes the ELF header at the start of data, of either class
// and byte order. It serves to pass over files of another machine in a
// search path; 64 bytes are enough for every class. The error is a
// *FormatError of kind ErrNotELF, ErrLinkerScript, ErrTruncated, ErrClass or
// ErrByteOrder; the last two are given only for values that the gABI does not
// define.
func ParseHeader(name string, data []byte) (Header, error) {
	var h Header
	if len(data) < 4 || string(data[:4]) != elfMagic {
		return h, notELF(name, data)
	}
	if len(data) < 16 {
		return h, errOff(name, ErrTruncated, uint64(len(data)), "file ends in e_ident, wanted 16 bytes")
	}
	h.Class, h.Data = Class(data[4]), Data(data[5])
	h.OSABI, h.ABIVersion = OSABI(data[7]), data[8]
	var bo binary.ByteOrder
	switch h.Data {
	case ELFDATA2LSB:
		bo = binary.LittleEndian
	case ELFDATA2MSB:
		bo = binary.BigEndian
	default:
		return h, errOff(name, ErrByteOrder, 5, "unknown byte order %v", h.Data)
	}
	size := ehdrSize
	switch h.Class {
	case ELFCLASS64:
	case ELFCLASS32:
		size = 52
	default:
		return h, errOff(name, ErrClass, 4, "unknown class %v", h.Class)
	}
	if len(data) < size {
		return h, errOff(name, ErrTruncated, uint64(len(data)), "file ends in the ELF header, wanted %d bytes", size)
	}
	h.Type = Type(bo.Uint16(data[16:]))
	h.Machine = Machine(bo.Uint16(data[18:]))
	h.Version = bo.Uint32(data[20:])
	rest := data[52:]
	if h.Class == ELFCLASS64 {
		h.Entry, h.Phoff, h.Shoff = bo.Uint64(data[24:]), bo.Uint64(data[32:]), bo.Uint64(data[40:])
		h.Flags = bo.Uint32(data[48:])
	} else {
		h.Entry, h.Phoff, h.Shoff = uint64(bo.Uint32(data[24:])), uint64(bo.Uint32(data[28:])), uint64(bo.Uint32(data[32:]))
		h.Flags = bo.Uint32(data[36:])
		rest = data[40:]
	}
	h.Ehsize = bo.Uint16(rest[0:])
	h.Phentsize, h.Phnum = bo.Uint16(rest[2:]), bo.Uint16(rest[4:])
	h.Shentsize, h.Shnum, h.Shstrndx = bo.Uint16(rest[6:]), bo.Uint16(rest[8:]), bo.Uint16(rest[10:])
	return h, nil
}

// check refuses what New cannot read; data begins with the header.
func (h *Header) check(name string, data []byte) error {
	switch {
	case h.Class != ELFCLASS64:
		return errOff(name, ErrClass, 4, "wrong class %v (machine %s), wanted %v", h.Class, h.Machine.Arch(), ELFCLASS64)
	case h.Data != ELFDATA2LSB:
		return errOff(name, ErrByteOrder, 5, "wrong byte order %v (machine %s), wanted %v", h.Data, h.Machine.Arch(), ELFDATA2LSB)
	case data[6] != 1:
		return errOff(name, nil, 6, "unknown version %d in e_ident, wanted 1", data[6])
	case h.Version != 1:
		return errOff(name, nil, 20, "unknown e_version %d, wanted 1", h.Version)
	}
	return nil
}

// CheckMachine returns a *FormatError of kind ErrMachine when the header is
// not of machine want.
func (f *File) CheckMachine(want Machine) error {
	if f.Machine == want {
		return nil
	}
	return errOff(f.Name, ErrMachine, 18, "wrong machine %s (%v), wanted %s", f.Machine.Arch(), f.Machine, want.Arch())
}

// Prog is a program header.
type Prog struct {
	Type   ProgType
	Flags  ProgFlag
	Off    uint64 // offset in the file
	Vaddr  uint64
	Paddr  uint64
	Filesz uint64
	Memsz  uint64
	Align  uint64
}

// WriteExec reports whether the segment asks to be writable and executable.
func (p *Prog) WriteExec() bool { return p.Flags&(PF_W|PF_X) == PF_W|PF_X }

// parseProgs decodes the program header table of a file.
func parseProgs(name string, data []byte, h *Header) ([]Prog, error) {
	n := uint64(h.Phnum)
	size := uint64(len(data))
	if n == pnXnum {
		if h.Shoff == 0 || h.Shoff > size || size-h.Shoff < shdrSize {
			return nil, errOff(name, ErrTruncated, h.Shoff, "e_phnum is PN_XNUM but section header 0, which has the number, is outside the file")
		}
		n = uint64(le.Uint32(data[h.Shoff+44:]))
	}
	if err := h.checkProgTable(name, n, size); err != nil || n == 0 {
		return nil, err
	}
	return decodeProgs(data[h.Phoff:][:n*phdrSize]), nil
}

// checkProgTable checks that a table of n program headers lies in a file of
// size bytes.
func (h *Header) checkProgTable(name string, n, size uint64) error {
	switch {
	case n == 0:
	case h.Phentsize != phdrSize:
		return errOff(name, nil, 54, "e_phentsize is %d, wanted %d", h.Phentsize, phdrSize)
	case h.Phoff > size || (size-h.Phoff)/phdrSize < n:
		return errOff(name, ErrTruncated, h.Phoff, "%d program headers of %d bytes extend past the end of the file at %#x", n, phdrSize, size)
	}
	return nil
}

func decodeProgs(table []byte) []Prog {
	progs := make([]Prog, len(table)/phdrSize)
	for i := range progs {
		b := table[i*phdrSize:][:phdrSize]
		progs[i] = Prog{
			Type:   ProgType(le.Uint32(b[0:])),
			Flags:  ProgFlag(le.Uint32(b[4:])),
			Off:    le.Uint64(b[8:]),
			Vaddr:  le.Uint64(b[16:]),
			Paddr:  le.Uint64(b[24:]),
			Filesz: le.Uint64(b[32:]),
			Memsz:  le.Uint64(b[40:]),
			Align:  le.Uint64(b[48:]),
		}
	}
	return progs
}
