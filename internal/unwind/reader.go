package unwind

import (
	"encoding/binary"

	"weld/image/elf"
)

// reader reads values from b, which lies at vaddr at. What is not there is 0, and bad is set then.
type reader struct {
	b   []byte
	off int
	at  uint64
	bad bool
}

func (r *reader) more() bool { return !r.bad && r.off < len(r.b) }

func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.b)-r.off) {
		r.bad = true
		return nil
	}
	b := r.b[r.off : r.off+int(n)]
	r.off += int(n)
	return b
}

// fixed reads a little-endian number of n bytes.
func (r *reader) fixed(n uint64) uint64 {
	b := r.take(n)
	if b == nil {
		return 0
	}
	var w [8]byte
	copy(w[:], b)
	return binary.LittleEndian.Uint64(w[:])
}

// signed is fixed with the sign extended.
func (r *reader) signed(n uint64) uint64 {
	shift := 64 - 8*n
	return uint64(int64(r.fixed(n)<<shift) >> shift)
}

func (r *reader) uleb() uint64 { return r.leb(false) }
func (r *reader) sleb() int64  { return int64(r.leb(true)) }

func (r *reader) leb(signed bool) uint64 {
	var v uint64
	for shift := uint(0); shift < 64; shift += 7 {
		b := r.take(1)
		if b == nil {
			return 0
		}
		v |= uint64(b[0]&0x7f) << shift
		if b[0]&0x80 == 0 {
			if signed && b[0]&0x40 != 0 && shift+7 < 64 {
				v |= ^uint64(0) << (shift + 7)
			}
			return v
		}
	}
	r.bad = true
	return 0
}

// pointer reads a pointer of an encoding (LSB, "DWARF Exception Header Encoding") without following an indirect one.
func (r *reader) pointer(enc uint8) uint64 {
	if enc == elf.DW_EH_PE_omit {
		return 0
	}
	base := uint64(0)
	switch enc & 0x70 {
	case 0:
	case elf.DW_EH_PE_pcrel:
		base = r.at + uint64(r.off)
	default:
		r.bad = true // datarel and the others are not used in .eh_frame of x86-64
	}
	switch enc & 0x0f {
	case elf.DW_EH_PE_absptr, elf.DW_EH_PE_udata8, elf.DW_EH_PE_sdata8:
		return base + r.fixed(8)
	case elf.DW_EH_PE_udata4:
		return base + r.fixed(4)
	case elf.DW_EH_PE_sdata4:
		return base + r.signed(4)
	case elf.DW_EH_PE_udata2:
		return base + r.fixed(2)
	case elf.DW_EH_PE_sdata2:
		return base + r.signed(2)
	case elf.DW_EH_PE_uleb128:
		return base + r.uleb()
	case elf.DW_EH_PE_sleb128:
		return base + uint64(r.sleb())
	}
	r.bad = true
	return 0
}
