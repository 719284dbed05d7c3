package link

import "weld/image/elf"

// The processor's part, first half: what each relocation of an object asks of the tables of the output (x86-64 psABI, chapter
// "Relocation", and "ELF Handling For Thread-Local Storage" for the relaxations of TLS code).
//
// A relocation needs a GOT entry, a PLT entry, a copy of a library's variable, a dynamic relocation, or nothing. What it needs
// follows from its type and from whether the address is known here: it is for definitions in objects that no other file can
// take the place of (up to a load address in position-independent output), it is not for the rest, which are called imported.

func (x8664) scan(sc *scanner, rels []byte) {
	for ; len(rels) >= relaSize; rels = rels[relaSize:] {
		r := decodeRela(rels)
		typ := elf.R_X86_64(r.typ)
		if typ == elf.R_X86_64_NONE || sc.x86Plain(&r, typ) {
			continue
		}
		size, known := x86RelocSize(typ)
		t, ok := sc.begin(&r, size, known)
		if !ok {
			continue
		}
		if sc.s.kind == secEh && x86RewritesCode(typ) {
			sc.err(r, "it is for code, and .eh_frame has none")
			continue
		}
		switch typ {
		case elf.R_X86_64_64:
			sc.absolute(r, &t)
		case elf.R_X86_64_32, elf.R_X86_64_32S, elf.R_X86_64_16, elf.R_X86_64_8:
			sc.narrow(&r, &t)
		case elf.R_X86_64_PC32, elf.R_X86_64_PC64, elf.R_X86_64_PC16, elf.R_X86_64_PC8, elf.R_X86_64_PC32_BND, elf.R_X86_64_GOTOFF64:
			sc.relative(&r, &t)
		case elf.R_X86_64_PLT32, elf.R_X86_64_PLT32_BND, elf.R_X86_64_PLTOFF64:
			sc.branch(&t)
		case elf.R_X86_64_GOTPCRELX, elf.R_X86_64_REX_GOTPCRELX, elf.R_X86_64_GOTPCREL:
			if !sc.l.relaxGOT(sc.data, r, &t) {
				sc.got(&t)
			}
		case elf.R_X86_64_GOT32, elf.R_X86_64_GOT64, elf.R_X86_64_GOTPCREL64, elf.R_X86_64_GOTPLT64:
			sc.got(&t)
		case elf.R_X86_64_TLSGD, elf.R_X86_64_TLSLD, elf.R_X86_64_GOTPC32_TLSDESC, elf.R_X86_64_TLSDESC_CALL, elf.R_X86_64_GOTTPOFF,
			elf.R_X86_64_TPOFF32, elf.R_X86_64_TPOFF64, elf.R_X86_64_DTPOFF32, elf.R_X86_64_DTPOFF64:
			if sc.x86TLS(r, &t, rels[relaSize:]) {
				rels = rels[relaSize:]
			}
		}
	}
}

// x86Plain does what there is to do for most relocations: those whose symbol has an address that is known here, and that need that
// and nothing else, or are relative at run time. It reports false for all others.
func (sc *scanner) x86Plain(r *rela, typ elf.R_X86_64) bool {
	size := uint64(4)
	switch typ {
	case elf.R_X86_64_PC32, elf.R_X86_64_PLT32:
	case elf.R_X86_64_32, elf.R_X86_64_32S:
		if sc.l.pic {
			return false
		}
	case elf.R_X86_64_64:
		size = 8
	default:
		return false
	}
	if !inRange(r.off, size, sc.s.size) || sc.s.typ == shtNobits || r.sym >= uint32(len(sc.plain)) || !sc.plain[r.sym] {
		return false
	}
	if size == 8 && sc.l.pic {
		sc.dynamic(*r, true)
	}
	return true
}

// x86RewritesCode reports whether a relocation may change the instruction that it is in.
func x86RewritesCode(t elf.R_X86_64) bool {
	switch t {
	case elf.R_X86_64_GOTPCRELX, elf.R_X86_64_REX_GOTPCRELX, elf.R_X86_64_TLSGD, elf.R_X86_64_TLSLD, elf.R_X86_64_GOTTPOFF,
		elf.R_X86_64_GOTPC32_TLSDESC, elf.R_X86_64_TLSDESC_CALL:
		return true
	}
	return false
}

// keepsLoads reports whether loads from the GOT stay. The start code of a position-independent static executable has one of the address
// of main, which comes before anything is relocated (glibc's rcrt1.o), so that there --no-relax does not hold for them; as with GNU ld.
func (l *linker) keepsLoads() bool { return l.opt.NoRelax && !(l.opt.Mode == PIE && l.selfContained()) }

// relaxGOT reports whether a load from the GOT becomes an instruction that has the address itself. It is asked when relocations
// are scanned and again when they are applied.
func (l *linker) relaxGOT(data []byte, r rela, t *target) bool {
	if l.keepsLoads() || elf.R_X86_64(r.typ) == elf.R_X86_64_GOTPCREL || t.imported() || t.isAbs() || t.typ == elf.STT_GNU_IFUNC || r.addend != -4 {
		return false
	}
	if elf.R_X86_64(r.typ) == elf.R_X86_64_REX_GOTPCRELX {
		return r.off >= 3 && data[r.off-2] == 0x8b && data[r.off-1]&0xc7 == 5
	}
	if r.off < 2 {
		return false
	}
	op, modrm := data[r.off-2], data[r.off-1]
	return op == 0x8b && modrm&0xc7 == 5 || op == 0xff && (modrm == 0x15 || modrm == 0x25)
}

// x86RelocSize is relocSize of the machine.
func x86RelocSize(t elf.R_X86_64) (uint64, bool) {
	if uint64(t) >= uint64(len(x86Sizes)) {
		return 0, false
	}
	n := x86Sizes[t]
	return uint64(n), n != 0
}

// x86Sizes are the sizes of the places of relocations in objects.
var x86Sizes = [...]uint8{
	elf.R_X86_64_8: 1, elf.R_X86_64_PC8: 1,
	elf.R_X86_64_16: 2, elf.R_X86_64_PC16: 2, elf.R_X86_64_TLSDESC_CALL: 2,
	elf.R_X86_64_PC32: 4, elf.R_X86_64_GOT32: 4, elf.R_X86_64_PLT32: 4, elf.R_X86_64_GOTPCREL: 4, elf.R_X86_64_32: 4,
	elf.R_X86_64_32S: 4, elf.R_X86_64_TLSGD: 4, elf.R_X86_64_TLSLD: 4, elf.R_X86_64_DTPOFF32: 4, elf.R_X86_64_GOTTPOFF: 4,
	elf.R_X86_64_TPOFF32: 4, elf.R_X86_64_GOTPC32: 4, elf.R_X86_64_SIZE32: 4, elf.R_X86_64_GOTPC32_TLSDESC: 4,
	elf.R_X86_64_PC32_BND: 4, elf.R_X86_64_PLT32_BND: 4, elf.R_X86_64_GOTPCRELX: 4, elf.R_X86_64_REX_GOTPCRELX: 4,
	elf.R_X86_64_64: 8, elf.R_X86_64_PC64: 8, elf.R_X86_64_GOTOFF64: 8, elf.R_X86_64_GOT64: 8, elf.R_X86_64_GOTPCREL64: 8,
	elf.R_X86_64_GOTPC64: 8, elf.R_X86_64_GOTPLT64: 8, elf.R_X86_64_PLTOFF64: 8, elf.R_X86_64_SIZE64: 8,
	elf.R_X86_64_DTPOFF64: 8, elf.R_X86_64_TPOFF64: 8,
}
