package elf

// LookupFlags change what Lookup accepts.
type LookupFlags uint8

const (
	// LookupOldest is for an unversioned reference of an object that has
	// no version information: the base definition or the oldest version,
	// index 2, is taken first, even when hidden. Without it the rule is that
	// of dlsym. It has no effect on a lookup with a version.
	LookupOldest LookupFlags = 1 << iota
	// LookupPLT is for a reference through a PLT slot: undefined symbols
	// are passed over even when they have a value. Without it such a symbol
	// is a definition, the canonical PLT entry of a function in an executable
	// whose address is taken (psABI, "Function Addresses").
	LookupPLT
)

// Lookup finds the definition of a dynamic symbol that other files bind to:
// the index and value of the symbol. It does not allocate.
//
// With a version, a definition matches that has this version. If f has no
// DT_VERSYM, any definition matches; if the definition has no version (index
// 0 or 1), it matches unless it is hidden or ver.Hidden is set.
//
// Without a version, a definition matches that has no version. Failing that,
// one with a version matches if it is not hidden and is the only such one.
//
// Symbols of types other than NOTYPE, OBJECT, FUNC, COMMON, TLS and GNU_IFUNC
// are passed over, and so are those with neither a value nor SHN_ABS nor type
// TLS. If the match is local, hidden or internal, nothing is found. These are
// the rules of glibc's elf/dl-lookup.c.
func (f *File) Lookup(h *NameHash, ver *Version) (idx uint32, sym Sym, ok bool) {
	return f.LookupWith(h, ver, 0)
}

// LookupWith is Lookup with flags.
func (f *File) LookupWith(h *NameHash, ver *Version, flags LookupFlags) (idx uint32, sym Sym, ok bool) {
	if idx = f.Find(h, ver, flags); idx == 0 {
		return 0, Sym{}, false
	}
	sym, ok = f.Sym(idx)
	return idx, sym, ok
}

// Find is LookupWith for callers in a hurry: it returns the index only, 0 if
// there is no definition. The null symbol is none.
func (f *File) Find(h *NameHash, ver *Version, flags LookupFlags) uint32 {
	if h.invalid {
		return 0
	}
	// versioned is the first of count symbols that have a version when none
	// was asked for.
	var versioned, count uint32
	g := &f.gnu
	switch {
	case g.nbuckets != 0:
		hash := h.GNU
		word := le.Uint64(g.bloom[uint64(hash>>6&g.bloomMask)*8:])
		if word>>(hash&63)&(word>>(uint64(hash)>>(g.shift&63)&63))&1 == 0 {
			return 0
		}
		i := le.Uint32(g.buckets[uint64(g.div.mod(hash))*4:])
		if i < g.symoff || i == 0 {
			return 0
		}
		chain := g.chain
		for c := uint64(i-g.symoff) * 4; c+4 <= uint64(len(chain)); c += 4 {
			w := le.Uint32(chain[c:])
			if (w^hash)>>1 == 0 {
				switch f.match(i, h, ver, flags) {
				case matchYes:
					return f.found(i)
				case matchVersioned:
					if count++; count == 1 {
						versioned = i
					}
				}
			}
			if w&1 != 0 {
				break
			}
			i++
		}
	case f.sysv.nbucket != 0:
		t := &f.sysv
		i := le.Uint32(t.buckets[uint64(t.div.mod(h.SysV()))*4:])
		// A chain has at most one entry a symbol; more is a loop.
		for left := t.nchain; i != 0 && left > 0; left-- {
			c := uint64(i) * 4
			if c+4 > uint64(len(t.chain)) {
				break
			}
			switch f.match(i, h, ver, flags) {
			case matchYes:
				return f.found(i)
			case matchVersioned:
				if count++; count == 1 {
					versioned = i
				}
			}
			i = le.Uint32(t.chain[c:])
		}
	case f.linear:
		for i := uint32(1); uint64(i) < uint64(len(f.symtab)/symSize); i++ {
			switch f.match(i, h, ver, flags) {
			case matchYes:
				return f.found(i)
			case matchVersioned:
				if count++; count == 1 {
					versioned = i
				}
			}
		}
	}
	if count == 1 {
		return f.found(versioned)
	}
	return 0
}

type matchResult uint8

const (
	matchNo matchResult = iota
	matchYes
	matchVersioned // only if no other symbol matches
)

// symTypes are the types of symbols that can be definitions.
const symTypes = 1<<STT_NOTYPE | 1<<STT_OBJECT | 1<<STT_FUNC | 1<<STT_COMMON | 1<<STT_TLS | 1<<STT_GNU_IFUNC

// match compares symbol i, whose hash fits, with what is looked for.
func (f *File) match(i uint32, h *NameHash, ver *Version, flags LookupFlags) matchResult {
	o := uint64(i) * symSize
	if o >= uint64(len(f.symtab)) {
		return matchNo
	}
	b := f.symtab[o:][:symSize]
	typ := SymType(b[4] & 15)
	shndx := le.Uint16(b[6:])
	if le.Uint64(b[8:]) == 0 && shndx != SHN_ABS && typ != STT_TLS ||
		shndx == SHN_UNDEF && flags&LookupPLT != 0 ||
		symTypes>>typ&1 == 0 {
		return matchNo
	}
	if n := uint64(le.Uint32(b)); f != h.file || n != uint64(h.off) {
		name := h.name
		if !h.named {
			name = h.Name()
		}
		end := n + uint64(len(name))
		if end >= uint64(len(f.strtab)) || f.strtab[end] != 0 || string(f.strtab[n:end]) != name {
			return matchNo
		}
	}
	v := uint64(i) * 2
	if v+2 > uint64(len(f.versym)) {
		return matchYes
	}
	vs := le.Uint16(f.versym[v:])
	ndx, hidden := vs&0x7fff, vs&0x8000 != 0
	if ver == nil {
		limit := uint16(2)
		if flags&LookupOldest != 0 {
			limit = 3
		}
		switch {
		case ndx < limit:
			return matchYes
		case hidden:
			return matchNo
		}
		return matchVersioned
	}
	var have *Version
	if int(ndx) < len(f.versions) {
		have = &f.versions[ndx]
	}
	if have == nil || have.Hash == 0 && have.Name == "" {
		if hidden || ver.Hidden {
			return matchNo
		}
		return matchYes
	}
	if have.Hash != ver.Hash || have.Name != ver.Name {
		return matchNo
	}
	return matchYes
}

// found returns i if other files can bind to symbol i, else 0.
func (f *File) found(i uint32) uint32 {
	b := f.symtab[uint64(i)*symSize:][:symSize]
	if vis := SymVis(b[5] & 3); vis == STV_HIDDEN || vis == STV_INTERNAL {
		return 0
	}
	switch SymBind(b[4] >> 4) {
	case STB_GLOBAL, STB_WEAK, STB_GNU_UNIQUE:
		return i
	}
	return 0
}

// FindAt is Find for a symbol that has the hash of the name in DT_GNU_HASH. If
// it is not called so, another symbol of that hash may be: done is false then.
func (f *File) FindAt(i uint32, h *NameHash, ver *Version, flags LookupFlags) (idx uint32, done bool) {
	if h.invalid {
		return 0, true
	}
	switch f.match(i, h, ver, flags) {
	case matchYes:
		return f.found(i), true
	case matchVersioned: // the others decide
		return f.Find(h, ver, flags), true
	}
	return 0, false
}
