package link

import (
	"bytes"
	"math/bits"
	"sort"
)

// A mergeInput is a section of an object whose strings or constants are merged with equal ones of others (SHF_MERGE).
type mergeInput struct {
	sec    uint32
	starts []uint32 // offsets of the pieces
	hash   []uint64
	frags  []uint32 // where each piece has gone: the shard and the index in it
	bins   [mergeShards][]uint32
	to     *mergedSection
}

const (
	mergeShardBits = 4
	mergeShards    = 1 << mergeShardBits
	fragMask       = 1<<(32-mergeShardBits) - 1
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
	shards  [mergeShards]mergeShard
}

// A mergeShard is the pieces whose hash begins alike.
type mergeShard struct {
	synth
	frags []frag
	slots []uint32
}

// A frag is a piece that is in the output.
type frag struct {
	hash  uint64
	data  []byte
	off   uint64 // in the shard
	align uint8
}

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

// splitMerge splits the mergeable sections of an object into pieces.
func (o *object) splitMerge() {
	for i := range o.secs {
		s := &o.secs[i]
		if s.state != secLive || !o.mergeable(uint32(i)) {
			continue
		}
		m := mergeInput{sec: uint32(i)}
		b := o.bytes(uint32(i))
		ent := int(s.entsize)
		for off := 0; off < len(b); {
			n := ent
			if s.flags&shfStrings != 0 {
				n = stringLen(b[off:], ent)
			}
			h := hashName(b[off : off+n])
			shard := h >> (64 - mergeShardBits)
			m.bins[shard] = append(m.bins[shard], uint32(len(m.starts)))
			m.starts = append(m.starts, uint32(off))
			m.hash = append(m.hash, h)
			off += n
		}
		m.frags = make([]uint32, len(m.starts))
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

// piece returns the bytes and the alignment of a piece of a section.
func (m *mergeInput) piece(o *object, k uint32) ([]byte, uint8) {
	s := &o.secs[m.sec]
	b := o.bytes(m.sec)
	lo := m.starts[k]
	hi := uint32(len(b))
	if int(k)+1 < len(m.starts) {
		hi = m.starts[k+1]
	}
	align := s.align
	if lo != 0 {
		align = min(align, uint8(bits.TrailingZeros32(lo)))
	}
	return b[lo:hi], align
}

// newMerged adds a merged section to an output section.
func (l *linker) newMerged(out *outSection, s *section) *mergedSection {
	m := &mergedSection{out: out, strings: s.flags&shfStrings != 0, entsize: uint64(s.entsize)}
	for n := range m.shards {
		sh := &m.shards[n]
		sh.out, sh.alone, sh.write = out, true, sh.copy
		l.addPart(&sh.synth)
	}
	l.merged = append(l.merged, m)
	return m
}

// mergeAll merges the pieces of all merged sections and lays them out.
func (l *linker) mergeAll() error {
	l.par(len(l.merged)*mergeShards, func(i int) {
		m, n := l.merged[i/mergeShards], i%mergeShards
		m.fill(l, n)
	})
	return l.ctx.Err()
}

// fill enters the pieces of shard n, in the order of the inputs.
func (m *mergedSection) fill(l *linker, n int) {
	sh := &m.shards[n]
	count := 0
	for _, in := range m.inputs {
		o := l.objs[in.obj]
		count += len(o.merges[o.secs[in.sec].extra].bins[n])
	}
	size := 16
	for size < count {
		size *= 2
	}
	sh.slots = make([]uint32, size)
	for _, in := range m.inputs {
		o := l.objs[in.obj]
		mi := &o.merges[o.secs[in.sec].extra]
		for _, k := range mi.bins[n] {
			data, align := mi.piece(o, k)
			mi.frags[k] = uint32(n)<<(32-mergeShardBits) | sh.add(mi.hash[k], data, align)
		}
	}
	for i := range sh.frags {
		f := &sh.frags[i]
		f.off = alignUp(sh.size, 1<<f.align)
		sh.size = f.off + uint64(len(f.data))
	}
	sh.align = m.align
	sh.slots = nil
}

// copy writes the pieces to the output.
func (sh *mergeShard) copy(buf []byte) error {
	end := uint64(0)
	for i := range sh.frags {
		f := &sh.frags[i]
		clear(buf[end:f.off])
		end = f.off + uint64(copy(buf[f.off:], f.data))
	}
	return nil
}

func (sh *mergeShard) add(hash uint64, data []byte, align uint8) uint32 {
	mask := uint64(len(sh.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		k := sh.slots[i]
		if k == 0 {
			sh.frags = append(sh.frags, frag{hash: hash, data: data, align: align})
			sh.slots[i] = uint32(len(sh.frags))
			if 4*len(sh.frags) > 3*len(sh.slots) {
				sh.grow()
			}
			return uint32(len(sh.frags) - 1)
		}
		if f := &sh.frags[k-1]; f.hash == hash && bytes.Equal(f.data, data) {
			f.align = max(f.align, align)
			return k - 1
		}
	}
}

func (sh *mergeShard) grow() {
	sh.slots = make([]uint32, 2*len(sh.slots))
	mask := uint64(len(sh.slots) - 1)
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
func (o *object) mergeAddr(s *section, off uint64) uint64 {
	m := &o.merges[s.extra]
	if m.to == nil {
		return 0
	}
	k := sort.Search(len(m.starts), func(i int) bool { return uint64(m.starts[i]) > off }) - 1
	k = max(k, 0)
	sh := &m.to.shards[m.frags[k]>>(32-mergeShardBits)]
	f := &sh.frags[m.frags[k]&fragMask]
	return sh.addr() + f.off + off - uint64(m.starts[k])
}
