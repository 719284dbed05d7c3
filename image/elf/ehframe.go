package elf

// Pointer encodings (LSB, "DWARF Exception Header Encoding").
const (
	DW_EH_PE_absptr  = 0x00
	DW_EH_PE_uleb128 = 0x01
	DW_EH_PE_udata2  = 0x02
	DW_EH_PE_udata4  = 0x03
	DW_EH_PE_udata8  = 0x04
	DW_EH_PE_sleb128 = 0x09
	DW_EH_PE_sdata2  = 0x0a
	DW_EH_PE_sdata4  = 0x0b
	DW_EH_PE_sdata8  = 0x0c
	DW_EH_PE_pcrel   = 0x10
	DW_EH_PE_datarel = 0x30
	DW_EH_PE_omit    = 0xff
)

// EhFrameHdr is the header of .eh_frame_hdr (LSB, ".eh_frame_hdr").
type EhFrameHdr struct {
	Version     uint8
	EhFrameEnc  uint8
	FDECountEnc uint8
	TableEnc    uint8
	EhFrame     uint64 // vaddr of .eh_frame; 0 if omitted
	FDECount    uint64 // 0 if omitted
	// Table is the binary search table of pairs of 4-byte offsets from the
	// header; it is empty unless TableEnc is sdata4 and datarel, which is what
	// unwinders search.
	Table Range
}

// HasTable reports whether there is a binary search table.
func (e *EhFrameHdr) HasTable() bool { return e.Table.Size != 0 }

// ParseEhFrameHdr decodes what PT_GNU_EH_FRAME holds. Without one the result
// is zero and the error nil.
func (f *File) ParseEhFrameHdr() (EhFrameHdr, error) {
	var e EhFrameHdr
	p := f.EhFrameHdr
	if p == nil || p.Memsz == 0 {
		return e, nil
	}
	b, ok := f.Bytes(p.Vaddr, p.Memsz)
	if !ok || len(b) < 4 {
		return e, f.errAddr(ErrTruncated, p.Vaddr, "PT_GNU_EH_FRAME of %#x bytes is not inside a PT_LOAD or has no header", p.Memsz)
	}
	e.Version, e.EhFrameEnc, e.FDECountEnc, e.TableEnc = b[0], b[1], b[2], b[3]
	if e.Version != 1 {
		return e, f.errAddr(nil, p.Vaddr, "version %d of .eh_frame_hdr, wanted 1", e.Version)
	}
	r := ehReader{b: b, off: 4, base: p.Vaddr}
	e.EhFrame = r.value(e.EhFrameEnc)
	e.FDECount = r.value(e.FDECountEnc)
	if r.bad {
		return e, f.errAddr(nil, p.Vaddr+uint64(r.off), ".eh_frame_hdr has a value of an unknown encoding (%#x, %#x) or ends in it", e.EhFrameEnc, e.FDECountEnc)
	}
	if e.TableEnc == DW_EH_PE_datarel|DW_EH_PE_sdata4 && e.FDECount != 0 {
		if left := uint64(len(b) - r.off); e.FDECount > left/8 {
			return e, f.errAddr(ErrTruncated, p.Vaddr, ".eh_frame_hdr has a table of %d entries, but only %#x bytes are left for it", e.FDECount, left)
		}
		e.Table = Range{p.Vaddr + uint64(r.off), e.FDECount * 8}
	}
	return e, nil
}

// ehReader reads encoded values from b, which is at base.
type ehReader struct {
	b    []byte
	off  int
	base uint64
	bad  bool
}

func (r *ehReader) take(n int) []byte {
	if r.bad || len(r.b)-r.off < n {
		r.bad = true
		return nil
	}
	r.off += n
	return r.b[r.off-n : r.off]
}

// value reads a value of encoding enc; 0 when it is omitted.
func (r *ehReader) value(enc uint8) uint64 {
	if enc == DW_EH_PE_omit {
		return 0
	}
	at := r.base + uint64(r.off)
	var v uint64
	switch enc & 0x0f {
	case DW_EH_PE_absptr, DW_EH_PE_udata8, DW_EH_PE_sdata8:
		if b := r.take(8); b != nil {
			v = le.Uint64(b)
		}
	case DW_EH_PE_udata4:
		if b := r.take(4); b != nil {
			v = uint64(le.Uint32(b))
		}
	case DW_EH_PE_sdata4:
		if b := r.take(4); b != nil {
			v = uint64(int64(int32(le.Uint32(b))))
		}
	case DW_EH_PE_udata2:
		if b := r.take(2); b != nil {
			v = uint64(le.Uint16(b))
		}
	case DW_EH_PE_sdata2:
		if b := r.take(2); b != nil {
			v = uint64(int64(int16(le.Uint16(b))))
		}
	case DW_EH_PE_uleb128, DW_EH_PE_sleb128:
		v = r.leb(enc&0x0f == DW_EH_PE_sleb128)
	default:
		r.bad = true
	}
	switch enc & 0xf0 {
	case 0:
	case DW_EH_PE_pcrel:
		v += at
	case DW_EH_PE_datarel:
		v += r.base
	default:
		r.bad = true
	}
	if r.bad {
		return 0
	}
	return v
}

// leb reads a LEB128 value of at most 64 bits.
func (r *ehReader) leb(signed bool) uint64 {
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
