package link

import (
	"bytes"

	"weld/image/elf"
)

// Thread-local storage: code that asks the run-time linker for an address (general and local dynamic, descriptors) is rewritten
// to what an executable can do, which knows the module, and for its own variables the offset (Ulrich Drepper, "ELF Handling For
// Thread-Local Storage", chapter 5; psABI, "Relaxation").

// The code sequences of the psABI, with the place of the relocation after them.
var (
	gdLea = []byte{0x66, 0x48, 0x8d, 0x3d} // data16 lea x@tlsgd(%rip),%rdi
	ldLea = []byte{0x48, 0x8d, 0x3d}       // lea x@tlsld(%rip),%rdi
	// data16 data16 rex.W call __tls_get_addr@plt, or with one data16 less through the GOT.
	gdCall    = []byte{0x66, 0x66, 0x48, 0xe8}
	gdCallGOT = []byte{0x66, 0x48, 0xff, 0x15}
)

// before reports whether the code before offset off is seq.
func before(data []byte, off uint64, seq []byte) bool {
	n := uint64(len(seq))
	return off >= n && off <= uint64(len(data)) && bytes.Equal(data[off-n:off], seq)
}

// after reports whether the code from offset off on is seq.
func after(data []byte, off uint64, seq []byte) bool {
	return off <= uint64(len(data)) && bytes.HasPrefix(data[off:], seq)
}

// callRela reports whether the relocation of the call that belongs to a TLS sequence is next, at offset off.
func callRela(rest []byte, off uint64) bool {
	if len(rest) < relaSize {
		return false
	}
	switch n := decodeRela(rest); elf.R_X86_64(n.typ) {
	case elf.R_X86_64_PLT32, elf.R_X86_64_PC32, elf.R_X86_64_GOTPCRELX, elf.R_X86_64_GOTPCREL, elf.R_X86_64_REX_GOTPCRELX:
		return n.off == off
	}
	return false
}

// gdSequence reports whether a relocation R_X86_64_TLSGD is in the code sequence that can be rewritten.
func gdSequence(data []byte, r rela, rest []byte) bool {
	return before(data, r.off, gdLea) && uint64(len(data)) >= r.off+12 &&
		(after(data, r.off+4, gdCall) || after(data, r.off+4, gdCallGOT)) && callRela(rest, r.off+8)
}

// ldSequence is gdSequence for R_X86_64_TLSLD; it returns the length of the call, or 0.
func ldSequence(data []byte, r rela, rest []byte) uint64 {
	switch {
	case !before(data, r.off, ldLea):
	case after(data, r.off+4, []byte{0xe8}) && uint64(len(data)) >= r.off+9 && callRela(rest, r.off+5):
		return 5
	case after(data, r.off+4, []byte{0xff, 0x15}) && uint64(len(data)) >= r.off+10 && callRela(rest, r.off+6):
		return 6
	}
	return 0
}

// descLea reports whether a relocation R_X86_64_GOTPC32_TLSDESC is in the instruction that can be rewritten:
// lea x@tlsdesc(%rip),%reg.
func descLea(data []byte, r rela) bool {
	return r.off >= 3 && data[r.off-3]&0xfb == 0x48 && data[r.off-2] == 0x8d && data[r.off-1]&0xc7 == 5
}

// ieInstruction reports whether a relocation R_X86_64_GOTTPOFF is in an instruction that can be rewritten: mov or add of 64 bits.
func ieInstruction(data []byte, r rela) bool {
	return r.off >= 3 && data[r.off-3]&0xfb == 0x48 && (data[r.off-2] == 0x8b || data[r.off-2] == 0x03) && data[r.off-1]&0xc7 == 5
}

// x86TLS decides on a relocation of thread-local storage.
func (sc *scanner) x86TLS(r rela, t *target, rest []byte) (skip bool) {
	l := sc.l
	typ := elf.R_X86_64(r.typ)
	if !sc.tlsSymbol(&r, t, typ == elf.R_X86_64_TLSLD) {
		return false
	}
	switch typ {
	case elf.R_X86_64_TLSGD:
		model := l.tlsModel(t)
		if model != tlsKeep && !gdSequence(sc.data, r, rest) {
			if l.opt.Static {
				sc.err(r, "it is in code that cannot be rewritten for a static executable")
				return false
			}
			model = tlsKeep
		}
		switch model {
		case tlsKeep:
			sc.need(t, needTLSGD)
			return false
		case tlsIE:
			sc.need(t, needGOTTP)
		}
		return true
	case elf.R_X86_64_TLSLD:
		if l.tlsModel(&target{}) == tlsKeep {
			l.needTLSLD.Store(true)
			return false
		}
		if ldSequence(sc.data, r, rest) == 0 {
			sc.err(r, "it is in code that cannot be rewritten for an executable")
			return false
		}
		return true
	case elf.R_X86_64_GOTPC32_TLSDESC:
		switch model := l.tlsModel(t); {
		case model == tlsKeep:
			sc.need(t, needTLSDesc)
		case !descLea(sc.data, r):
			sc.err(r, "it is not in an instruction lea of 64 bits")
		case model == tlsIE:
			sc.need(t, needGOTTP)
		}
	case elf.R_X86_64_GOTTPOFF:
		if l.opt.Mode == Shared || t.imported() || l.opt.NoRelax || !ieInstruction(sc.data, r) {
			sc.need(t, needGOTTP)
			if l.opt.Mode == Shared {
				l.staticTLS.Store(true)
			}
		}
	case elf.R_X86_64_TPOFF32, elf.R_X86_64_TPOFF64:
		switch {
		case l.opt.Mode == Shared && typ == elf.R_X86_64_TPOFF64 && sc.s.flags&shfWrite != 0:
			sc.dynamic(r, false)
			l.staticTLS.Store(true)
			if t.imported() {
				sc.need(t, needDynsym)
			}
		default:
			sc.localExec(&r, t)
		}
	}
	return false
}
