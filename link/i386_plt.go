package link

// Stubs (psABI, "Procedure Linkage Table"). In position-independent output they find .got.plt by ebx, which the caller has set.

func (i386) pltSizes(l *linker) (header, entry, stub uint64) {
	header = 16
	if l.opt.Now {
		header = 0
	}
	return header, 16, 8
}

func (i386) lazySlot(l *linker, i int) uint64 { return l.entryAddr(i) + 6 }

// i386Jump writes a jump through slot.
func (l *linker) i386Jump(b []byte, slot uint64) {
	b[0], b[1] = 0xff, 0x25 // jmp *slot
	if l.pic {
		b[1] = 0xa3 // jmp *slot@GOT(%ebx)
		slot -= l.gotBase()
	}
	le.PutUint32(b[2:], uint32(slot))
}

func (i386) writePlt(l *linker, buf []byte) error {
	t := &l.got
	base := t.pltMain.addr()
	if t.pltHead > 0 {
		copy(buf, "\xff\x35\x00\x00\x00\x00") // push got+4
		if l.pic {
			copy(buf, "\xff\xb3\x04\x00\x00\x00") // push 4(%ebx)
		} else {
			le.PutUint32(buf[2:], uint32(t.gotPlt.addr()+4))
		}
		l.i386Jump(buf[6:], t.gotPlt.addr()+8)
		pad(buf[12:16])
	}
	for i := range t.plt {
		at := l.entryAddr(i)
		b := buf[at-base:][:t.pltEntry]
		l.i386Jump(b, l.slotAddr(i))
		if t.pltHead == 0 {
			pad(b[6:])
			continue
		}
		b[6] = 0x68 // push the offset of the relocation
		le.PutUint32(b[7:], uint32(uint64(i)*l.relSize))
		b[11] = 0xe9 // jmp header
		le.PutUint32(b[12:], uint32(base-at-16))
	}
	return nil
}

func (i386) writeStubs(l *linker, buf []byte) error {
	t := &l.got
	for i, e := range t.stubs {
		b := buf[uint64(i)*t.stubSize:][:t.stubSize]
		l.i386Jump(b, l.gotWord(e.word))
		pad(b[6:])
	}
	return nil
}
