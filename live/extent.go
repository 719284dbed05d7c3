package live

import (
	"math"
	"math/bits"
)

// extent is a piece of a space, free or not, that lies in one chunk. The extents of a space are in a list by address, without
// gaps; the free ones are in another one with those of like size as well.
type extent struct {
	off, size   uint64
	chunk       *chunk
	free        bool
	prev, next  *extent // by address
	left, right *extent // of its bin
}

// space hands out a range of addresses. Extents are found by size (two-level segregated fit: Masmano, Ripoll, Crespo
// and Real, 2004), so that neither alloc nor release takes longer the more there are. What was never handed out is in
// free extents like the others, and the largest, so it comes last.
type space struct {
	last  *extent
	bins  [levels * subLevels]*extent
	words [(levels*subLevels + 63) / 64]uint64 // which bins have an extent
	used  uint64
}

const (
	granule   = 16 // sizes and offsets are multiples of it
	subBits   = 2
	subLevels = 1 << subBits
	levels    = 30
)

// add makes a space larger, by what follows its end and is in a chunk.
func (s *space) add(c *chunk, off, size uint64) {
	e := &extent{off: off, size: size, chunk: c, prev: s.last}
	if s.last != nil {
		s.last.next = e
	}
	s.last = e
	s.used += size
	s.release(e)
}

// binOf returns the bin that extents of a size are in.
func binOf(size uint64) int {
	n := size / granule
	l := bits.Len64(n) - 1
	if l < subBits {
		return int(n)
	}
	return (l-subBits+1)<<subBits + int(n>>(l-subBits)&(subLevels-1))
}

func (s *space) put(e *extent) {
	b := binOf(e.size)
	e.free = true
	e.left, e.right = nil, s.bins[b]
	if e.right != nil {
		e.right.left = e
	}
	s.bins[b] = e
	s.words[b/64] |= 1 << (b % 64)
}

func (s *space) take(e *extent) {
	e.free = false
	if e.right != nil {
		e.right.left = e.left
	}
	if e.left != nil {
		e.left.right = e.right
	} else {
		b := binOf(e.size)
		s.bins[b] = e.right
		if e.right == nil {
			s.words[b/64] &^= 1 << (b % 64)
		}
	}
	e.left, e.right = nil, nil
}

// fits returns where in e an extent of a size could lie.
func (e *extent) fits(size, align uint64) (off uint64, ok bool) {
	off = (e.off + align - 1) &^ (align - 1)
	return off, off+size <= e.off+e.size
}

// find returns a free extent with room, of the smallest bin that has one. The first bin, and if there is an alignment
// others, may have extents that are too small: of each so many are looked at, and all only if that finds nothing.
func (s *space) find(size, align uint64) *extent {
	if e := s.search(size, align, 8); e != nil {
		return e
	}
	return s.search(size, align, math.MaxInt)
}

func (s *space) search(size, align uint64, tries int) *extent {
	for b := binOf(size); b < len(s.bins); b++ {
		w := s.words[b/64] >> (b % 64)
		if w == 0 {
			b |= 63
			continue
		}
		b += bits.TrailingZeros64(w)
		n := 0
		for e := s.bins[b]; e != nil && n < tries; e, n = e.right, n+1 {
			if _, ok := e.fits(size, align); ok {
				return e
			}
		}
	}
	return nil
}

// alloc makes e an extent of the space. size is not 0, align a power of two.
func (s *space) alloc(e *extent, size, align uint64) bool {
	size = (size + granule - 1) &^ (granule - 1)
	align = max(align, granule)
	f := s.find(size, align)
	if f == nil {
		return false
	}
	s.take(f)
	off, _ := f.fits(size, align)
	*e = extent{off: off, size: size, chunk: f.chunk, prev: f.prev, next: f.next}
	if before := off - f.off; before > 0 {
		g := &extent{off: f.off, size: before, chunk: f.chunk, prev: f.prev, next: e}
		if g.prev != nil {
			g.prev.next = g
		}
		e.prev = g
		s.put(g)
	} else if e.prev != nil {
		e.prev.next = e
	}
	if after := f.off + f.size - (off + size); after > 0 {
		f.off, f.size, f.prev = off+size, after, e
		e.next = f
		s.put(f)
	} else {
		if e.next != nil {
			e.next.prev = e
		} else {
			s.last = e
		}
	}
	s.used += size
	return true
}

// release gives e back, joined with what is free beside it.
func (s *space) release(e *extent) {
	s.used -= e.size
	f := &extent{off: e.off, size: e.size, chunk: e.chunk, prev: e.prev, next: e.next}
	if p := f.prev; p != nil && p.free && p.chunk == f.chunk {
		s.take(p)
		f.off, f.size, f.prev = p.off, p.size+f.size, p.prev
	}
	if n := f.next; n != nil && n.free && n.chunk == f.chunk {
		s.take(n)
		f.size, f.next = f.size+n.size, n.next
	}
	if f.prev != nil {
		f.prev.next = f
	}
	if f.next != nil {
		f.next.prev = f
	} else {
		s.last = f
	}
	s.put(f)
}

// top returns the end of the last extent that is not free, 0 if there is none.
func (s *space) top() uint64 {
	for e := s.last; e != nil; e = e.prev {
		if !e.free {
			return e.off + e.size
		}
	}
	return 0
}
