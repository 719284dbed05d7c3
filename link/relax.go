package link

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"sort"
)

// Relaxation: code of riscv64 is compiled for the worst case and becomes shorter where addresses are near. What is removed follows
// from the addresses, and they from what is removed, so that is repeated until nothing changes.

// A relaxSec is a section that bytes are taken out of.
type relaxSec struct {
	sec  uint32
	size uint64 // in the object
	// Of each relocation: what becomes of the code, how many bytes before it and how many at it are removed.
	acts    []uint8
	before  []uint32
	removed []uint32
	next    *relaxSec // the next round's
}

// removedBefore returns how many bytes before offset off of a section are removed.
func (o *object) removedBefore(s *section, off uint64) uint64 {
	x := &o.relaxes[s.extra]
	rels := o.relas(x.sec)
	n := len(x.before)
	i := sort.Search(n, func(i int) bool { return le.Uint64(rels[i*relaSize:]) >= off })
	if i < n {
		return uint64(x.before[i])
	}
	if n == 0 {
		return 0
	}
	return uint64(x.before[n-1] + x.removed[n-1])
}

// addrIn returns the address in the output of offset off of a section that is neither merged nor .eh_frame.
func (o *object) addrIn(s *section, off uint64) uint64 {
	if s.kind == secRelax {
		off -= o.removedBefore(s, off)
	}
	return s.addr + off
}

// sizeIn returns how long a symbol of a section is in the output.
func (o *object) sizeIn(shndx uint32, value, size uint64) uint64 {
	if shndx >= uint32(len(o.secs)) || o.secs[shndx].kind != secRelax || size == 0 {
		return size
	}
	s := &o.secs[shndx]
	return size - (o.removedBefore(s, value+size) - o.removedBefore(s, value))
}

// prepareRelax finds the sections that may become shorter. It sorts the relocations of code, as they are looked for by their offset.
func (o *object) prepareRelax() error {
	for i := range o.secs {
		s := &o.secs[i]
		if s.state != secLive || s.rel == 0 || s.kind != secPlain || s.flags&(shfAlloc|shfExec) != shfAlloc|shfExec || s.typ == shtNobits {
			continue
		}
		rels := o.sortedRelas(uint32(i))
		relax := false
		for b := rels; len(b) >= relaSize; b = b[relaSize:] {
			r := decodeRela(b)
			relax = relax || r.typ == rvRelax || r.typ == rvAlign
			if r.typ == rvAlign && (r.addend < 0 || !inRange(r.off, uint64(r.addend), s.size)) {
				return o.err(ErrReloc, o.place(uint32(i)), "relocation R_RISCV_ALIGN of %d bytes at %#x of %#x", r.addend, r.off, s.size)
			}
		}
		if !relax {
			continue
		}
		if s.size >= 1<<31 {
			return o.err(ErrTooLarge, o.place(uint32(i)), "%#x bytes of code that is to be relaxed", s.size)
		}
		n := len(rels) / relaSize
		s.kind, s.extra = secRelax, int32(len(o.relaxes))
		o.relaxes = append(o.relaxes, relaxSec{sec: uint32(i), size: s.size, acts: make([]uint8, n), before: make([]uint32, n), removed: make([]uint32, n)})
	}
	return nil
}

// Rounds of relaxation. From stickyRound on code that has stayed long is not shortened any more, so that it ends.
const (
	stickyRound = 10
	maxRounds   = 200
)

func (riscv64) relax(l *linker) (bool, error) {
	round := l.relaxRound
	l.relaxRound++
	if round > maxRounds {
		return false, fileErr(ErrTooLarge, cmp.Or(l.opt.Output, "the output"), "", "sizes of code do not settle: alignments of sections contradict those in them")
	}
	err := l.parErr(len(l.objs), func(i int) error {
		o := l.objs[i]
		for k := range o.relaxes {
			if o.secs[o.relaxes[k].sec].state != secLive {
				continue
			}
			if err := l.relaxSection(o, &o.relaxes[k], round >= stickyRound); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	changed := false
	for _, o := range l.objs {
		for k := range o.relaxes {
			x := &o.relaxes[k]
			n := x.next
			if n == nil {
				continue
			}
			changed = changed || !bytes.Equal(x.acts, n.acts) || !slices.Equal(x.removed, n.removed)
			x.acts, n.acts = n.acts, x.acts
			x.before, n.before = n.before, x.before
			x.removed, n.removed = n.removed, x.removed
			if c := len(x.before); c > 0 {
				o.secs[x.sec].size = x.size - uint64(x.before[c-1]+x.removed[c-1])
			}
		}
	}
	return changed, nil
}

// relaxSection decides on what becomes of each relocation of a section, going by the addresses of the last layout.
func (l *linker) relaxSection(o *object, x *relaxSec, sticky bool) error {
	if x.next == nil {
		n := len(x.acts)
		x.next = &relaxSec{acts: make([]uint8, n), before: make([]uint32, n), removed: make([]uint32, n)}
	}
	s := &o.secs[x.sec]
	rels, data := o.relas(x.sec), o.bytes(x.sec)
	a := applier{l: l, o: o, sec: x.sec, addr: s.addr}
	gp, hasGP := l.globalPointer()
	var delta uint32
	var end uint64 // of the last code that has been changed
	for i := range x.acts {
		r := decodeRela(rels[i*relaSize:])
		act, remove, length := uint8(rvKeep), uint32(0), uint64(0)
		loc := s.addr + r.off - uint64(delta)
		switch {
		case r.typ == rvAlign:
			length = uint64(r.addend)
			align := uint64(1)
			for align < length+2 {
				align <<= 1
			}
			if length > 0 {
				if r.off < end {
					return o.err(ErrReloc, o.place(x.sec), "relocation R_RISCV_ALIGN at %#x is in code that is rewritten", r.off)
				}
				if want := alignUp(loc, align) - loc; want <= length {
					act, remove = rvAligned, uint32(length-want)
				} else {
					return o.err(ErrReloc, fmt.Sprintf("(%s+%#x)", o.secName(x.sec), r.off), "%d bytes do not suffice to align code to %d", length, align)
				}
			}
		case l.opt.NoRelax || !relaxMarked(rels[(i+1)*relaSize:], r.off) || sticky && x.acts[i] == rvKeep || r.off < end:
		default:
			act, remove, length = a.rvShorten(&r, data, loc, gp, hasGP)
		}
		if act != rvKeep {
			end = r.off + length
		}
		x.next.acts[i], x.next.before[i], x.next.removed[i] = act, delta, remove
		delta += remove
	}
	return nil
}

// relaxMarked reports whether the first relocation is the mark that the code at off may be changed.
func relaxMarked(rels []byte, off uint64) bool {
	return len(rels) >= relaSize && le.Uint64(rels) == off && le.Uint32(rels[8:]) == rvRelax
}

// copyRelaxed copies a section without what is removed.
func (o *object) copyRelaxed(buf []byte, x *relaxSec) {
	data, rels := o.bytes(x.sec), o.relas(x.sec)
	from := uint64(0)
	for i, n := range x.removed {
		if n == 0 {
			continue
		}
		r := decodeRela(rels[i*relaSize:])
		end := r.off + rvLength(&r)
		buf = buf[copy(buf, data[from:end-uint64(n)]):]
		from = end
	}
	copy(buf, data[from:])
}
