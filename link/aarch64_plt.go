package link

import "weld/image/elf"

// Stubs (AAELF64, "Procedure Linkage Table"): an entry loads its slot of .got.plt and has the slot's address in x16, from which the
// run-time linker tells which one it was. Where all objects have BTI every target of an indirect branch begins with bti c; with
// -z pac-plt the run-time linker has signed what is in the slots.

func (aarch64) pltSizes(l *linker) (header, entry, stub uint64) {
	header, entry = 32, 16
	if l.a64BTI() || l.opt.PACPLT {
		entry = 24
	}
	if l.opt.Now {
		header = 0
	}
	return header, entry, entry
}

// a64BTI reports whether stubs begin with bti c.
func (l *linker) a64BTI() bool { return l.features&aarch64BTI != 0 }

func (aarch64) lazySlot(l *linker, _ int) uint64 { return l.got.pltMain.addr() }

// a64Fill fills b with nops.
func a64Fill(b []byte) {
	for ; len(b) >= 4; b = b[4:] {
		le.PutUint32(b, a64Nop)
	}
}

// a64Jump writes a stub at address at that jumps through slot.
func (l *linker) a64Jump(b []byte, at, slot uint64) {
	n := 0
	put := func(ins uint32) {
		le.PutUint32(b[n:], ins)
		n += 4
	}
	if l.a64BTI() {
		put(0xd503245f) // bti c
	}
	put(a64AdrpX | 16) // adrp x16, slot
	a64Reloc{a64Page, a64Adrp, 0}.put(b[n-4:], page(slot)-page(at+uint64(n-4)))
	put(0xf9400211) // ldr x17, [x16, :lo12:slot]
	a64Reloc{a64LO, a64Ldst3, 0}.put(b[n-4:], slot)
	put(0x91000210) // add x16, x16, :lo12:slot
	a64Reloc{a64LO, a64Add, 0}.put(b[n-4:], slot)
	if l.opt.PACPLT {
		put(0xd503219f) // autia1716
	}
	put(0xd61f0220) // br x17
	a64Fill(b[n:])
}

func (aarch64) writePlt(l *linker, buf []byte) error {
	t := &l.got
	if t.pltHead > 0 {
		at := t.pltMain.addr()
		head := buf[:t.pltHead]
		a64Fill(head)
		if l.a64BTI() {
			le.PutUint32(head, 0xd503245f)
			head, at = head[4:], at+4
		}
		slot := t.gotPlt.addr() + 16
		le.PutUint32(head, 0xa9bf7bf0) // stp x16, x30, [sp, #-16]!
		le.PutUint32(head[4:], a64AdrpX|16)
		a64Reloc{a64Page, a64Adrp, 0}.put(head[4:], page(slot)-page(at+4))
		le.PutUint32(head[8:], 0xf9400211)
		a64Reloc{a64LO, a64Ldst3, 0}.put(head[8:], slot)
		le.PutUint32(head[12:], 0x91000210)
		a64Reloc{a64LO, a64Add, 0}.put(head[12:], slot)
		le.PutUint32(head[16:], 0xd61f0220)
	}
	for i := range t.plt {
		at := l.entryAddr(i)
		l.a64Jump(buf[at-t.pltMain.addr():][:t.pltEntry], at, l.slotAddr(i))
	}
	return nil
}

func (aarch64) writeStubs(l *linker, buf []byte) error {
	t := &l.got
	for i, e := range t.stubs {
		off := uint64(i) * t.stubSize
		l.a64Jump(buf[off:][:t.stubSize], t.pltGot.addr()+off, l.gotWord(e.word))
	}
	return nil
}

func (aarch64) dynamicEntries(l *linker, add func(tag elf.DynTag, v uint64)) {
	if l.a64BTI() && len(l.got.plt) > 0 {
		add(dtAArch64BTIPLT, 0)
	}
	if l.opt.PACPLT && len(l.got.plt) > 0 {
		add(dtAArch64PACPLT, 0)
	}
	for _, id := range l.got.plt {
		if l.syms.at(id).flags&isVariant != 0 {
			add(dtAArch64VariantPCS, 0)
			break
		}
	}
}
