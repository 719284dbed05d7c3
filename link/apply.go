package link

import (
	"math"
	"slices"

	"weld/image/elf"
)

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
	// flip has the words in the reverse order: .ctors in .init_array.
	flip bool
	uleb uint64 // the value of the last R_RISCV_SET_ULEB128
	// In sections that are not loaded, what becomes of references to what is not in the output.
	tombstone uint64
}

// What object.values has of symbols whose value depends on the relocation: with mergedSym the index in object.merges of the section
// that they stand for, and deadSym for those in sections that are not in the output; with otherSym no more than that it does.
const (
	mergedSym uint64 = 1 << 63
	otherSym  uint64 = 1<<63 | 1<<62
	deadSym   uint64 = otherSym + 1
)

// findValues finds the values of the symbols of all objects, to most of which many relocations refer.
func (l *linker) findValues() {
	l.par(len(l.objs), func(i int) {
		o := l.objs[i]
		if !slices.ContainsFunc(o.secs, func(s section) bool { return s.out >= 0 }) {
			return
		}
		o.values = tableOf[uint64](&l.mem, int(o.nsyms))
		for k := range o.first {
			o.values[k] = o.findLocal(k)
		}
		for k, id := range o.names.ids {
			o.values[int(o.first)+k] = l.findGlobal(l.syms.at(id))
		}
	})
}

func (o *object) findLocal(k uint32) uint64 {
	shndx, typ := o.symPlace(k)
	if shndx == 0 || shndx >= shnBase || typ == elf.STT_GNU_IFUNC {
		return otherSym
	}
	s := &o.secs[shndx]
	value := o.symValue(k)
	switch {
	case s.state != secLive:
		return deadSym
	case s.kind == secRelax || s.kind == secFolded:
		return otherSym
	case s.kind != secMerge:
		value += s.addr
	case typ != elf.STT_SECTION:
		value = o.mergeAddr(s, value)
	case value == 0:
		return mergedSym | uint64(s.extra)
	default:
		return otherSym
	}
	return plainValue(value)
}

func (l *linker) findGlobal(s *symbol) uint64 {
	if s.abs || s.flags&(isImported|needPLT) != 0 {
		return otherSym
	}
	switch s.kind {
	case symObject:
		if s.shndx < shnBase {
			if sec := &l.objs[s.file].secs[s.shndx]; sec.state != secLive || sec.kind == secFolded {
				return otherSym
			}
		}
	case symCommon, symLinker:
	default:
		return otherSym
	}
	return plainValue(s.value)
}

// plainValue returns v, which is what a relocation refers to. No address is as high as the special values, but what a file says may be.
func plainValue(v uint64) uint64 {
	if v >= mergedSym {
		return otherSym
	}
	return v
}

// value returns what symbolOf does, for most symbols. ok is false for the others, and for those in sections that are not in the output
// or that another one stands for.
func (a *applier) value(r *rela) (v uint64, ok bool) {
	if r.sym >= uint32(len(a.o.values)) {
		return 0, false
	}
	if v = a.o.values[r.sym]; v < mergedSym {
		return v, true
	}
	if v < otherSym {
		m := &a.o.merges[v&^mergedSym]
		return m.addr(uint64(r.addend)) - uint64(r.addend), m.to != nil
	}
	return v, false
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
	if s.kind == secRelax {
		if t.typ == elf.STT_SECTION {
			return t, o.addrIn(s, e.value+uint64(r.addend)) - uint64(r.addend)
		}
		return t, o.addrIn(s, e.value)
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
	return o.addrIn(&o.secs[e.shndx], e.value)
}

// begin checks a relocation and returns where in the buffer it is. ok is false if it cannot be done.
func (a *applier) begin(r *rela, size uint64, known bool) (at uint64, ok bool) {
	if !known || r.sym >= a.o.nsyms || !inRange(r.off-a.inOff, size, uint64(len(a.buf))) {
		a.err(*r, "it is not known in objects, or its symbol or its place is not there")
		return 0, false
	}
	at = r.off - a.inOff
	if a.flip {
		w := a.l.class.word
		if at&(w-1)+size > w {
			a.err(*r, "it is not within one word of a list of initialisers")
			return 0, false
		}
		at = uint64(len(a.buf)) - w - at&^(w-1) + at&(w-1)
	}
	return at, true
}

// put32 stores a value of 32 bits, signed or not.
func (a *applier) put32(b []byte, r rela, v uint64, signed bool) {
	if signed && int64(v) != int64(int32(v)) || !signed && v > math.MaxUint32 {
		a.err(r, "the value %#x does not fit in 32 bits", v)
		return
	}
	le.PutUint32(b, uint32(v))
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
	return a.l.gotWord(a.auxOf(t).got)
}

// gotWord returns the address of a word of .got.
func (l *linker) gotWord(word int32) uint64 { return l.got.got.addr() + l.class.word*uint64(word) }

// gotStart is the part of the output that _GLOBAL_OFFSET_TABLE_ is the start of.
func (l *linker) gotStart() *synth {
	if l.mi.gotHeader > 0 {
		return l.got.got
	}
	return l.got.gotPlt
}

// gotBase is what _GLOBAL_OFFSET_TABLE_ is.
func (l *linker) gotBase() uint64 { return l.gotStart().addr() }

// absolute stores an address of a word, or makes a dynamic relocation for it.
func (a *applier) absolute(r rela, t *target, b []byte, p, v uint64) {
	l := a.l
	writable := a.o.secs[a.sec].flags&shfWrite != 0
	if t.imported() && (l.pic || writable && !l.opt.Static) && (l.opt.Mode == Shared || writable || l.opt.NoText) {
		a.dynamic(b, p, l.mi.dyn.symbolic, a.auxOf(t).dynsym, r.addend)
		return
	}
	l.class.putWord(b, v)
	if l.pic && !t.isAbs() {
		a.relative(p, v)
	}
}

// relative makes a dynamic relocation for the place p, whose value v is in place, unless it is packed.
func (a *applier) relative(p, v uint64) {
	if a.l.packable(&a.o.secs[a.sec], p) {
		return
	}
	a.l.putRel(a.l.synthBytes(a.l.got.relaDyn)[uint64(a.rel)*a.l.relSize:], p, a.l.mi.dyn.relative, 0, int64(v))
	a.rel++
}

// dynamic makes a dynamic relocation for the place at b.
func (a *applier) dynamic(b []byte, p uint64, typ, sym uint32, addend int64) {
	l := a.l
	if l.mi.rel {
		l.class.putWord(b, uint64(addend))
	}
	l.putRel(l.synthBytes(l.got.relaDyn)[uint64(l.got.nRelative+a.dyn)*l.relSize:], p, typ, sym, addend)
	a.dyn++
}

// tpOffset returns the offset of a thread-local variable from the thread pointer: of an undefined weak one 0.
func (a *applier) tpOffset(t *target, s uint64, r *rela) uint64 {
	if t.g != nil && t.g.kind == symUndef {
		return uint64(r.addend)
	}
	return s + uint64(r.addend) - a.l.tp
}

// debugValue returns what a relocation of a section that is not loaded is for.
func (a *applier) debugValue(r *rela) (t target, v uint64) {
	t, s := a.symbolOf(*r)
	if a.dead(&t) {
		return t, a.tombstone
	}
	return t, s + uint64(r.addend)
}

// tombstone returns what becomes of references to what is not in the output: 0, or 1 in lists of ranges, where two zeros end the list.
func (l *linker) tombstone(name string) uint64 {
	v := uint64(0)
	if name == ".debug_ranges" || name == ".debug_loc" {
		v = 1
	}
	for _, d := range l.opt.DeadReloc {
		if globMatch(d.Section, name) {
			v = d.Value
		}
	}
	return v
}

// dead reports whether a symbol is defined in a section that is not in the output.
func (a *applier) dead(t *target) bool {
	o, shndx := a.o, t.e.shndx
	if t.g != nil {
		switch t.g.kind {
		case symObject:
			o = a.l.objs[t.g.file]
			shndx = t.g.shndx
		case symUndef, symShared:
			return true
		default:
			return false
		}
	}
	if shndx == 0 || shndx >= shnBase {
		return false
	}
	s := &o.secs[shndx]
	// Of functions that became one only the lines remain: a breakpoint may be set at each.
	return s.state != secLive || s.kind == secFolded && a.o.secName(a.sec) != ".debug_line"
}
