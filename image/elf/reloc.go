package elf

import "iter"

// Rela is a relocation with an addend.
type Rela struct {
	Off    uint64 // vaddr to be changed
	Sym    uint32 // index in the dynamic symbol table; 0 for none
	Type   uint32 // such as R_X86_64_RELATIVE
	Addend int64
}

// Rel is a relocation whose addend stands in the place to be changed.
type Rel struct {
	Off  uint64
	Sym  uint32
	Type uint32
}

// RelaTable is a table of Rela entries.
type RelaTable struct{ data []byte }

// Len returns the number of entries.
func (t RelaTable) Len() int { return len(t.data) / relaSize }

// At returns entry i, which must be below Len.
func (t RelaTable) At(i int) Rela {
	b := t.data[i*relaSize:][:relaSize]
	info := le.Uint64(b[8:])
	return Rela{le.Uint64(b), uint32(info >> 32), uint32(info), int64(le.Uint64(b[16:]))}
}

// Slice returns the entries from lo up to, not including, hi.
func (t RelaTable) Slice(lo, hi int) RelaTable {
	return RelaTable{t.data[lo*relaSize : hi*relaSize]}
}

// Bytes returns the table as it stands in the file: 24 bytes an entry.
func (t RelaTable) Bytes() []byte { return t.data }

// All yields the index and value of every entry.
func (t RelaTable) All() iter.Seq2[int, Rela] {
	return func(yield func(int, Rela) bool) {
		for i := range t.Len() {
			if !yield(i, t.At(i)) {
				return
			}
		}
	}
}

// RelTable is a table of Rel entries.
type RelTable struct{ data []byte }

// Len returns the number of entries.
func (t RelTable) Len() int { return len(t.data) / relSize }

// At returns entry i, which must be below Len.
func (t RelTable) At(i int) Rel {
	b := t.data[i*relSize:][:relSize]
	info := le.Uint64(b[8:])
	return Rel{le.Uint64(b), uint32(info >> 32), uint32(info)}
}

// Slice returns the entries from lo up to, not including, hi.
func (t RelTable) Slice(lo, hi int) RelTable {
	return RelTable{t.data[lo*relSize : hi*relSize]}
}

// Bytes returns the table as it stands in the file: 16 bytes an entry.
func (t RelTable) Bytes() []byte { return t.data }

// RelrTable is a table of relative relocations in the packed form of
// DT_RELR (gABI, "Relative Relocation Table").
type RelrTable struct{ data []byte }

// Len returns the number of words, which is not that of relocations.
func (t RelrTable) Len() int { return len(t.data) / 8 }

// Word returns word i, which must be below Len.
func (t RelrTable) Word(i int) uint64 { return le.Uint64(t.data[i*8:]) }

// Bytes returns the table as it stands in the file: 8 bytes a word.
func (t RelrTable) Bytes() []byte { return t.data }

// All yields the vaddr of every word to be relocated. An even word is an
// address, relocated itself; an odd word is a bitmap of the 63 words after
// those that the words before it covered.
func (t RelrTable) All() iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		var next uint64
		for i := range t.Len() {
			w := t.Word(i)
			if w&1 == 0 {
				if !yield(w) {
					return
				}
				next = w + 8
				continue
			}
			addr := next
			for w >>= 1; w != 0; w >>= 1 {
				if w&1 != 0 && !yield(addr) {
					return
				}
				addr += 8
			}
			next += 63 * 8
		}
	}
}

// Count returns the number of relocations that All yields.
func (t RelrTable) Count() int {
	n := 0
	for range t.All() {
		n++
	}
	return n
}

// Rela returns the relocations of DT_RELA, less those of DT_JMPREL where
// that lies inside.
func (f *File) Rela() RelaTable { return f.rela }

// Rel returns the relocations of DT_REL, less those of DT_JMPREL where that
// lies inside.
func (f *File) Rel() RelTable { return f.rel }

// PltRel returns the relocations of DT_JMPREL when DT_PLTREL is DT_RELA.
func (f *File) PltRel() RelaTable { return f.pltRela }

// PltRelRel returns the relocations of DT_JMPREL when DT_PLTREL is DT_REL.
func (f *File) PltRelRel() RelTable { return f.pltRel }

// Relr returns the relocations of DT_RELR.
func (f *File) Relr() RelrTable { return f.relr }

// RelaCount returns DT_RELACOUNT, at most Rela().Len(): how many entries at
// the start of Rela the linker says are relative. The types of these are not
// checked.
func (f *File) RelaCount() int { return f.relaCnt }

func (f *File) parseRelocs(n *dynNums) error {
	d := &f.Dynamic
	rela, err := f.relocTable("DT_RELA", d.Rela, n.relaEnt, relaSize)
	if err != nil {
		return err
	}
	rel, err := f.relocTable("DT_REL", d.Rel, n.relEnt, relSize)
	if err != nil {
		return err
	}
	relr, err := f.relocTable("DT_RELR", d.Relr, n.relrEnt, 8)
	if err != nil {
		return err
	}
	f.relr = RelrTable{relr}
	if f.relr.Len() > 0 && f.relr.Word(0)&1 != 0 {
		return f.errAddr(nil, d.Relr.Addr, "DT_RELR begins with a bitmap (%#x), wanted an address", f.relr.Word(0))
	}
	head := false
	if d.JmpRel.Addr != 0 && d.JmpRel.Size != 0 {
		switch d.PltRel {
		case DT_RELA:
			plt, err := f.relocTable("DT_JMPREL", d.JmpRel, relaSize, relaSize)
			if err != nil {
				return err
			}
			f.pltRela = RelaTable{plt}
			if rela, head, err = f.cutPlt("DT_RELA", d.Rela, rela); err != nil {
				return err
			}
		case DT_REL:
			plt, err := f.relocTable("DT_JMPREL", d.JmpRel, relSize, relSize)
			if err != nil {
				return err
			}
			f.pltRel = RelTable{plt}
			if rel, _, err = f.cutPlt("DT_REL", d.Rel, rel); err != nil {
				return err
			}
		default:
			return f.errAddr(nil, d.Addr, "DT_PLTREL is %v, wanted DT_RELA or DT_REL", d.PltRel)
		}
	}
	f.rela, f.rel = RelaTable{rela}, RelTable{rel}
	// The entries counted from the start of DT_RELA are not those that are
	// left when DT_JMPREL was the start.
	if !head {
		f.relaCnt = int(min(n.relaCount, uint64(f.rela.Len())))
	}
	return nil
}

// relocTable returns the bytes of a table whose entries have size want.
func (f *File) relocTable(what string, r Range, ent, want uint64) ([]byte, error) {
	if r.Addr == 0 || r.Size == 0 {
		return nil, nil
	}
	if ent != 0 && ent != want {
		return nil, f.errAddr(nil, r.Addr, "entries of %s are %d bytes, wanted %d", what, ent, want)
	}
	if r.Size%want != 0 {
		return nil, f.errAddr(nil, r.Addr, "%s of %#x bytes is not a whole number of %d-byte entries", what, r.Size, want)
	}
	return f.table(what, r)
}

// cutPlt takes DT_JMPREL off the start or the end of table b, which is at r.
func (f *File) cutPlt(what string, r Range, b []byte) (rest []byte, head bool, err error) {
	p := f.Dynamic.JmpRel
	rEnd, pEnd := r.Addr+uint64(len(b)), p.Addr+p.Size
	switch {
	case len(b) == 0 || p.Addr >= rEnd || pEnd <= r.Addr:
		return b, false, nil
	case p.Addr >= r.Addr && pEnd == rEnd:
		return b[:p.Addr-r.Addr], p.Addr == r.Addr, nil
	case p.Addr == r.Addr && pEnd < rEnd:
		return b[p.Size:], true, nil
	}
	return nil, false, f.errAddr(nil, p.Addr, "DT_JMPREL %#x-%#x overlaps %s %#x-%#x other than at its start or end", p.Addr, pEnd, what, r.Addr, rEnd)
}
