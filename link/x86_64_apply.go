package link

import (
	"math"

	"weld/image/elf"
)

// The processor's part, second half: relocations are done where the section has been copied to.

// An applier does the relocations of one section, or of one record of .eh_frame.
type applier struct {
	l     *linker
	o     *object
	sec   uint32
	buf   []byte // where the content is
	addr  uint64 // of buf
	inOff uint64 // offset in the section of the first byte of buf
	alloc bool
	errs  errorList
	rel   uint32 // index of the next relative relocation of the output
	dyn   uint32 // and of the next other one
	// flip has the 8-byte words in the reverse order: .ctors in .init_array.
	flip bool
}

// symbolOf decodes what a relocation refers to and returns its address.
func (a *applier) symbolOf(r rela) (t target, value uint64) {
	o, l := a.o, a.l
	if r.sym >= o.first {
		id := o.names.ids[r.sym-o.first]
		g := l.syms.at(id)
		return target{id: id, g: g, typ: g.typ}, g.value
	}
	e := o.sym(r.sym)
	t = target{local: r.sym, e: e, typ: e.typ()}
	switch {
	case e.shndx == 0:
		return t, 0
	case e.shndx >= shnBase:
		return t, e.value
	}
	s := &o.secs[e.shndx]
	if s.kind == secMerge {
		if t.typ == elf.STT_SECTION {
			return t, o.mergeAddr(s, e.value+uint64(r.addend)) - uint64(r.addend)
		}
		return t, o.mergeAddr(s, e.value)
	}
	if s.state != secLive {
		return t, 0
	}
	if t.typ == elf.STT_GNU_IFUNC {
		// Where its address is taken it is that of its stub, if it has one.
		if id := o.localIDs[r.sym]; id != 0 {
			if x := l.auxAt(l.syms.at(id)); x.stub >= 0 {
				return t, l.pltAddr(x)
			}
		}
	}
	return t, s.addr + e.value
}

// auxOf returns the places of a symbol in the tables.
func (a *applier) auxOf(t *target) *symAux {
	if t.g != nil {
		return a.l.auxAt(t.g)
	}
	return a.l.auxAt(a.l.syms.at(a.o.localIDs[t.local]))
}

func (a *applier) err(r rela, format string, args ...any) {
	if len(a.errs) < 20 {
		a.errs.add(a.l.relocErr(a.o, a.sec, r, format, args...))
	}
}

// relaTarget returns the address that a relocation leads to.
func (l *linker) relaTarget(o *object, r rela) uint64 {
	a := applier{l: l, o: o}
	_, v := a.symbolOf(r)
	return v + uint64(r.addend)
}

// resolverAddr returns the address of the definition of a symbol, also where its address is that of its stub.
func (l *linker) resolverAddr(s *symbol) uint64 {
	o := l.objs[s.file]
	e := o.sym(s.idx)
	if e.shndx >= shnBase || e.shndx == 0 {
		return e.value
	}
	return o.secs[e.shndx].addr + e.value
}

// put32 stores a value of 32 bits, signed or not.
func (a *applier) put32(b []byte, r rela, v uint64, signed bool) {
	if signed && int64(v) != int64(int32(v)) || !signed && v > math.MaxUint32 {
		a.err(r, "the value %#x does not fit in 32 bits", v)
		return
	}
	le.PutUint32(b, uint32(v))
}

// apply does the relocations in rels.
func (a *applier) apply(rels []byte) error {
	for ; len(rels) >= relaSize; rels = rels[relaSize:] {
		r := decodeRela(rels)
		if r.typ == elf.R_X86_64_NONE {
			continue
		}
		size, ok := relocSize(r.typ)
		if !ok || r.sym >= a.o.nsyms || !inRange(r.off-a.inOff, size, uint64(len(a.buf))) {
			a.err(r, "it is not known in objects, or its symbol or its place is not there")
			continue
		}
		at := r.off - a.inOff
		if a.flip {
			at = uint64(len(a.buf)) - 8 - at&^7 + at&7
		}
		if !a.alloc {
			a.applyDebug(a.buf[at:], a.addr+at, r)
			continue
		}
		if a.rela(r, at, rels[relaSize:]) {
			rels = rels[relaSize:]
		}
	}
	return a.errs.err()
}

// rela does one relocation at offset at of buf. skip is set when the next one belongs to it.
func (a *applier) rela(r rela, at uint64, rest []byte) (skip bool) {
	l := a.l
	t, s := a.symbolOf(r)
	b := a.buf[at:]
	p := a.addr + at
	add := uint64(r.addend)
	switch r.typ {
	case elf.R_X86_64_64:
		a.absolute(r, &t, b, p, s+add)
	case elf.R_X86_64_32:
		a.put32(b, r, s+add, false)
	case elf.R_X86_64_32S:
		a.put32(b, r, s+add, true)
	case elf.R_X86_64_16, elf.R_X86_64_PC16:
		v := s + add
		if r.typ == elf.R_X86_64_PC16 {
			v -= p
		}
		if int64(v) < math.MinInt16 || int64(v) > math.MaxUint16 {
			a.err(r, "the value %#x does not fit in 16 bits", v)
			return false
		}
		le.PutUint16(b, uint16(v))
	case elf.R_X86_64_8, elf.R_X86_64_PC8:
		v := s + add
		if r.typ == elf.R_X86_64_PC8 {
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
		return a.tls(r, &t, at, s, rest)
	}
	return false
}

func (a *applier) symSize(t *target) uint64 {
	if t.g != nil {
		return t.g.size
	}
	return t.e.size
}

// callee returns the address that a call goes to: the stub, if the symbol has one.
func (a *applier) callee(t *target, s uint64) uint64 {
	if t.g == nil && t.typ != elf.STT_GNU_IFUNC {
		return s
	}
	if x := a.auxOf(t); x.plt >= 0 || x.stub >= 0 {
		return a.l.pltAddr(x)
	}
	return s
}

// gotAddr returns the address of the symbol's entry of .got.
func (a *applier) gotAddr(t *target) uint64 {
	return a.l.got.got.addr() + 8*uint64(a.auxOf(t).got)
}

// gotBase is what _GLOBAL_OFFSET_TABLE_ is.
func (l *linker) gotBase() uint64 { return l.got.gotPlt.addr() }

// absolute stores an address of 64 bits, or makes a dynamic relocation for it.
func (a *applier) absolute(r rela, t *target, b []byte, p, v uint64) {
	l := a.l
	imported := t.imported()
	switch writable := a.o.secs[a.sec].flags&shfWrite != 0; {
	case imported && (l.pic || writable && !l.opt.Static) && (l.opt.Mode == Shared || writable || l.opt.NoText):
		a.dynamic(p, elf.R_X86_64_64, a.auxOf(t).dynsym, r.addend)
	case l.pic && !t.isAbs():
		le.PutUint64(b, v)
		if l.pic {
			a.relative(p, v)
		}
	default:
		le.PutUint64(b, v)
	}
}

func (a *applier) relative(p, v uint64) {
	putRela(a.l.synthBytes(a.l.got.relaDyn)[a.rel*relaSize:], p, elf.R_X86_64_RELATIVE, 0, int64(v))
	a.rel++
}

func (a *applier) dynamic(p uint64, typ elf.R_X86_64, sym uint32, addend int64) {
	putRela(a.l.synthBytes(a.l.got.relaDyn)[(a.l.got.nRelative+a.dyn)*relaSize:], p, typ, sym, addend)
	a.dyn++
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

// tls does a relocation of thread-local storage.
func (a *applier) tls(r rela, t *target, at, s uint64, rest []byte) (skip bool) {
	l := a.l
	b := a.buf
	p := a.addr + at
	add := uint64(r.addend)
	in := a.o.bytes(a.sec)
	got := func(word int32) uint64 { return l.got.got.addr() + 8*uint64(word) }
	switch r.typ {
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
				a.dynamic(p, r.typ, a.auxOf(t).dynsym, r.addend)
			} else {
				a.dynamic(p, r.typ, 0, int64(s+add-l.tlsStart))
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

// applyDebug does a relocation of a section that is not loaded. What refers to a section that is not in the output becomes 0, or 1
// in lists of ranges, where two zeros end the list.
func (a *applier) applyDebug(b []byte, p uint64, r rela) {
	t, s := a.symbolOf(r)
	v := s + uint64(r.addend)
	if a.dead(&t) {
		v = 0
		if name := a.o.secName(a.sec); name == ".debug_ranges" || name == ".debug_loc" {
			v = 1
		}
	}
	switch r.typ {
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

// dead reports whether a symbol is defined in a section that is not in the output.
func (a *applier) dead(t *target) bool {
	o, shndx := a.o, t.e.shndx
	if t.g != nil {
		switch t.g.kind {
		case symObject:
			o = a.l.objs[t.g.file]
			shndx = o.sym(t.g.idx).shndx
		case symUndef, symShared:
			return true
		default:
			return false
		}
	}
	return shndx != 0 && shndx < shnBase && o.secs[shndx].state != secLive
}
