package rtld

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"weld/image/elf"
)

// sieve tells which objects of a scope may define a symbol, by its hash. A program of 200 libraries makes 60,000 lookups,
// each of which would ask 100 libraries in the mean before it comes to the one: half of the time to load it. A row of
// the sieve has a bit for each object, set if one of its symbols falls into that row.
type sieve struct {
	list  []*Object
	words int // of a row
	shift uint
	rows  []uint64
	all   []uint64 // objects without DT_GNU_HASH, which may define anything
}

// newSieve makes a sieve for the lookups of a plan in the given scope, or returns nil if that costs more than it saves.
func (p *plan) newSieve(list []*Object) *sieve {
	symbols, lookups := 0, 0
	for _, o := range list {
		symbols += len(o.File.GNUChain()) / 4
	}
	for _, o := range p.fresh {
		t := o.File.Rela()
		lookups += t.Len() - min(o.File.RelaCount(), t.Len()) + o.File.PltRel().Len()
	}
	// To note a symbol takes about four times as long as to ask an object in vain.
	if len(list) < 8 || lookups*len(list) < 4*symbols {
		return nil
	}
	const most = 1 << 16 // rows: as many as symbols, if that is not too much memory
	rows := 1 << bits.Len(uint(min(max(symbols, 1024), most)-1))
	s := &sieve{list: list, words: (len(list) + 63) / 64, shift: uint(32 - bits.Len(uint(rows)-1))}
	s.rows, s.all = make([]uint64, rows*s.words), make([]uint64, s.words)
	for i, o := range list {
		word, bit := i/64, uint64(1)<<(i%64)
		chain := o.File.GNUChain()
		if chain == nil {
			s.all[word] |= bit
		}
		for ; len(chain) >= 4; chain = chain[4:] {
			s.rows[s.row(binary.LittleEndian.Uint32(chain))+word] |= bit
		}
	}
	return s
}

// row returns where the row of a hash begins. The lowest bit of a hash is not in the chains.
func (s *sieve) row(hash uint32) int {
	const spread = 0x9E3779B1 // Fibonacci hashing
	return int(hash>>1*spread>>s.shift) * s.words
}

// find looks a symbol up in the scope of the sieve, as lookupIn does.
func (s *sieve) find(h *elf.NameHash, ver *elf.Version, flags elf.LookupFlags) (x *Object, idx uint32) {
	row := s.rows[s.row(h.GNU):]
	for w := range s.words {
		for m := row[w] | s.all[w]; m != 0; m &= m - 1 {
			x := s.list[w*64+bits.TrailingZeros64(m)]
			if idx := x.File.Find(h, ver, flags); idx != 0 {
				return x, idx
			}
		}
	}
	return nil, 0
}

// find looks a symbol up in the binder's scope.
func (b *binder) find(h *elf.NameHash, ver *elf.Version, flags elf.LookupFlags) (*Object, uint32) {
	if b.list == nil {
		b.list = b.o.searchList()
		if s := b.p.sieve; s != nil && slices.Equal(s.list, b.list) {
			b.sieve = s
		}
	}
	if b.sieve != nil {
		return b.sieve.find(h, ver, flags)
	}
	for _, x := range b.list {
		if idx := x.File.Find(h, ver, flags); idx != 0 {
			return x, idx
		}
	}
	return nil, 0
}
