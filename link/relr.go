package link

import (
	"slices"
)

// Packed relative relocations (gABI, "Relative Relocation Table"): a word whose lowest bit is clear is the address of a word to
// be relocated, one with that bit set says by its other bits which of the words after it are too.
//
// Each output section is packed for itself, by offsets in it. So the size of the table is known before there are addresses.

// A relrRef is a word of a section that is relocated by a packed relocation.
type relrRef struct {
	sec uint32
	off uint64
}

// packable reports whether a word at an offset of a section is relocated by a packed relocation: it is aligned, and writable, as
// DT_TEXTREL says nothing of the table.
func (l *linker) packable(s *section, off uint64) bool {
	return l.opt.PackRelative && s.flags&shfWrite != 0 && off%l.class.word == 0 && uint64(1)<<s.align >= l.class.word
}

// gotRelative reports whether an entry of .got is moved by the load address.
func (l *linker) gotRelative(e gotEntry) bool {
	if e.kind != gotAddr || !l.pic {
		return false
	}
	s := l.syms.at(e.sym)
	return s.flags&isImported == 0 && s.kind != symUndef && !s.abs
}

// makeRelr makes the table, if there is something for it.
func (l *linker) makeRelr() {
	if !l.opt.PackRelative || !slices.ContainsFunc(l.objs, func(o *object) bool { return len(o.relrs) > 0 }) &&
		!slices.ContainsFunc(l.got.entries, l.gotRelative) {
		return
	}
	l.relr = l.synthSection(".relr.dyn", shtRelr, shfAlloc, l.class.word)
	l.relr.out.entsize = l.class.word
	l.relr.write = func(buf []byte) error {
		for _, list := range l.relrOffsets() {
			l.packRelr(list.offs, func(v uint64, address bool) {
				if address {
					v += list.out.addr
				}
				l.class.putWord(buf, v)
				buf = buf[l.class.word:]
			})
		}
		return nil
	}
}

// sizeRelr sizes the table, now that the offsets in sections are known.
func (l *linker) sizeRelr() {
	if l.relr == nil {
		return
	}
	l.relr.size = 0
	for _, list := range l.relrOffsets() {
		l.packRelr(list.offs, func(uint64, bool) { l.relr.size += l.class.word })
	}
	l.relr.out.size = l.relr.size
}

// A relrList is the offsets in an output section of words that are relocated, in order.
type relrList struct {
	out  *outSection
	offs []uint64
}

// relrOffsets returns the words by output section, in the order of those.
func (l *linker) relrOffsets() []relrList {
	byOut := make([][]uint64, len(l.outs))
	for _, o := range l.objs {
		for _, r := range o.relrs {
			s := &o.secs[r.sec]
			off := r.off
			if o.flipped(r.sec, l.outs[s.out], l.class.word) {
				off = s.size - l.class.word - off
			}
			byOut[s.out] = append(byOut[s.out], s.outOff+off)
		}
	}
	for _, e := range l.got.entries {
		if l.gotRelative(e) {
			out := l.got.got.out
			byOut[out.order] = append(byOut[out.order], l.got.got.off+l.class.word*uint64(e.word))
		}
	}
	var lists []relrList
	for i, offs := range byOut {
		if len(offs) > 0 {
			slices.Sort(offs)
			lists = append(lists, relrList{l.outs[i], slices.Compact(offs)})
		}
	}
	return lists
}

// packRelr packs the words at offs. emit is called for each word of the table; an address is given as the offset it is of.
func (l *linker) packRelr(offs []uint64, emit func(v uint64, address bool)) {
	word := l.class.word
	span := (8*word - 1) * word // the bytes that a bitmap tells of
	for i := 0; i < len(offs); {
		emit(offs[i], true)
		next := offs[i] + word
		i++
		for {
			bitmap := uint64(0)
			for i < len(offs) && offs[i]-next < span {
				bitmap |= 1 << ((offs[i] - next) / word)
				i++
			}
			if bitmap == 0 {
				break
			}
			emit(bitmap<<1|1, false)
			next += span
		}
	}
}
