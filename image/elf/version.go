package elf

// maxVersions bounds the version entries of a file: twice the number of
// version indices there are.
const maxVersions = 1 << 16

// Version is a symbol version: one that a reference asks for, or that a
// definition has.
type Version struct {
	Name string
	Hash uint32 // SysVHash(Name)
	File string // for a reference: the library it is wanted from (vn_file)
	// Hidden is bit 15 of vna_other, and is set for dlvsym: a definition
	// without a version does not match.
	Hidden bool
}

// NewVersion returns the version to look up a definition of exactly this
// version, as dlvsym does.
func NewVersion(name string) *Version {
	return &Version{Name: name, Hash: SysVHash(name), Hidden: true}
}

// VersionRef is an entry of DT_VERSYM.
type VersionRef struct {
	Index  uint16 // 0 is local, 1 global without a version
	Hidden bool   // not the default version of its name
}

// VerNeed is the versions that are wanted of one library (DT_VERNEED).
type VerNeed struct {
	File     string
	Versions []VerNeedVersion
}

// VerNeedVersion is a wanted version.
type VerNeedVersion struct {
	Name   string
	Hash   uint32
	Flags  VersionFlag
	Weak   bool // VER_FLG_WEAK: its absence is not an error
	Index  uint16
	Hidden bool
}

// VerDef is a version that the file defines (DT_VERDEF).
type VerDef struct {
	Name    string
	Index   uint16
	Flags   VersionFlag
	Base    bool // VER_FLG_BASE: the name of the file itself
	Weak    bool // VER_FLG_WEAK
	Parents []string
	Hash    uint32
}

// HasVersions reports whether the file has DT_VERSYM.
func (f *File) HasVersions() bool { return f.versym != nil }

// Version returns the DT_VERSYM entry of dynamic symbol i; index 1 if there
// is none.
func (f *File) Version(i uint32) VersionRef {
	o := uint64(i) * 2
	if o+2 > uint64(len(f.versym)) {
		return VersionRef{Index: VER_NDX_GLOBAL}
	}
	v := le.Uint16(f.versym[o:])
	return VersionRef{v & 0x7fff, v&0x8000 != 0}
}

// VersionNeeds returns the versions that the file wants of others. The slice
// is not to be changed.
func (f *File) VersionNeeds() []VerNeed { return f.verNeeds }

// VersionDefs returns the versions that the file defines. The slice is not
// to be changed. The list is made by the first call: few libraries are asked.
func (f *File) VersionDefs() []VerDef {
	f.defsOnce.Do(func() {
		if f.Dynamic.Verdef != 0 {
			p := versionParser{f: f, budget: f.nameBudget(), list: true}
			p.defs(f.Dynamic.Verdef) // without an error, as when the file was read
		}
	})
	return f.verDefs
}

// VersionName returns the name of version idx, and for a wanted version the
// library it is wanted from. It is false for the indices 0 and 1 and for
// those that the file does not describe.
func (f *File) VersionName(idx uint16) (name, file string, ok bool) {
	if int(idx) >= len(f.versions) {
		return "", "", false
	}
	v := &f.versions[idx]
	return v.Name, v.File, v.Name != "" || v.Hash != 0
}

// SymVersion returns the version of dynamic symbol i, for an undefined
// symbol the one to look up; nil if it has none. It does not allocate, and
// the Version is not to be changed.
func (f *File) SymVersion(i uint32) *Version {
	ndx := f.Version(i).Index
	if int(ndx) >= len(f.versions) {
		return nil
	}
	v := &f.versions[ndx]
	if v.Hash == 0 && v.Name == "" {
		return nil
	}
	return v
}

// versionParser reads DT_VERNEED and DT_VERDEF. The total of the long names is
// bounded: strings that overlap in one table must not add up to more than a few
// times the table.
type versionParser struct {
	f       *File
	budget  int
	entries int
	list    bool // defs makes the list of definitions, and else the table by index
}

func (f *File) nameBudget() int { return 4*len(f.strtab) + maxName }

// usual is how many entries of a table there is room made for at once, if the
// file says that there are so many.
const usual = 16

func (f *File) parseVersions(n *dynNums) error {
	d := &f.Dynamic
	if d.Verneed == 0 && d.Verdef == 0 {
		return nil
	}
	p := versionParser{f: f, budget: f.nameBudget()}
	f.verNeeds = make([]VerNeed, 0, min(len(d.Needed), usual))
	if d.Verneed != 0 {
		if err := p.needs(d.Verneed); err != nil {
			return err
		}
	}
	if d.Verdef != 0 {
		if err := p.defs(d.Verdef); err != nil {
			return err
		}
	}
	return nil
}

// entry returns the size bytes at off in b, the table at addr.
func (p *versionParser) entry(what string, b []byte, addr, off, size uint64) ([]byte, error) {
	if off > uint64(len(b)) || size > uint64(len(b))-off {
		return nil, p.f.errAddr(ErrTruncated, addr+off, "an entry of %s is not inside a PT_LOAD", what)
	}
	if p.entries++; p.entries > maxVersions {
		return nil, p.f.errAddr(ErrTooLarge, addr+off, "more than %d version entries", maxVersions)
	}
	if end := addr + off + size; end > p.f.verEnd { // for others may read it when the list is made
		p.f.verEnd = end
	}
	return b[off : off+size], nil
}

// next checks the distance to the next entry: 0 for none, else at least the
// size of an entry, so that a chain cannot stand still.
func (p *versionParser) next(what string, at uint64, dist uint32, size uint64) error {
	if dist != 0 && uint64(dist) < size {
		return p.f.errAddr(nil, at, "the next entry of %s is at a distance of %d bytes, within this one of %d: the chain overlaps itself", what, dist, size)
	}
	return nil
}

func (p *versionParser) str(what string, at uint64, off uint32) (string, error) {
	b, err := p.name(what, at, off)
	return intern(b), err
}

func (p *versionParser) name(what string, at uint64, off uint32) ([]byte, error) {
	b := cstring(p.f.strtab, uint64(off), maxName)
	if b == nil {
		return nil, p.f.errAddr(nil, at, "%s: string %#x is outside DT_STRTAB (%#x bytes) or longer than %#x", what, off, len(p.f.strtab), maxName)
	}
	if len(b) > longName {
		p.budget -= len(b)
	}
	if p.budget < 0 {
		return nil, p.f.errAddr(ErrTooLarge, at, "%s: the names add up to more than four times DT_STRTAB", what)
	}
	return b, nil
}

// set enters a version in the table by index. It is the first of so many whose
// indices as a rule follow each other.
func (p *versionParser) set(ndx uint16, v Version, more int) {
	if ndx <= VER_NDX_GLOBAL {
		return
	}
	f := p.f
	if f.versions == nil {
		f.versions = make([]Version, 0, int(ndx)+min(more, usual))
	}
	if n := int(ndx) + 1 - len(f.versions); n > 0 {
		f.versions = append(f.versions, make([]Version, n)...)
	}
	f.versions[ndx] = v
}

func (p *versionParser) needs(addr uint64) error {
	const what, needSize, auxSize = "DT_VERNEED", 16, 16
	f, b := p.f, p.f.tail(addr)
	for off := uint64(0); ; {
		e, err := p.entry(what, b, addr, off, needSize)
		if err != nil {
			return err
		}
		if v := le.Uint16(e); v != 1 {
			return f.errAddr(nil, addr+off, "vn_version is %d, wanted 1", v)
		}
		need := VerNeed{}
		if need.File, err = p.str(what, addr+off, le.Uint32(e[4:])); err != nil {
			return err
		}
		count := le.Uint16(e[2:])
		need.Versions = make([]VerNeedVersion, 0, min(count, usual))
		aux := off + uint64(le.Uint32(e[8:]))
		for range count {
			a, err := p.entry(what, b, addr, aux, auxSize)
			if err != nil {
				return err
			}
			flags, other := VersionFlag(le.Uint16(a[4:])), le.Uint16(a[6:])
			v := VerNeedVersion{Hash: le.Uint32(a), Flags: flags, Weak: flags&VER_FLG_WEAK != 0, Index: other & 0x7fff, Hidden: other&0x8000 != 0}
			if v.Name, err = p.str(what, addr+aux, le.Uint32(a[8:])); err != nil {
				return err
			}
			need.Versions = append(need.Versions, v)
			p.set(v.Index, Version{v.Name, v.Hash, need.File, v.Hidden}, int(count))
			dist := le.Uint32(a[12:])
			if err := p.next(what, addr+aux, dist, auxSize); err != nil {
				return err
			}
			if dist == 0 {
				break
			}
			aux += uint64(dist)
		}
		f.verNeeds = append(f.verNeeds, need)
		dist := le.Uint32(e[12:])
		if err := p.next(what, addr+off, dist, needSize); err != nil || dist == 0 {
			return err
		}
		off += uint64(dist)
	}
}

func (p *versionParser) defs(addr uint64) error {
	const what, defSize, auxSize = "DT_VERDEF", 20, 8
	f, b := p.f, p.f.tail(addr)
	for off := uint64(0); ; {
		e, err := p.entry(what, b, addr, off, defSize)
		if err != nil {
			return err
		}
		if v := le.Uint16(e); v != 1 {
			return f.errAddr(nil, addr+off, "vd_version is %d, wanted 1", v)
		}
		flags, count := VersionFlag(le.Uint16(e[2:])), le.Uint16(e[6:])
		if count == 0 {
			return f.errAddr(nil, addr+off, "a version definition has no name (vd_cnt is 0)")
		}
		def := VerDef{Index: le.Uint16(e[4:]) & 0x7fff, Flags: flags, Base: flags&VER_FLG_BASE != 0, Weak: flags&VER_FLG_WEAK != 0, Hash: le.Uint32(e[8:])}
		aux := off + uint64(le.Uint32(e[12:]))
		for i := range count {
			a, err := p.entry(what, b, addr, aux, auxSize)
			if err != nil {
				return err
			}
			name, err := p.name(what, addr+aux, le.Uint32(a))
			switch {
			case err != nil:
				return err
			case i == 0:
				def.Name = intern(name)
			case p.list:
				def.Parents = append(def.Parents, intern(name))
			}
			dist := le.Uint32(a[4:])
			if err := p.next(what, addr+aux, dist, auxSize); err != nil {
				return err
			}
			if dist == 0 {
				break
			}
			aux += uint64(dist)
		}
		switch {
		case p.list:
			f.verDefs = append(f.verDefs, def)
		case !def.Base:
			p.set(def.Index, Version{Name: def.Name, Hash: def.Hash}, 1)
		}
		dist := le.Uint32(e[16:])
		if err := p.next(what, addr+off, dist, defSize); err != nil || dist == 0 {
			return err
		}
		off += uint64(dist)
	}
}
