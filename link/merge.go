package link

import (
	"bytes"
	"cmp"
	"math"
	"math/bits"
)

// A mergeInput is a section of an object whose strings or constants are merged with equal ones of others (SHF_MERGE).
type mergeInput struct {
	sec    uint32
	starts []uint32 // offsets of the pieces
	near   []uint32 // the pieces that multiples of nearStep are in
	refs   []mergeRef
	bins   [mergeShards + 1]uint32 // where in refs the pieces of each shard begin
	places []uint32                // where each piece has gone: its number in its shard, and once all are merged its offset in the merged section
	to     *mergedSection
}

// A mergeRef is a piece of a section. They are sorted by shards, and in each by their offsets.
type mergeRef struct {
	hash  uint32 // the lower bits
	k     uint32 // which piece
	shard uint8
}

// nearStep is how far apart the offsets are whose pieces can be looked up.
const nearStep = 32

const (
	mergeShardBits = 4
	mergeShards    = 1 << mergeShardBits
)

type mergeKey struct {
	out     *outSection
	flags   uint32
	entsize uint32
}

// A mergedSection is the merged content of sections of one kind. Its shards are parts of the output, one after the other.
type mergedSection struct {
	out     *outSection
	strings bool
	entsize uint64
	align   uint64
	inputs  []secRef
	content [][]byte // of the inputs
	shards  [mergeShards]mergeShard
}

// A mergeShard is the pieces whose hash begins alike.
type mergeShard struct {
	synth
	base    uint64 // offset from that of the first shard
	frags   []frag
	slots   []uint32
	fetched byte // see fetch
}

// A frag is a piece that is in the output.
type frag struct {
	off   uint64 // in the shard
	input uint32 // which of the inputs it is in first
	lo    uint32 // offset there
	size  uint32
	hash  uint32
	align uint8
}

// bytes returns the content of a piece.
func (m *mergedSection) bytes(f *frag) []byte { return m.content[f.input][f.lo:][:f.size] }

// mergeable reports whether a section can be split into pieces.
func (o *object) mergeable(i uint32) bool {
	s := &o.secs[i]
	if s.flags&shfMerge == 0 || s.flags&(shfWrite|shfExec) != 0 || s.entsize == 0 || s.rel != 0 || s.typ == shtNobits || s.size == 0 {
		return false
	}
	if s.size%uint64(s.entsize) != 0 || s.size >= 1<<32 {
		return false
	}
	if s.flags&shfStrings != 0 {
		if s.entsize != 1 && s.entsize != 2 && s.entsize != 4 {
			return false
		}
		b := o.bytes(i)
		for _, c := range b[len(b)-int(s.entsize):] {
			if c != 0 {
				return false // the last string does not end
			}
		}
	}
	return true
}

// A mergeSplit is memory for splitting sections, which is used again.
type mergeSplit struct {
	starts []uint32
	hashes []uint64
}

// splitMerge splits the mergeable sections of an object into pieces.
func (o *object) splitMerge(l *linker) {
	t, _ := l.mergeSplits.Get().(*mergeSplit)
	if t == nil {
		const usual = 4096
		t = &mergeSplit{tableOf[uint32](&l.mem, usual), tableOf[uint64](&l.mem, usual)}
	}
	defer l.mergeSplits.Put(t)
	for i := range o.secs {
		s := &o.secs[i]
		if s.state != secLive || s.flags&shfMerge == 0 || !o.mergeable(uint32(i)) {
			continue
		}
		b := o.bytes(uint32(i))
		ent := int(s.entsize)
		t.starts, t.hashes = t.starts[:0], t.hashes[:0]
		var count [mergeShards]uint32
		for off := 0; off < len(b); {
			n := ent
			if s.flags&shfStrings != 0 {
				n = stringLen(b[off:], ent)
			}
			h := hashName(b[off : off+n])
			count[h>>(64-mergeShardBits)]++
			t.starts = append(t.starts, uint32(off))
			t.hashes = append(t.hashes, h)
			off += n
		}
		m := mergeInput{
			sec: uint32(i), starts: tableOf[uint32](&l.mem, len(t.starts)), near: tableOf[uint32](&l.mem, (len(b)+nearStep-1)/nearStep),
			refs: tableOf[mergeRef](&l.mem, len(t.starts)), places: tableOf[uint32](&l.mem, len(t.starts)),
		}
		copy(m.starts, t.starts)
		for n, c := range count {
			m.bins[n+1] = m.bins[n] + c
		}
		at, next := m.bins, 0
		for k, h := range t.hashes {
			n := h >> (64 - mergeShardBits)
			m.refs[at[n]] = mergeRef{uint32(h), uint32(k), uint8(n)}
			at[n]++
			for ; next < len(m.near) && (k+1 == len(m.starts) || next*nearStep < int(m.starts[k+1])); next++ {
				m.near[next] = uint32(k)
			}
		}
		s.kind, s.extra = secMerge, int32(len(o.merges))
		o.merges = append(o.merges, m)
	}
}

// stringLen returns the length of the string at the start of b with its terminator of ent bytes, which there is.
func stringLen(b []byte, ent int) int {
	if ent == 1 {
		return bytes.IndexByte(b, 0) + 1
	}
	for i := 0; ; i += ent {
		if b[i] == 0 && b[i+1] == 0 && (ent == 2 || b[i+2] == 0 && b[i+3] == 0) {
			return i + ent
		}
	}
}

// piece returns where a piece of the section begins and ends, and its alignment.
func (m *mergeInput) piece(s *section, k uint32) (lo, hi uint32, align uint8) {
	lo, hi, align = m.starts[k], uint32(s.size), s.align
	if int(k)+1 < len(m.starts) {
		hi = m.starts[k+1]
	}
	if lo != 0 {
		align = min(align, uint8(bits.TrailingZeros32(lo)))
	}
	return lo, hi, align
}

// newMerged adds a merged section to an output section.
func (l *linker) newMerged(out *outSection, s *section) *mergedSection {
	m := &mergedSection{out: out, strings: s.flags&shfStrings != 0, entsize: uint64(s.entsize)}
	for n := range m.shards {
		sh := &m.shards[n]
		sh.out, sh.alone, sh.write = out, true, func(buf []byte) error { return sh.copy(m, buf) }
		l.addPart(&sh.synth)
	}
	l.merged = append(l.merged, m)
	return m
}

// mergeAll merges the pieces of all merged sections and lays them out.
func (l *linker) mergeAll() error {
	for _, m := range l.merged {
		for _, in := range m.inputs {
			m.content = append(m.content, l.objs[in.obj].bytes(in.sec))
		}
	}
	l.par(len(l.merged)*mergeShards, func(i int) {
		m, n := l.merged[i/mergeShards], i%mergeShards
		m.fill(l, n)
	})
	for _, m := range l.merged {
		end := uint64(0)
		for n := range m.shards {
			sh := &m.shards[n]
			sh.base = alignUp(end, m.align)
			end = sh.base + sh.size
		}
		if end > math.MaxUint32 {
			return fileErr(ErrTooLarge, cmp.Or(l.opt.Output, "the output"), "section "+m.out.name, "merged, it is larger than 4 GiB")
		}
	}
	l.par(len(l.objs), func(i int) {
		for k := range l.objs[i].merges {
			mi := &l.objs[i].merges[k]
			if mi.to == nil {
				continue
			}
			for _, r := range mi.refs {
				sh := &mi.to.shards[r.shard]
				mi.places[r.k] = uint32(sh.base + sh.frags[mi.places[r.k]].off)
			}
			mi.refs = nil
		}
	})
	return l.ctx.Err()
}

// fill enters the pieces of shard n, in the order of the inputs.
func (m *mergedSection) fill(l *linker, n int) {
	sh := &m.shards[n]
	count := 0
	for _, in := range m.inputs {
		o := l.objs[in.obj]
		mi := &o.merges[o.secs[in.sec].extra]
		count += int(mi.bins[n+1] - mi.bins[n])
	}
	size := 16
	for size < count {
		size *= 2
	}
	sh.slots = tableOf[uint32](&l.mem, size)
	sh.frags = tableOf[frag](&l.mem, min(count, max(1024, count/4)))[:0]
	for i, in := range m.inputs {
		o := l.objs[in.obj]
		s := &o.secs[in.sec]
		mi := &o.merges[s.extra]
		refs := mi.refs[mi.bins[n]:mi.bins[n+1]]
		for len(refs) > 0 {
			group := refs[:min(len(refs), mergeAhead)]
			refs = refs[len(group):]
			sh.fetch(m, mi, m.content[i], group)
			for _, r := range group {
				lo, hi, align := mi.piece(s, r.k)
				mi.places[r.k] = sh.add(l, m, &frag{input: uint32(i), lo: lo, size: hi - lo, hash: r.hash, align: align})
			}
		}
	}
	for i := range sh.frags {
		f := &sh.frags[i]
		f.off = alignUp(sh.size, 1<<f.align)
		sh.size = f.off + uint64(f.size)
	}
	sh.align = m.align
	sh.slots = nil
}

// copy writes the pieces to the output.
func (sh *mergeShard) copy(m *mergedSection, buf []byte) error {
	end := uint64(0)
	for i := range sh.frags {
		f := &sh.frags[i]
		clear(buf[end:f.off])
		end = f.off + uint64(copy(buf[f.off:], m.bytes(f)))
	}
	return nil
}

// mergeAhead is how many pieces are fetched together.
const mergeAhead = 16

// fetch reads the first byte of pieces, and of those that may be equal to them: the processor fetches them from memory all at once,
// where add would wait for one after the other.
func (sh *mergeShard) fetch(m *mergedSection, mi *mergeInput, content []byte, refs []mergeRef) {
	mask := uint32(len(sh.slots) - 1)
	var sum byte
	for _, r := range refs {
		sum += content[mi.starts[r.k]]
		if k := sh.slots[r.hash&mask]; k != 0 {
			f := &sh.frags[k-1]
			sum += m.content[f.input][f.lo]
		}
	}
	sh.fetched += sum
}

// add enters a piece and returns its number in the shard.
func (sh *mergeShard) add(l *linker, m *mergedSection, piece *frag) uint32 {
	mask := uint32(len(sh.slots) - 1)
	for i := piece.hash & mask; ; i = (i + 1) & mask {
		k := sh.slots[i]
		if k == 0 {
			if len(sh.frags) == cap(sh.frags) {
				sh.frags = append(tableOf[frag](&l.mem, 2*len(sh.frags))[:0], sh.frags...)
			}
			sh.frags = append(sh.frags, *piece)
			sh.slots[i] = uint32(len(sh.frags))
			if 4*len(sh.frags) > 3*len(sh.slots) {
				sh.grow()
			}
			return uint32(len(sh.frags) - 1)
		}
		if f := &sh.frags[k-1]; f.hash == piece.hash && f.size == piece.size && bytes.Equal(m.bytes(f), m.bytes(piece)) {
			f.align = max(f.align, piece.align)
			return k - 1
		}
	}
}

func (sh *mergeShard) grow() {
	sh.slots = make([]uint32, 2*len(sh.slots))
	mask := uint32(len(sh.slots) - 1)
	for k := range sh.frags {
		i := sh.frags[k].hash & mask
		for sh.slots[i] != 0 {
			i = (i + 1) & mask
		}
		sh.slots[i] = uint32(k) + 1
	}
}

// mergeAddr returns the address in the output of offset off of a merged section. An offset past the end is that far past the end
// of the last piece.
func (o *object) mergeAddr(s *section, off uint64) uint64 { return o.merges[s.extra].addr(off) }

func (m *mergeInput) addr(off uint64) uint64 {
	if m.to == nil {
		return 0
	}
	k := int(m.near[min(off/nearStep, uint64(len(m.near)-1))])
	for k+1 < len(m.starts) && uint64(m.starts[k+1]) <= off {
		k++
	}
	return m.to.shards[0].addr() + uint64(m.places[k]) + off - uint64(m.starts[k])
}
