package link

import (
	"weld/image/elf"
)

// i386 is the machine of "System V Application Binary Interface, Intel386 Architecture Processor Supplement".
type i386 struct{}

var i386Info = machineInfo{
	em: elf.EM_386, class: class32, rel: true, emulation: "elf_i386", formats: []string{"elf32-i386"}, page: 4096, base: 0x8048000,
	interpreter: "/lib/ld-linux.so.2", separateCode: true, gotPltHeader: 3, moduleTP: true,
	abs32: uint32(elf.R_386_32), feature: elf.GNU_PROPERTY_X86_FEATURE_1_AND,
	featureMask: uint32(elf.GNU_PROPERTY_X86_FEATURE_1_SHSTK), // there is no .plt for IBT
	dyn: dynTypes{
		symbolic: uint32(elf.R_386_32), relative: uint32(elf.R_386_RELATIVE), globDat: uint32(elf.R_386_GLOB_DAT),
		jumpSlot: uint32(elf.R_386_JMP_SLOT), copy: uint32(elf.R_386_COPY), irelative: uint32(elf.R_386_IRELATIVE),
		tpoff: uint32(elf.R_386_TLS_TPOFF), dtpmod: uint32(elf.R_386_TLS_DTPMOD32), dtpoff: uint32(elf.R_386_TLS_DTPOFF32),
		tlsdesc: uint32(elf.R_386_TLS_DESC),
	},
}

func (i386) info() *machineInfo { return &i386Info }

func (i386) relocName(typ uint32) string { return elf.R_386(typ).String() }

func (i386) relocSize(typ uint32) (uint64, bool) {
	switch elf.R_386(typ) {
	case elf.R_386_8, elf.R_386_PC8:
		return 1, true
	case elf.R_386_16, elf.R_386_PC16, elf.R_386_TLS_DESC_CALL:
		return 2, true
	case elf.R_386_32, elf.R_386_PC32, elf.R_386_GOT32, elf.R_386_PLT32, elf.R_386_GOTOFF, elf.R_386_GOTPC, elf.R_386_32PLT, elf.R_386_GOT32X,
		elf.R_386_TLS_IE, elf.R_386_TLS_GOTIE, elf.R_386_TLS_LE, elf.R_386_TLS_GD, elf.R_386_TLS_LDM, elf.R_386_TLS_LDO_32,
		elf.R_386_TLS_LE_32, elf.R_386_TLS_GOTDESC, elf.R_386_SIZE32:
		return 4, true
	}
	return 0, false
}

// i386RewritesCode reports whether a relocation may change the instruction that it is in.
func i386RewritesCode(t elf.R_386) bool {
	switch t {
	case elf.R_386_GOT32X, elf.R_386_TLS_GD, elf.R_386_TLS_LDM, elf.R_386_TLS_IE, elf.R_386_TLS_GOTIE, elf.R_386_TLS_GOTDESC, elf.R_386_TLS_DESC_CALL:
		return true
	}
	return false
}

// i386Call reports whether a relocation is that of a call or jump, which may go to a stub.
func i386Call(data []byte, off uint64) bool {
	return off >= 1 && off <= uint64(len(data)) && (data[off-1] == 0xe8 || data[off-1] == 0xe9 || off >= 2 && data[off-2] == 0x0f && data[off-1]&0xf0 == 0x80)
}

func (i386) scan(sc *scanner, rels []byte) {
	l := sc.l
	for ; len(rels) >= relaSize; rels = rels[relaSize:] {
		r := decodeRela(rels)
		typ := elf.R_386(r.typ)
		if typ == elf.R_386_NONE {
			continue
		}
		size, known := i386{}.relocSize(r.typ)
		t, ok := sc.begin(&r, size, known)
		if !ok {
			continue
		}
		if sc.s.kind == secEh && i386RewritesCode(typ) {
			sc.err(r, "it is for code, and .eh_frame has none")
			continue
		}
		switch typ {
		case elf.R_386_32:
			if l.pic && t.ifunc() && !t.imported() {
				sc.dynamic(r, false) // stubs need the GOT in ebx, which calls through pointers do not set
				sc.need(&t, needGOT)
				continue
			}
			sc.absolute(r, &t)
		case elf.R_386_16, elf.R_386_8:
			sc.narrow(&r, &t)
		case elf.R_386_PC32:
			if i386Call(sc.data, r.off) && t.imported() && t.typ != elf.STT_OBJECT && l.opt.Mode != Shared {
				sc.branch(&t)
				continue
			}
			sc.relative(&r, &t)
		case elf.R_386_GOTOFF:
			if l.pic && t.ifunc() && !t.imported() {
				sc.err(r, "its stub would need the GOT in ebx, which calls by this address do not set; make it visible, so that the address is loaded from the GOT")
				continue
			}
			sc.relative(&r, &t)
		case elf.R_386_PC16, elf.R_386_PC8:
			sc.relative(&r, &t)
		case elf.R_386_PLT32, elf.R_386_32PLT:
			sc.branch(&t)
		case elf.R_386_GOT32, elf.R_386_GOT32X:
			if typ == elf.R_386_GOT32 || !l.i386RelaxGOT(sc.data, r, &t) {
				if l.pic && i386NoBase(sc.data, r.off) {
					sc.err(r, "%s needs the address of the table in a register; compile it with -fPIC", l.modeName())
				}
				sc.got(&t)
			}
		case elf.R_386_GOTPC, elf.R_386_SIZE32:
		default:
			if sc.tlsSymbol(&r, &t, typ == elf.R_386_TLS_LDM) && sc.i386TLS(r, &t, rels[relaSize:]) {
				rels = rels[relaSize:]
			}
		}
	}
}

// i386NoBase reports whether an instruction has its operand at an absolute address: the relocation is the whole of it.
func i386NoBase(data []byte, off uint64) bool { return off >= 1 && data[off-1]&0xc7 == 5 }

// i386RelaxGOT reports whether a load from the GOT becomes an instruction that has the address itself (psABI, "Optimize R_386_GOT32X").
func (l *linker) i386RelaxGOT(data []byte, r rela, t *target) bool {
	if l.keepsLoads() || t.imported() || t.isAbs() || t.typ == elf.STT_GNU_IFUNC || r.addend != 0 || r.off < 2 {
		return false
	}
	op, modrm := data[r.off-2], data[r.off-1]
	base := modrm&0xc0 == 0x80 && modrm&7 != 4
	if !base && (modrm&0xc7 != 5 || l.pic) {
		return false
	}
	return op == 0x8b || op == 0xff && (modrm&0x38 == 0x10 || modrm&0x38 == 0x20)
}

func (i386) apply(a *applier, rels []byte) {
	l := a.l
	for ; len(rels) >= relaSize; rels = rels[relaSize:] {
		r := decodeRela(rels)
		typ := elf.R_386(r.typ)
		if typ == elf.R_386_NONE {
			continue
		}
		size, known := i386{}.relocSize(r.typ)
		at, ok := a.begin(&r, size, known)
		if !ok {
			continue
		}
		t, s := a.symbolOf(r)
		b, p := a.buf[at:], a.addr+at
		add := uint64(r.addend)
		put := func(v uint64) { le.PutUint32(b, uint32(v)) }
		switch typ {
		case elf.R_386_32:
			if l.pic && t.ifunc() && !t.imported() {
				a.dynamic(b, p, l.mi.dyn.irelative, 0, int64(a.resolver(&t))+r.addend)
				continue
			}
			a.absolute(r, &t, b, p, s+add)
		case elf.R_386_PC32, elf.R_386_PLT32:
			put(a.callee(&t, s) + add - p)
		case elf.R_386_32PLT:
			put(a.callee(&t, s) + add)
		case elf.R_386_16:
			a.putShort(b, r, s+add)
		case elf.R_386_PC16:
			a.putShort(b, r, s+add-p)
		case elf.R_386_8, elf.R_386_PC8:
			v := s + add
			if typ == elf.R_386_PC8 {
				v -= p
			}
			if int64(v) < -128 || int64(v) > 255 {
				a.err(r, "the value %#x does not fit in 8 bits", v)
				continue
			}
			b[0] = byte(v)
		case elf.R_386_GOTOFF:
			put(s + add - l.gotBase())
		case elf.R_386_GOTPC:
			put(l.gotBase() + add - p)
		case elf.R_386_GOT32, elf.R_386_GOT32X:
			in := a.o.bytes(a.sec)
			switch {
			case typ == elf.R_386_GOT32X && l.i386RelaxGOT(in, r, &t):
				a.i386Relax(at, s)
			case i386NoBase(in, r.off):
				put(a.gotAddr(&t) + add)
			default:
				put(a.gotAddr(&t) + add - l.gotBase())
			}
		case elf.R_386_SIZE32:
			put(a.symSize(&t) + add)
		default:
			if a.i386TLS(r, &t, at, s, rels[relaSize:]) {
				rels = rels[relaSize:]
			}
		}
	}
}

// putShort stores a value of 16 bits, signed or not.
func (a *applier) putShort(b []byte, r rela, v uint64) {
	if int64(v) < -1<<15 || int64(v) >= 1<<16 {
		a.err(r, "the value %#x does not fit in 16 bits", v)
		return
	}
	le.PutUint16(b, uint16(v))
}

// resolver returns the address of the resolver of an indirect function.
func (a *applier) resolver(t *target) uint64 {
	if t.g != nil {
		return a.l.resolverAddr(t.g)
	}
	s := &a.o.secs[t.e.shndx]
	return s.addr + t.e.value
}

// i386Relax rewrites an instruction that loads an address from the GOT.
func (a *applier) i386Relax(at, s uint64) {
	b, l := a.buf, a.l
	p := a.addr + at
	op, modrm := b[at-2], b[at-1]
	noBase := modrm&0xc7 == 5
	switch {
	case op == 0x8b && noBase: // mov foo@GOT, reg -> mov $foo, reg
		b[at-2], b[at-1] = 0xc7, 0xc0|modrm>>3&7
		le.PutUint32(b[at:], uint32(s))
	case op == 0x8b: // mov foo@GOT(base), reg -> lea foo@GOTOFF(base), reg
		b[at-2] = 0x8d
		le.PutUint32(b[at:], uint32(s-l.gotBase()))
	case modrm&0x38 == 0x10: // call *foo@GOT(base) -> addr16 call foo
		b[at-2], b[at-1] = 0x67, 0xe8
		le.PutUint32(b[at:], uint32(s-p-4))
	default: // jmp *foo@GOT(base) -> jmp foo; nop
		b[at-2] = 0xe9
		le.PutUint32(b[at-1:], uint32(s-p-3))
		b[at+3] = 0x90
	}
}

func (i386) applyDebug(a *applier, rels []byte) {
	for ; len(rels) >= relaSize; rels = rels[relaSize:] {
		r := decodeRela(rels)
		typ := elf.R_386(r.typ)
		if typ == elf.R_386_NONE {
			continue
		}
		size, known := i386{}.relocSize(r.typ)
		at, ok := a.begin(&r, size, known)
		if !ok {
			continue
		}
		b := a.buf[at:]
		t, v := a.debugValue(&r)
		switch typ {
		case elf.R_386_32:
			le.PutUint32(b, uint32(v))
		case elf.R_386_PC32:
			le.PutUint32(b, uint32(v-(a.addr+at)))
		case elf.R_386_16:
			le.PutUint16(b, uint16(v))
		case elf.R_386_8:
			b[0] = byte(v)
		case elf.R_386_GOTOFF:
			le.PutUint32(b, uint32(v-a.l.gotBase()))
		case elf.R_386_TLS_LDO_32:
			le.PutUint32(b, uint32(v-a.l.tlsStart))
		case elf.R_386_SIZE32:
			le.PutUint32(b, uint32(a.symSize(&t)+uint64(r.addend)))
		default:
			a.err(r, "it does not make sense in a section that is not loaded")
		}
	}
}
