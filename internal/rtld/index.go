package rtld

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"weld/image/elf"
)

// index tells which symbols of a list of objects have a certain hash (DT_GNU_HASH), so that a lookup need not ask all the
// objects: in a program of 200 libraries that is most of the time that its start takes. It is a table with linear
// probing: entries of one hash stand in the order of the list, those of one object in the order of its symbols.
type index struct {
	list  []*Object
	slots []entry
	shift uint8
}

// entry is a slot of an index, 0 if it is free: from the top 24 bits that tell hashes of one place in the table apart, 12
// of the object's number in the list, 28 of the symbol's number.
type entry uint64

const (
	tagBits, objectBits, symbolBits = 24, 12, 28
)

// newIndex returns an index for the lookups of a plan in the given list, nil where lookups in an object do not go by such
// a hash, or where the index takes longer to make than it saves.
func (p *plan) newIndex(list []*Object) *index {
	if len(list) > 1<<objectBits {
		return nil
	}
	total, lookups := 0, 0
	for _, o := range p.fresh {
		t := o.File.Rela()
		lookups += t.Len() - min(o.File.RelaCount(), t.Len()) + o.File.PltRel().Len()
	}
	for _, o := range list {
		first, hashes, ok := o.File.GNUHashes()
		if !ok || o.live != nil || int(first)+len(hashes)/4 > 1<<symbolBits {
			return nil
		}
		total += len(hashes) / 4
	}
	if len(list) < 32 || lookups*len(list) < 4*total { // to note a symbol takes as long as to ask four objects in vain
		return nil
	}
	log := max(bits.Len(uint(total+total/2)), 32-tagBits)
	x := &index{list: list, slots: make([]entry, 1<<log), shift: uint8(32 - log)}
	populate(x.slots)
	mask := uint32(len(x.slots) - 1)
	for n, o := range list {
		first, hashes, _ := o.File.GNUHashes()
		for s := first; len(hashes) >= 4; hashes, s = hashes[4:], s+1 {
			if s == 0 {
				continue // the null symbol defines nothing
			}
			p := place(binary.LittleEndian.Uint32(hashes))
			i := p >> x.shift
			for x.slots[i] != 0 {
				i = (i + 1) & mask
			}
			x.slots[i] = entry(p)<<(objectBits+symbolBits) | entry(n)<<symbolBits | entry(s)
		}
	}
	return x
}

// place spreads the hashes, which differ by more than the lowest bit, over 32 bits, no two to the same.
func place(hash uint32) uint32 { return hash >> 1 * 0x9e3779b1 }

// find returns the first definition, nil if there is none.
func (x *index) find(h *elf.NameHash, ver *elf.Version, flags elf.LookupFlags) (*Object, uint32) {
	p := place(h.GNU)
	mask := uint32(len(x.slots) - 1)
	var passed *Object // it has been asked and defines nothing that fits
	for i := p >> x.shift; x.slots[i] != 0; i = (i + 1) & mask {
		e := x.slots[i]
		if e>>(objectBits+symbolBits) != entry(p)&(1<<tagBits-1) {
			continue
		}
		o := x.list[e>>symbolBits&(1<<objectBits-1)]
		if o == passed {
			continue
		}
		sym, done := o.File.FindAt(uint32(e&(1<<symbolBits-1)), h, ver, flags)
		if sym != 0 {
			return o, sym
		}
		if done {
			passed = o
		}
	}
	return nil, 0
}

// liveIndex stands for the index of a symbol of a live object, which has none.
const liveIndex = ^uint32(0)

// find looks a symbol up in the binder's list.
func (b *binder) find(h *elf.NameHash, ver *elf.Version, flags elf.LookupFlags) (*Object, uint32) {
	if b.list == nil {
		b.list = b.o.searchList()
		if x := b.p.index; x != nil && slices.Equal(x.list, b.list) {
			b.index = x
		}
	}
	if b.index != nil {
		return b.index.find(h, ver, flags)
	}
	for _, x := range b.list {
		if idx := x.File.Find(h, ver, flags); idx != 0 {
			return x, idx
		}
		if x.live != nil {
			if _, ok := x.define(h, ver); ok {
				return x, liveIndex
			}
		}
	}
	return nil, 0
}
