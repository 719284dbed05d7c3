package link

import (
	"math/bits"

	"weld/image/elf"
)

// A shared is a shared library that is linked against.
type shared struct {
	name     string // path
	soname   string // what DT_NEEDED says: before it is read, what it is if the library does not say
	data     []byte
	pos      uint64
	index    int32
	asNeeded bool
	needed   bool
	f        *elf.File
	syms     []uint32 // the dynamic symbols with a name in the symbol table
	names    nameBin
	versions map[string]uint16 // versions that are wanted of it, by output index
	byValue  map[uint64][]uint32
}

// parse reads the dynamic symbols.
func (d *shared) parse(l *linker) error {
	if _, err := parseHeader(d.name, d.data); err != nil {
		return err
	}
	data := d.data
	if l.class == class32 {
		var err error
		if data, err = widenShared(d.name, data); err != nil {
			return err
		}
	}
	f, err := elf.New(d.name, data)
	if err != nil {
		return &FileError{File: d.name, What: err.Error(), Kind: err}
	}
	if f.Type != elf.ET_DYN || !f.HasDynamic {
		return fileErr(ErrFormat, d.name, "", "an executable, not a shared library")
	}
	if f.Dynamic.Flags1&elf.DF_1_PIE != 0 {
		return fileErr(ErrFormat, d.name, "", "a position-independent executable, not a shared library")
	}
	d.f = f
	if f.Dynamic.Soname != "" {
		d.soname = f.Dynamic.Soname
	}
	tab := f.DynSymbols()
	for i := 1; i < tab.Len(); i++ {
		s := tab.At(i)
		switch {
		case s.Bind() == elf.STB_LOCAL, s.Type() == elf.STT_SECTION, s.Type() == elf.STT_FILE:
			continue
		case s.Defined():
			if v := f.Version(uint32(i)); v.Hidden || v.Index == elf.VER_NDX_LOCAL && f.HasVersions() || !s.Exported() {
				continue
			}
		}
		if len(tab.NameBytes(s)) == 0 {
			continue
		}
		d.syms = append(d.syms, uint32(i))
	}
	d.names.build(l, len(d.syms), func(k uint32, _ *nameRef) []byte { return tab.NameBytes(tab.At(int(d.syms[k]))) })
	return nil
}

// sym returns a dynamic symbol.
func (d *shared) sym(i uint32) elf.Sym {
	s, _ := d.f.Sym(i)
	return s
}

func (d *shared) globalName(k uint32) string {
	return viewString(d.f.SymNameBytes(d.sym(d.syms[k])))
}

// aliases returns the dynamic symbols that have the same value as symbol i.
func (d *shared) aliases(i uint32) []uint32 {
	if d.byValue == nil {
		d.byValue = map[uint64][]uint32{}
		for _, k := range d.syms {
			if s := d.sym(k); s.Defined() && s.Type() == elf.STT_OBJECT {
				d.byValue[s.Value] = append(d.byValue[s.Value], k)
			}
		}
	}
	return d.byValue[d.sym(i).Value]
}

// readOnly reports whether the library has the address in a segment or RELRO range that programs cannot write to.
func (d *shared) readOnly(addr uint64) bool {
	if r := d.f.Relro; r != nil && addr >= r.Vaddr && addr-r.Vaddr < r.Memsz {
		return true
	}
	for i := range d.f.Progs {
		p := &d.f.Progs[i]
		if p.Type == elf.PT_LOAD && addr >= p.Vaddr && addr-p.Vaddr < p.Memsz {
			return p.Flags&elf.PF_W == 0
		}
	}
	return false
}

// align returns the largest alignment that a copy of the data at addr could need: that of its section, or of its address.
func (d *shared) align(addr uint64) uint64 {
	limit := uint64(64)
	if secs, err := d.f.Sections(); err == nil {
		for i := range secs {
			s := &secs[i]
			if s.Flags&elf.SHF_ALLOC != 0 && addr >= s.Addr && addr-s.Addr < s.Size && s.Addralign > 0 {
				limit = min(s.Addralign, maxAlign)
				break
			}
		}
	}
	limit = 1 << (bits.Len64(limit) - 1)
	return min(limit, 1<<bits.TrailingZeros64(addr|maxAlign))
}

// needs returns the libraries that it needs.
func (d *shared) needs(soname string) bool {
	for _, n := range d.f.Dynamic.Needed {
		if n == soname {
			return true
		}
	}
	return false
}
