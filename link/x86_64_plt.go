package link

import (
	"weld/image/elf"
)

// Stubs. Without IBT an entry of .plt is 16 bytes and jumps through its slot of .got.plt, which at first leads back to the
// entry, where the index of the relocation is pushed and the run-time linker called through the header (psABI, "Procedure
// Linkage Table"). With IBT every target of an indirect jump begins with endbr64, so calls go to .plt.sec and the slot leads to
// .plt (psABI, "Program Property", the IBT-enabled PLT). With -z now slots are filled in before the program starts: there is no
// header and an entry just jumps.

const pltEntry = 16

// plt0 makes .plt and .plt.sec.
func (t *gotTable) plt0(l *linker, flags uint32) {
	n := uint64(len(t.plt))
	t.plt = t.plt[:n:n]
	t.pltMain = l.synthSection(".plt", shtProgbits, flags, 16)
	t.pltMain.out.entsize = pltEntry
	t.pltMain.size = n * pltEntry
	t.pltMain.write = l.writePlt
	if t.header {
		t.pltMain.size += pltEntry
		if l.ibt {
			t.pltSec = l.synthSection(".plt.sec", shtProgbits, flags, 16)
			t.pltSec.out.entsize = pltEntry
			t.pltSec.size = n * pltEntry
			t.pltSec.write = func(buf []byte) error {
				for i := range t.plt {
					l.jumpEntry(buf[i*pltEntry:][:pltEntry], t.pltSec.addr()+uint64(i)*pltEntry, l.slotAddr(i))
				}
				return nil
			}
		}
	}
}

// slotAddr returns the address of the slot of an entry of .plt.
func (l *linker) slotAddr(i int) uint64 { return l.got.gotPlt.addr() + 24 + 8*uint64(i) }

// pltAddr returns the address that calls of a symbol with a stub go to.
func (l *linker) pltAddr(a *symAux) uint64 {
	t := &l.got
	switch {
	case a.stub >= 0:
		return t.pltGot.addr() + uint64(a.stub)*l.stubSize()
	case t.pltSec != nil:
		return t.pltSec.addr() + uint64(a.plt)*pltEntry
	case t.header:
		return t.pltMain.addr() + uint64(a.plt+1)*pltEntry
	}
	return t.pltMain.addr() + uint64(a.plt)*pltEntry
}

func (l *linker) stubSize() uint64 {
	if l.ibt {
		return 16
	}
	return 8
}

// jumpEntry writes a stub at address at that jumps through slot.
func (l *linker) jumpEntry(b []byte, at, slot uint64) {
	n := 0
	if l.ibt {
		n = copy(b, "\xf3\x0f\x1e\xfa") // endbr64
	}
	b[n], b[n+1] = 0xff, 0x25 // jmp *slot(%rip)
	le.PutUint32(b[n+2:], uint32(slot-at-uint64(n)-6))
	pad(b[n+6:])
}

// pad fills b with instructions that do nothing.
func pad(b []byte) {
	nops := []string{"", "\x90", "\x66\x90", "\x0f\x1f\x00", "\x0f\x1f\x40\x00", "\x0f\x1f\x44\x00\x00", "\x66\x0f\x1f\x44\x00\x00",
		"\x0f\x1f\x80\x00\x00\x00\x00", "\x0f\x1f\x84\x00\x00\x00\x00\x00"}
	for len(b) > 0 {
		n := min(len(b), len(nops)-1)
		copy(b, nops[n])
		b = b[n:]
	}
}

func (l *linker) writeStubs(buf []byte) error {
	t := &l.got
	size := l.stubSize()
	for i, e := range t.stubs {
		l.jumpEntry(buf[uint64(i)*size:][:size], t.pltGot.addr()+uint64(i)*size, t.got.addr()+8*uint64(e.word))
	}
	return nil
}

func (l *linker) writePlt(buf []byte) error {
	t := &l.got
	base := t.pltMain.addr()
	if !t.header {
		for i := range t.plt {
			l.jumpEntry(buf[i*pltEntry:][:pltEntry], base+uint64(i)*pltEntry, l.slotAddr(i))
		}
		return nil
	}
	got := t.gotPlt.addr()
	copy(buf, "\xff\x35\x00\x00\x00\x00\xff\x25\x00\x00\x00\x00") // push got+8(%rip); jmp *got+16(%rip)
	le.PutUint32(buf[2:], uint32(got+8-base-6))
	le.PutUint32(buf[8:], uint32(got+16-base-12))
	pad(buf[12:pltEntry])
	for i := range t.plt {
		b := buf[(i+1)*pltEntry:][:pltEntry]
		at := base + uint64(i+1)*pltEntry
		n := 0
		if l.ibt {
			n = copy(b, "\xf3\x0f\x1e\xfa")
		} else {
			b[0], b[1] = 0xff, 0x25
			le.PutUint32(b[2:], uint32(l.slotAddr(i)-at-6))
			n = 6
		}
		b[n] = 0x68 // push index
		le.PutUint32(b[n+1:], uint32(i))
		b[n+5] = 0xe9 // jmp header
		le.PutUint32(b[n+6:], uint32(base-at-uint64(n)-10))
		pad(b[n+10:])
	}
	return nil
}

// writeGotPlt writes the slots of .plt, and the relocations for them.
func (l *linker) writeGotPlt(buf []byte) error {
	t := &l.got
	if l.dyn.dynamic != nil {
		le.PutUint64(buf, l.dyn.dynamic.addr())
	}
	for i, id := range t.plt {
		a := l.auxAt(l.syms.at(id))
		if t.header {
			at := t.pltMain.addr() + uint64(i+1)*pltEntry
			if !l.ibt {
				at += 6
			}
			le.PutUint64(buf[24+8*i:], at)
		}
		rel := l.synthBytes(t.relaPlt)[i*relaSize:]
		putRela(rel, l.slotAddr(i), elf.R_X86_64_JMP_SLOT, a.dynsym, 0)
	}
	return nil
}

// writeGot writes .got and its relocations.
func (l *linker) writeGot() {
	t := &l.got
	if t.got == nil {
		return
	}
	buf := l.synthBytes(t.got)
	rel, other, irel := t.nRelative, t.nOther, uint32(0)
	// The entries' relocations come last of each kind: count back from there.
	for _, e := range t.entries {
		for _, r := range two(l.gotRela(e)) {
			switch r {
			case elf.R_X86_64_NONE, elf.R_X86_64_IRELATIVE:
			case elf.R_X86_64_RELATIVE:
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
	if t.irelPlt && t.nIrel > 0 {
		irelDst = l.synthBytes(t.relaPlt)[len(t.plt)*relaSize:]
	} else if t.nIrel > 0 {
		irelDst = dyn[(t.nRelative+t.nOther)*relaSize:]
	}
	for _, e := range t.entries {
		b := buf[8*e.word:]
		at := t.got.addr() + 8*uint64(e.word)
		value, value2, dynsym, addend := l.gotValue(e)
		le.PutUint64(b, value)
		if e.kind == gotGD || e.kind == gotLD || e.kind == gotDesc {
			le.PutUint64(b[8:], value2)
		}
		for i, r := range two(l.gotRela(e)) {
			switch r {
			case elf.R_X86_64_NONE:
			case elf.R_X86_64_RELATIVE:
				putRela(dyn[rel*relaSize:], at, r, 0, int64(value))
				rel++
			case elf.R_X86_64_IRELATIVE:
				putRela(irelDst[irel*relaSize:], at, r, 0, addend)
				irel++
			default:
				putRela(dyn[(t.nRelative+other)*relaSize:], at+8*uint64(i), r, dynsym, addend)
				other++
			}
		}
	}
	for _, id := range t.copies {
		a := l.auxAt(l.syms.at(id))
		putRela(dyn[(t.nRelative+other)*relaSize:], l.copyAddr(a), elf.R_X86_64_COPY, a.dynsym, 0)
		other++
	}
}

func two(a, b elf.R_X86_64) [2]elf.R_X86_64 { return [2]elf.R_X86_64{a, b} }

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
		if first, _ := l.gotRela(e); first == elf.R_X86_64_GLOB_DAT {
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
		return value, uint64(off), 0, 0
	case gotDesc:
		if imported {
			return 0, 0, a.dynsym, 0
		}
		return 0, 0, 0, off
	}
	return 0, 0, 0, 0
}
