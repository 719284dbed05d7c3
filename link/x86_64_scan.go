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
		if typ == elf.R_X86_64_NONE {
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

// x86RewritesCode reports whether a relocation may change the instruction that it is in.
func x86RewritesCode(t elf.R_X86_64) bool {
	switch t {
	case elf.R_X86_64_GOTPCRELX, elf.R_X86_64_REX_GOTPCRELX, elf.R_X86_64_TLSGD, elf.R_X86_64_TLSLD, elf.R_X86_64_GOTTPOFF,
		elf.R_X86_64_GOTPC32_TLSDESC, elf.R_X86_64_TLSDESC_CALL:
		return true
	}
	return false
}

// relaxGOT reports whether a load from the GOT becomes an instruction that has the address itself. It is asked when relocations
// are scanned and again when they are applied.
func (l *linker) relaxGOT(data []byte, r rela, t *target) bool {
	if l.opt.NoRelax || elf.R_X86_64(r.typ) == elf.R_X86_64_GOTPCREL || t.imported() || t.isAbs() || t.typ == elf.STT_GNU_IFUNC || r.addend != -4 {
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
	switch t {
	case elf.R_X86_64_8, elf.R_X86_64_PC8:
		return 1, true
	case elf.R_X86_64_16, elf.R_X86_64_PC16:
		return 2, true
	case elf.R_X86_64_PC32, elf.R_X86_64_GOT32, elf.R_X86_64_PLT32, elf.R_X86_64_GOTPCREL, elf.R_X86_64_32, elf.R_X86_64_32S,
		elf.R_X86_64_TLSGD, elf.R_X86_64_TLSLD, elf.R_X86_64_DTPOFF32, elf.R_X86_64_GOTTPOFF, elf.R_X86_64_TPOFF32,
		elf.R_X86_64_GOTPC32, elf.R_X86_64_SIZE32, elf.R_X86_64_GOTPC32_TLSDESC, elf.R_X86_64_PC32_BND, elf.R_X86_64_PLT32_BND,
		elf.R_X86_64_GOTPCRELX, elf.R_X86_64_REX_GOTPCRELX:
		return 4, true
	case elf.R_X86_64_TLSDESC_CALL:
		return 2, true
	case elf.R_X86_64_64, elf.R_X86_64_PC64, elf.R_X86_64_GOTOFF64, elf.R_X86_64_GOT64, elf.R_X86_64_GOTPCREL64, elf.R_X86_64_GOTPC64,
		elf.R_X86_64_GOTPLT64, elf.R_X86_64_PLTOFF64, elf.R_X86_64_SIZE64, elf.R_X86_64_DTPOFF64, elf.R_X86_64_TPOFF64:
		return 8, true
	}
	return 0, false
}
