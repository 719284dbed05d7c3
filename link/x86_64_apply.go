package link

import (
	"math"

	"weld/image/elf"
)

// The processor's part, second half: relocations are done where the section has been copied to.

func (x8664) apply(a *applier, rels []byte) {
	for ; len(rels) >= relaSize; rels = rels[relaSize:] {
		r := decodeRela(rels)
		typ := elf.R_X86_64(r.typ)
		if typ == elf.R_X86_64_NONE || a.x86Plain(&r, typ) {
			continue
		}
		size, known := x86RelocSize(typ)
		at, ok := a.begin(&r, size, known)
		if ok && a.x86(r, at, rels[relaSize:]) {
			rels = rels[relaSize:]
		}
	}
}

func (x8664) applyDebug(a *applier, rels []byte) {
	for ; len(rels) >= relaSize; rels = rels[relaSize:] {
		r := decodeRela(rels)
		typ := elf.R_X86_64(r.typ)
		if typ == elf.R_X86_64_NONE || a.x86PlainDebug(&r, typ) {
			continue
		}
		size, known := x86RelocSize(typ)
		if at, ok := a.begin(&r, size, known); ok {
			a.x86Debug(a.buf[at:], a.addr+at, r)
		}
	}
}

// x86Plain does what most relocations are, those that scanner.x86Plain tells of. It reports false if it has done nothing.
func (a *applier) x86Plain(r *rela, typ elf.R_X86_64) bool {
	size := uint64(4)
	switch typ {
	case elf.R_X86_64_PC32, elf.R_X86_64_PLT32, elf.R_X86_64_32, elf.R_X86_64_32S:
	case elf.R_X86_64_64:
		size = 8
	default:
		return false
	}
	at := r.off - a.inOff
	if a.flip || !inRange(at, size, uint64(len(a.buf))) {
		return false
	}
	v, ok := a.value(r)
	if !ok {
		return false
	}
	v += uint64(r.addend)
	p := a.addr + at
	switch typ {
	case elf.R_X86_64_64:
		le.PutUint64(a.buf[at:], v)
		if a.l.pic {
			a.relative(p, v)
		}
		return true
	case elf.R_X86_64_32:
		if v > math.MaxUint32 {
			return false
		}
	case elf.R_X86_64_PC32, elf.R_X86_64_PLT32:
		v -= p
		fallthrough
	default:
		if int64(v) != int64(int32(v)) {
			return false
		}
	}
	le.PutUint32(a.buf[at:], uint32(v))
	return true
}

// x86PlainDebug is x86Plain for sections that are not loaded.
func (a *applier) x86PlainDebug(r *rela, typ elf.R_X86_64) bool {
	size := uint64(4)
	switch typ {
	case elf.R_X86_64_32:
	case elf.R_X86_64_64:
		size = 8
	default:
		return false
	}
	at := r.off - a.inOff
	if !inRange(at, size, uint64(len(a.buf))) {
		return false
	}
	v, ok := a.value(r)
	switch {
	case ok:
		v += uint64(r.addend)
	case v == deadSym:
		v = a.tombstone
	default:
		return false
	}
	if size == 4 && v > math.MaxUint32 {
		return false
	}
	if size == 8 {
		le.PutUint64(a.buf[at:], v)
	} else {
		le.PutUint32(a.buf[at:], uint32(v))
	}
	return true
}

// x86 does one relocation at offset at of buf. skip is set when the next one belongs to it.
func (a *applier) x86(r rela, at uint64, rest []byte) (skip bool) {
	l := a.l
	typ := elf.R_X86_64(r.typ)
	t, s := a.symbolOf(r)
	b := a.buf[at:]
	p := a.addr + at
	add := uint64(r.addend)
	switch typ {
	case elf.R_X86_64_64:
		a.absolute(r, &t, b, p, s+add)
	case elf.R_X86_64_32:
		a.put32(b, r, s+add, false)
	case elf.R_X86_64_32S:
		a.put32(b, r, s+add, true)
	case elf.R_X86_64_16, elf.R_X86_64_PC16:
		v := s + add
		if typ == elf.R_X86_64_PC16 {
			v -= p
		}
		if int64(v) < math.MinInt16 || int64(v) > math.MaxUint16 {
			a.err(r, "the value %#x does not fit in 16 bits", v)
			return false
		}
		le.PutUint16(b, uint16(v))
	case elf.R_X86_64_8, elf.R_X86_64_PC8:
		v := s + add
		if typ == elf.R_X86_64_PC8 {
			v -= p
		}
		if int64(v) < math.MinInt8 || int64(v) > math.MaxUint8 {
			a.err(r, "the value %#x does not fit in 8 bits", v)
			return false
		}
		b[0] = byte(v)
	case elf.R_X86_64_PC32, elf.R_X86_64_PC32_BND:
		a.put32(b, r, s+add-p, true)
	case elf.R_X86_64_PC64:
		le.PutUint64(b, s+add-p)
	case elf.R_X86_64_PLT32, elf.R_X86_64_PLT32_BND:
		a.put32(b, r, a.callee(&t, s)+add-p, true)
	case elf.R_X86_64_PLTOFF64:
		le.PutUint64(b, a.callee(&t, s)+add-l.gotBase())
	case elf.R_X86_64_GOTPCREL, elf.R_X86_64_GOTPCRELX, elf.R_X86_64_REX_GOTPCRELX:
		if l.relaxGOT(a.o.bytes(a.sec), r, &t) {
			a.relax(r, at, s)
		} else {
			a.put32(b, r, a.gotAddr(&t)+add-p, true)
		}
	case elf.R_X86_64_GOT32:
		a.put32(b, r, a.gotAddr(&t)+add-l.gotBase(), true)
	case elf.R_X86_64_GOT64, elf.R_X86_64_GOTPLT64:
		le.PutUint64(b, a.gotAddr(&t)+add-l.gotBase())
	case elf.R_X86_64_GOTPCREL64:
		le.PutUint64(b, a.gotAddr(&t)+add-p)
	case elf.R_X86_64_GOTOFF64:
		le.PutUint64(b, s+add-l.gotBase())
	case elf.R_X86_64_GOTPC32:
		a.put32(b, r, l.gotBase()+add-p, true)
	case elf.R_X86_64_GOTPC64:
		le.PutUint64(b, l.gotBase()+add-p)
	case elf.R_X86_64_SIZE32:
		a.put32(b, r, a.symSize(&t)+add, false)
	case elf.R_X86_64_SIZE64:
		le.PutUint64(b, a.symSize(&t)+add)
	default:
		return a.x86TLS(r, &t, at, s, rest)
	}
	return false
}

// relax rewrites an instruction that loads an address from the GOT (psABI, "GOTPCRELX").
func (a *applier) relax(r rela, at, s uint64) {
	b := a.buf
	d := s - (a.addr + at) - 4
	switch {
	case b[at-2] == 0x8b:
		b[at-2] = 0x8d // mov foo@GOTPCREL(%rip), reg -> lea foo(%rip), reg
	case b[at-1] == 0x15:
		b[at-2], b[at-1] = 0x67, 0xe8 // call *foo@GOTPCREL(%rip) -> addr32 call foo
	default:
		// jmp *foo@GOTPCREL(%rip) -> jmp foo; nop
		b[at-2] = 0xe9
		a.put32(b[at-1:], r, d+1, true)
		b[at+3] = 0x90
		return
	}
	a.put32(b[at:], r, d, true)
}

// x86TLS does a relocation of thread-local storage.
func (a *applier) x86TLS(r rela, t *target, at, s uint64, rest []byte) (skip bool) {
	l := a.l
	b := a.buf
	p := a.addr + at
	add := uint64(r.addend)
	in := a.o.bytes(a.sec)
	got := l.gotWord
	switch elf.R_X86_64(r.typ) {
	case elf.R_X86_64_TLSGD:
		model := l.tlsModel(t)
		if model != tlsKeep && !gdSequence(in, r, rest) {
			model = tlsKeep
		}
		switch model {
		case tlsKeep:
			a.put32(b[at:], r, got(a.auxOf(t).gd)+add-p, true)
			return false
		case tlsIE: // mov %fs:0,%rax; add x@gottpoff(%rip),%rax
			copy(b[at-4:], "\x64\x48\x8b\x04\x25\x00\x00\x00\x00\x48\x03\x05")
			a.put32(b[at+8:], r, got(a.auxOf(t).gottp)-(p+12), true)
		case tlsLE: // mov %fs:0,%rax; lea x@tpoff(%rax),%rax
			copy(b[at-4:], "\x64\x48\x8b\x04\x25\x00\x00\x00\x00\x48\x8d\x80")
			a.put32(b[at+8:], r, s+add+4-l.tp, true)
		}
		return true
	case elf.R_X86_64_TLSLD:
		if l.tlsModel(&target{}) == tlsKeep {
			a.put32(b[at:], r, got(l.got.tlsld)+add-p, true)
			return false
		}
		if ldSequence(in, r, rest) == 5 { // mov %fs:0,%rax
			copy(b[at-3:], "\x66\x66\x66\x64\x48\x8b\x04\x25\x00\x00\x00\x00")
		} else {
			copy(b[at-3:], "\x66\x66\x66\x66\x64\x48\x8b\x04\x25\x00\x00\x00\x00")
		}
		return true
	case elf.R_X86_64_DTPOFF32:
		a.put32(b[at:], r, s+add-a.dtpBase(), true)
	case elf.R_X86_64_DTPOFF64:
		le.PutUint64(b[at:], s+add-a.dtpBase())
	case elf.R_X86_64_GOTTPOFF:
		if x := a.auxOf(t); x.gottp >= 0 && (l.opt.Mode == Shared || t.imported() || l.opt.NoRelax || !ieInstruction(in, r)) {
			a.put32(b[at:], r, got(x.gottp)+add-p, true)
			return false
		}
		a.ieToLE(b[at-3:], b[at:], r, s+add+4-l.tp)
	case elf.R_X86_64_TPOFF32:
		a.put32(b[at:], r, s+add-l.tp, true)
	case elf.R_X86_64_TPOFF64:
		if l.opt.Mode == Shared {
			if t.imported() {
				a.dynamic(b[at:], p, r.typ, a.auxOf(t).dynsym, r.addend)
			} else {
				a.dynamic(b[at:], p, r.typ, 0, int64(s+add-l.tlsStart))
			}
			return false
		}
		le.PutUint64(b[at:], s+add-l.tp)
	case elf.R_X86_64_GOTPC32_TLSDESC:
		switch l.tlsModel(t) {
		case tlsKeep:
			a.put32(b[at:], r, got(a.auxOf(t).desc)+add-p, true)
		case tlsIE: // mov x@gottpoff(%rip),%reg
			b[at-2] = 0x8b
			a.put32(b[at:], r, got(a.auxOf(t).gottp)+add-p, true)
		case tlsLE: // mov $x@tpoff,%reg
			reg := b[at-1] >> 3 & 7
			b[at-3] = 0x48 | b[at-3]>>2&1
			b[at-2], b[at-1] = 0xc7, 0xc0|reg
			a.put32(b[at:], r, s+add+4-l.tp, true)
		}
	case elf.R_X86_64_TLSDESC_CALL:
		if l.tlsModel(t) != tlsKeep {
			b[at], b[at+1] = 0x66, 0x90 // xchg %ax,%ax
		}
	}
	return false
}

// dtpBase is what offsets of the dynamic models are from: code that has been rewritten has the thread pointer in %rax.
func (a *applier) dtpBase() uint64 {
	if a.o.secs[a.sec].flags&shfExec == 0 || a.l.tlsModel(&target{}) == tlsKeep {
		return a.l.tlsStart
	}
	return a.l.tp
}

// ieToLE rewrites an instruction of the initial exec model: mov or add x@gottpoff(%rip),%reg to the immediate operand.
func (a *applier) ieToLE(ins, imm []byte, r rela, v uint64) {
	reg := ins[2] >> 3 & 7
	rex := 0x48 | ins[0]>>2&1
	if ins[1] == 0x8b {
		ins[0], ins[1], ins[2] = rex, 0xc7, 0xc0|reg
	} else {
		ins[0], ins[1], ins[2] = rex, 0x81, 0xc0|reg
	}
	a.put32(imm, r, v, true)
}

// x86Debug does a relocation of a section that is not loaded.
func (a *applier) x86Debug(b []byte, p uint64, r rela) {
	t, v := a.debugValue(&r)
	switch elf.R_X86_64(r.typ) {
	case elf.R_X86_64_64:
		le.PutUint64(b, v)
	case elf.R_X86_64_32:
		a.put32(b, r, v, false)
	case elf.R_X86_64_32S:
		a.put32(b, r, v, true)
	case elf.R_X86_64_16:
		le.PutUint16(b, uint16(v))
	case elf.R_X86_64_8:
		b[0] = byte(v)
	case elf.R_X86_64_DTPOFF32:
		a.put32(b, r, v-a.l.tlsStart, true)
	case elf.R_X86_64_DTPOFF64:
		le.PutUint64(b, v-a.l.tlsStart)
	case elf.R_X86_64_PC32:
		a.put32(b, r, v-p, true)
	case elf.R_X86_64_PC64:
		le.PutUint64(b, v-p)
	case elf.R_X86_64_SIZE32:
		a.put32(b, r, a.symSize(&t)+uint64(r.addend), false)
	case elf.R_X86_64_SIZE64:
		le.PutUint64(b, a.symSize(&t)+uint64(r.addend))
	default:
		a.err(r, "it does not make sense in a section that is not loaded")
	}
}
