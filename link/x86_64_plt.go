package link

// Stubs. Without IBT an entry of .plt is 16 bytes and jumps through its slot of .got.plt, which at first leads back to the
// entry, where the index of the relocation is pushed and the run-time linker called through the header (psABI, "Procedure
// Linkage Table"). With IBT every target of an indirect jump begins with endbr64, so calls go to .plt.sec and the slot leads to
// .plt (psABI, "Program Property", the IBT-enabled PLT). With -z now slots are filled in before the program starts: there is no
// header and an entry just jumps.

const pltEntry = 16

func (x8664) pltSizes(l *linker) (header, entry, stub uint64) {
	header, stub = pltEntry, 8
	if l.opt.Now {
		header = 0
	}
	if l.ibt {
		stub = 16
	}
	return header, pltEntry, stub
}

// lazySlot leads to what follows the jump in the entry.
func (x8664) lazySlot(l *linker, i int) uint64 {
	if l.ibt {
		return l.entryAddr(i)
	}
	return l.entryAddr(i) + 6
}

func (x8664) writePltSec(l *linker, buf []byte) error {
	t := &l.got
	for i := range t.plt {
		l.jumpEntry(buf[i*pltEntry:][:pltEntry], t.pltSec.addr()+uint64(i)*pltEntry, l.slotAddr(i))
	}
	return nil
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

func (x8664) writeStubs(l *linker, buf []byte) error {
	t := &l.got
	size := t.stubSize
	for i, e := range t.stubs {
		l.jumpEntry(buf[uint64(i)*size:][:size], t.pltGot.addr()+uint64(i)*size, l.gotWord(e.word))
	}
	return nil
}

func (x8664) writePlt(l *linker, buf []byte) error {
	t := &l.got
	base := t.pltMain.addr()
	if t.pltHead == 0 {
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
