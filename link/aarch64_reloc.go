package link

import (
	"weld/image/elf"
)

func (aarch64) scan(sc *scanner, rels []byte) {
	l := sc.l
	for ; len(rels) >= relaSize; rels = rels[relaSize:] {
		r := decodeRela(rels)
		if r.typ == 0 || r.typ == 256 { // R_AARCH64_NONE has two numbers
			continue
		}
		k := a64Kind(r.typ)
		t, ok := sc.begin(&r, uint64(k.size()), k.expr != 0)
		if !ok {
			continue
		}
		if sc.s.kind == secEh && k.enc > a64Data64 {
			sc.err(r, "it is for code, and .eh_frame has none")
			continue
		}
		switch k.expr {
		case a64Abs:
			if k.enc == a64Data64 {
				sc.absolute(r, &t)
			} else {
				sc.narrow(&r, &t)
			}
		case a64LO, a64Rel, a64Page, a64SymGOT:
			sc.relative(&r, &t)
		case a64Branch:
			sc.branch(&t)
		case a64GOT, a64GOTPage, a64GOTRel, a64GOTOff:
			sc.got(&t)
		default:
			if !sc.tlsSymbol(&r, &t, k.expr == a64LD || k.expr == a64LDPage) {
				continue
			}
			rels = rels[relaSize*uint64(sc.a64TLS(l, r, k, &t, rels)):]
		}
	}
}

// a64TLS decides on a relocation of thread-local storage. It returns the number of relocations that belong to the same sequence
// and follow it.
func (sc *scanner) a64TLS(l *linker, r rela, k a64Reloc, t *target, rels []byte) (skip int) {
	switch k.expr {
	case a64GDPage, a64GD:
		if k.expr == a64GDPage && l.tlsModel(t) != tlsKeep && sc.o.a64GDSequence(sc.data, rels) {
			if l.tlsModel(t) == tlsIE {
				sc.need(t, needGOTTP)
			}
			return 2
		}
		sc.need(t, needTLSGD)
	case a64LD, a64LDPage:
		l.needTLSLD.Store(true)
	case a64IE, a64IEPage, a64IERel:
		if k.expr != a64IERel && l.tlsModel(t) == tlsLE {
			return 0
		}
		sc.need(t, needGOTTP)
		if l.opt.Mode == Shared {
			l.staticTLS.Store(true)
		}
	case a64Desc, a64DescPage, a64DescCall:
		switch l.tlsModel(t) {
		case tlsKeep:
			sc.need(t, needTLSDesc)
		case tlsIE:
			sc.need(t, needGOTTP)
		}
	case a64TP:
		sc.localExec(&r, t)
	}
	return 0
}

// a64GDSequence reports whether the first relocation is that of the first of the instructions that can be rewritten:
// adrp x0, :tlsgd:v; add x0, x0, :tlsgd_lo12:v; bl __tls_get_addr; nop.
func (o *object) a64GDSequence(data, rels []byte) bool {
	if len(rels) < 3*relaSize {
		return false
	}
	first, second, third := decodeRela(rels), decodeRela(rels[relaSize:]), decodeRela(rels[2*relaSize:])
	if elf.R_AARCH64(second.typ) != elf.R_AARCH64_TLSGD_ADD_LO12_NC || elf.R_AARCH64(third.typ) != elf.R_AARCH64_CALL26 ||
		second.off != first.off+4 || third.off != first.off+8 || second.sym != first.sym || second.addend != first.addend ||
		first.off+16 > uint64(len(data)) {
		return false
	}
	b := data[first.off:]
	return le.Uint32(b)&0x9f00001f == 0x90000000 && le.Uint32(b[4:])&0xff8003ff == 0x91000000 && le.Uint32(b[8:])>>26 == 0x25 && le.Uint32(b[12:]) == a64Nop
}

// Instructions, with registers and immediates of 0.
const (
	a64Nop   = 0xd503201f
	a64Movz1 = 0xd2a00000 // movz x0, #0, lsl #16
	a64Movk0 = 0xf2800000 // movk x0, #0
	a64AdrpX = 0x90000000 // adrp x0, .
	a64LdrX  = 0xf9400000 // ldr x0, [x0]
)

func page(v uint64) uint64 { return v &^ 0xfff }

func (aarch64) apply(a *applier, rels []byte) {
	for ; len(rels) >= relaSize; rels = rels[relaSize:] {
		r := decodeRela(rels)
		if r.typ == 0 || r.typ == 256 {
			continue
		}
		k := a64Kind(r.typ)
		at, ok := a.begin(&r, uint64(k.size()), k.expr != 0)
		if !ok {
			continue
		}
		t, s := a.symbolOf(r)
		b, p := a.buf[at:], a.addr+at
		add := uint64(r.addend)
		var v uint64
		switch k.expr {
		case a64Abs:
			if k.enc == a64Data64 {
				a.absolute(r, &t, b, p, s+add)
				continue
			}
			v = s + add
		case a64LO:
			v = s + add
		case a64Rel:
			v = s + add - p
		case a64Page:
			v = page(s+add) - page(p)
		case a64Branch:
			v = a.a64Branch(&t, r, k, s, p)
		case a64GOT:
			v = a.gotAddr(&t) + add
		case a64GOTPage:
			v = page(a.gotAddr(&t)+add) - page(p)
		case a64GOTRel:
			v = a.gotAddr(&t) + add - p
		case a64GOTOff:
			v = a.gotAddr(&t) + add - page(a.l.gotBase())
		case a64SymGOT:
			v = s + add - a.l.gotBase()
		default:
			rels = rels[relaSize*uint64(a.a64TLS(r, k, &t, at, s, rels)):]
			continue
		}
		a.a64Put(r, k, b, v)
	}
}

func (a *applier) a64Put(r rela, k a64Reloc, b []byte, v uint64) {
	if !k.put(b, v) {
		a.err(r, "the value %#x is out of range or not aligned", v)
	}
}

// a64Branch returns the distance of a branch: to the symbol, its stub, or a veneer that can reach it. A branch to an undefined weak
// symbol goes to the next instruction.
func (a *applier) a64Branch(t *target, r rela, k a64Reloc, s, p uint64) uint64 {
	to := a.callee(t, s)
	if to == 0 && t.g != nil && t.g.kind == symUndef {
		return 4
	}
	v := to + uint64(r.addend) - p
	if k.enc == a64Imm26 && !a64Reaches(v) {
		if at, ok := a.l.veneers.find(a.sec, a.o.index, a.o.veneerTarget(r)); ok {
			return at - p
		}
	}
	return v
}

// a64Reaches reports whether a branch can go that far.
func a64Reaches(v uint64) bool { return int64(v) >= -1<<27 && int64(v) < 1<<27 }

// a64TLS does a relocation of thread-local storage and returns how many after it are done with it.
func (a *applier) a64TLS(r rela, k a64Reloc, t *target, at, s uint64, rels []byte) (skip int) {
	l := a.l
	b, p := a.buf[at:], a.addr+at
	tp := a.tpOffset(t, s, &r)
	model := l.tlsModel(t)
	paged := func(word int32) uint64 { return page(l.gotWord(word)) - page(p) }
	// movImm writes movz or movk of a group of the offset from the thread pointer.
	movImm := func(b []byte, ins uint32, group int) {
		if int64(tp) < 0 || tp>>32 != 0 {
			a.err(r, "the offset %#x from the thread pointer does not fit in 32 bits", tp)
		}
		le.PutUint32(b, ins|uint32(tp>>(16*group)&0xffff)<<5)
	}
	switch k.expr {
	case a64GDPage:
		if model == tlsKeep || !a.o.a64GDSequence(a.o.bytes(a.sec), rels) {
			a.a64Put(r, k, b, paged(a.auxOf(t).gd))
			return 0
		}
		if model == tlsIE {
			le.PutUint32(b, a64AdrpX)
			le.PutUint32(b[4:], a64LdrX)
			word := a.auxOf(t).gottp
			a.a64Put(r, a64Reloc{a64IEPage, a64Adrp, -33}, b, paged(word))
			a.a64Put(r, a64Reloc{a64IE, a64Ldst3, 0}, b[4:], l.gotWord(word))
		} else {
			movImm(b, a64Movz1, 1)
			movImm(b[4:], a64Movk0, 0)
		}
		le.PutUint32(b[8:], 0xd53bd041)  // mrs x1, tpidr_el0
		le.PutUint32(b[12:], 0x8b000020) // add x0, x1, x0
		return 2
	case a64GD:
		a.a64Put(r, k, b, l.gotWord(a.auxOf(t).gd))
	case a64LDPage:
		a.a64Put(r, k, b, paged(l.got.tlsld))
	case a64LD:
		a.a64Put(r, k, b, l.gotWord(l.got.tlsld))
	case a64DTP:
		a.a64Put(r, k, b, s+uint64(r.addend)-l.tlsStart)
	case a64IEPage:
		if model == tlsLE {
			movImm(b, a64Movz1|le.Uint32(b)&31, 1)
			return 0
		}
		a.a64Put(r, k, b, paged(a.auxOf(t).gottp))
	case a64IE:
		if model == tlsLE {
			ins := le.Uint32(b)
			if ins&31 != ins>>5&31 {
				a.err(r, "it is not in the code sequence of the ABI: the registers of the load differ")
			}
			movImm(b, a64Movk0|ins&31, 0)
			return 0
		}
		a.a64Put(r, k, b, l.gotWord(a.auxOf(t).gottp))
	case a64IERel:
		a.a64Put(r, k, b, l.gotWord(a.auxOf(t).gottp)-p)
	case a64TP:
		a.a64Put(r, k, b, tp)
	default:
		a.a64Descriptor(r, k, t, b, p, model, movImm)
	}
	return 0
}

// a64Descriptor does a relocation of the sequence for a TLS descriptor: adrp x0; ldr x1, [x0]; add x0, x0; blr x1. In an executable
// it becomes what leaves the offset in x0.
func (a *applier) a64Descriptor(r rela, k a64Reloc, t *target, b []byte, p uint64, model tlsModel, movImm func([]byte, uint32, int)) {
	l := a.l
	switch {
	case model == tlsKeep:
		switch k.expr {
		case a64DescPage:
			a.a64Put(r, k, b, page(l.gotWord(a.auxOf(t).desc))-page(p))
		case a64Desc:
			a.a64Put(r, k, b, l.gotWord(a.auxOf(t).desc))
		}
	case k.expr == a64DescCall || k.enc == a64Add:
		le.PutUint32(b, a64Nop)
	case model == tlsLE && k.expr == a64DescPage:
		movImm(b, a64Movz1, 1)
	case model == tlsLE:
		movImm(b, a64Movk0, 0)
	case k.expr == a64DescPage:
		le.PutUint32(b, a64AdrpX)
		a.a64Put(r, k, b, page(l.gotWord(a.auxOf(t).gottp))-page(p))
	default:
		le.PutUint32(b, a64LdrX)
		a.a64Put(r, k, b, l.gotWord(a.auxOf(t).gottp))
	}
}

func (aarch64) applyDebug(a *applier, rels []byte) {
	for ; len(rels) >= relaSize; rels = rels[relaSize:] {
		r := decodeRela(rels)
		if r.typ == 0 || r.typ == 256 {
			continue
		}
		k := a64Kind(r.typ)
		if elf.R_AARCH64(r.typ) == elf.R_AARCH64_TLS_DTPREL64 {
			k = a64Reloc{a64DTP, a64Data64, 0}
		}
		at, ok := a.begin(&r, uint64(k.size()), k.expr != 0)
		if !ok {
			continue
		}
		_, v := a.debugValue(&r)
		switch {
		case k.enc > a64Data64:
			a.err(r, "it does not make sense in a section that is not loaded")
			continue
		case k.expr == a64Rel:
			v -= a.addr + at
		case k.expr == a64DTP:
			v -= a.l.tlsStart
		}
		a.a64Put(r, k, a.buf[at:], v)
	}
}
