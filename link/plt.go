package link

import (
	"cmp"
	"math"
)

// A secondPlt is a machine whose stubs for lazy binding come in two parts: calls go to entries of .plt.sec, whose slots lead to
// those of .plt at first.
type secondPlt interface {
	writePltSec(l *linker, buf []byte) error
}

// makePlt makes .plt and .plt.sec.
func (l *linker) makePlt(flags uint32) {
	t := &l.got
	n := uint64(len(t.plt))
	t.plt = t.plt[:n:n]
	t.pltMain = l.synthSection(".plt", shtProgbits, flags, 16)
	if t.pltHead%t.pltEntry == 0 {
		t.pltMain.out.entsize = t.pltEntry
	}
	t.pltMain.size = t.pltHead + n*t.pltEntry
	t.pltMain.write = func(buf []byte) error { return l.mach.writePlt(l, buf) }
	if m, ok := l.mach.(secondPlt); ok && t.pltHead > 0 && l.ibt {
		t.pltSec = l.synthSection(".plt.sec", shtProgbits, flags, 16)
		t.pltSec.out.entsize = t.pltEntry
		t.pltSec.size = n * t.pltEntry
		t.pltSec.write = func(buf []byte) error { return m.writePltSec(l, buf) }
	}
}

// checkReach refuses an output in which the stubs are too far from the words that they jump through.
func (l *linker) checkReach() error {
	t := &l.got
	for _, p := range [][2]*synth{{t.pltMain, t.gotPlt}, {t.pltSec, t.gotPlt}, {t.pltGot, t.got}} {
		stubs, words := p[0], p[1]
		if stubs == nil || words == nil {
			continue
		}
		lo, hi := min(stubs.addr(), words.addr()), max(stubs.addr()+stubs.size, words.addr()+words.size)
		if hi-lo > math.MaxInt32 {
			return fileErr(ErrTooLarge, cmp.Or(l.opt.Output, "the output"), "section "+stubs.out.name, "it is more than 2 GiB from %s", words.out.name)
		}
	}
	return nil
}

// slotAddr returns the address of the slot of an entry of .plt.
func (l *linker) slotAddr(i int) uint64 {
	return l.got.gotPlt.addr() + l.class.word*(l.mi.gotPltHeader+uint64(i))
}

// entryAddr returns the address of an entry of .plt.
func (l *linker) entryAddr(i int) uint64 {
	t := &l.got
	return t.pltMain.addr() + t.pltHead + uint64(i)*t.pltEntry
}

// pltAddr returns the address that calls of a symbol with a stub go to.
func (l *linker) pltAddr(a *symAux) uint64 {
	t := &l.got
	switch {
	case a.stub >= 0:
		return t.pltGot.addr() + uint64(a.stub)*t.stubSize
	case t.pltSec != nil:
		return t.pltSec.addr() + uint64(a.plt)*t.pltEntry
	}
	return l.entryAddr(int(a.plt))
}

// writeGotPlt writes the slots of .plt, and the relocations for them.
func (l *linker) writeGotPlt(buf []byte) error {
	t := &l.got
	word := l.class.word
	if l.dyn.dynamic != nil && l.mi.gotHeader == 0 {
		l.class.putWord(buf, l.dyn.dynamic.addr())
	}
	for i, id := range t.plt {
		a := l.auxAt(l.syms.at(id))
		if t.pltHead > 0 {
			l.class.putWord(buf[word*(l.mi.gotPltHeader+uint64(i)):], l.mach.lazySlot(l, i))
		}
		l.putRel(l.synthBytes(t.relaPlt)[uint64(i)*l.relSize:], l.slotAddr(i), l.mi.dyn.jumpSlot, a.dynsym, 0)
	}
	return nil
}

// writeGot writes .got and its relocations, and those of copies.
func (l *linker) writeGot() {
	t := &l.got
	dynTypes := &l.mi.dyn
	rel, other, irel := t.nRelative, t.nOther, uint32(0)
	// The entries' relocations come last of each kind: count back from there.
	for _, e := range t.entries {
		for _, r := range two(l.gotRela(e)) {
			switch r {
			case 0, dynTypes.irelative:
			case dynTypes.relative:
				rel--
			default:
				other--
			}
		}
	}
	other -= uint32(len(t.copies))
	var dyn, irelDst []byte
	if t.relaDyn != nil {
		dyn = l.synthBytes(t.relaDyn)
	}
	size, word := l.relSize, l.class.word
	if t.irelPlt && t.nIrel > 0 {
		irelDst = l.synthBytes(t.relaPlt)[uint64(len(t.plt))*size:]
	} else if t.nIrel > 0 {
		irelDst = dyn[uint64(t.nRelative+t.nOther)*size:]
	}
	var buf []byte
	if t.got != nil {
		buf = l.synthBytes(t.got)
		if l.mi.gotHeader > 0 && l.dyn.dynamic != nil {
			l.class.putWord(buf, l.dyn.dynamic.addr())
		}
	}
	for _, e := range t.entries {
		b := buf[word*uint64(e.word):]
		at := l.gotWord(e.word)
		value, value2, dynsym, addend := l.gotValue(e)
		l.class.putWord(b, value)
		if e.kind == gotGD || e.kind == gotLD || e.kind == gotDesc {
			l.class.putWord(b[word:], value2)
		}
		for i, r := range two(l.gotRela(e)) {
			if l.mi.rel && r != 0 && addend != 0 {
				// The addend of a descriptor is in its second word.
				where := b[word*uint64(i):]
				if e.kind == gotDesc {
					where = b[word:]
				}
				l.class.putWord(where, uint64(addend))
			}
			switch r {
			case 0:
			case dynTypes.relative:
				l.putRel(dyn[uint64(rel)*size:], at, r, 0, int64(value))
				rel++
			case dynTypes.irelative:
				l.putRel(irelDst[uint64(irel)*size:], at, r, 0, addend)
				irel++
			default:
				l.putRel(dyn[uint64(t.nRelative+other)*size:], at+word*uint64(i), r, dynsym, addend)
				other++
			}
		}
	}
	for _, id := range t.copies {
		a := l.auxAt(l.syms.at(id))
		l.putRel(dyn[uint64(t.nRelative+other)*size:], l.copyAddr(a), dynTypes.copy, a.dynsym, 0)
		other++
	}
}

func two(a, b uint32) [2]uint32 { return [2]uint32{a, b} }

// gotValue returns the words of an entry of .got and the symbol and addend of its relocations.
func (l *linker) gotValue(e gotEntry) (value, value2 uint64, dynsym uint32, addend int64) {
	if e.kind == gotLD {
		if l.opt.Mode != Shared {
			value = 1
		}
		return value, 0, 0, 0
	}
	s := l.syms.at(e.sym)
	a := l.auxAt(s)
	imported := s.flags&isImported != 0
	switch e.kind {
	case gotAddr:
		if first, _ := l.gotRela(e); first == l.mi.dyn.globDat && imported {
			return 0, 0, a.dynsym, 0
		}
		return s.value, 0, 0, 0
	case gotIrel:
		return 0, 0, 0, int64(l.resolverAddr(s))
	}
	off := int64(s.value - l.tlsStart)
	switch e.kind {
	case gotTP:
		if imported {
			return 0, 0, a.dynsym, 0
		}
		if l.opt.Mode == Shared {
			return 0, 0, 0, off
		}
		return s.value - l.tp, 0, 0, 0
	case gotGD:
		if imported {
			return 0, 0, a.dynsym, 0
		}
		if l.opt.Mode != Shared {
			value = 1
		}
		return value, uint64(off) - l.mi.dtpBias, 0, 0
	case gotDesc:
		if imported {
			return 0, 0, a.dynsym, 0
		}
		return 0, 0, 0, off
	}
	return 0, 0, 0, 0
}
