package elf

import "iter"

// maxSymName bounds the symbol names that are looked for in a string table,
// so that a table without NULs cannot make every symbol cost a full scan.
const maxSymName = 1 << 18

// Sym is a symbol table entry.
type Sym struct {
	Name  uint32 // offset in the string table
	Info  uint8
	Other uint8
	Shndx uint16
	Value uint64
	Size  uint64
}

// Bind returns the binding in st_info.
func (s Sym) Bind() SymBind { return SymBind(s.Info >> 4) }

// Type returns the type in st_info.
func (s Sym) Type() SymType { return SymType(s.Info & 15) }

// Visibility returns the visibility in st_other.
func (s Sym) Visibility() SymVis { return SymVis(s.Other & 3) }

// Defined reports whether the symbol is defined in its file.
func (s Sym) Defined() bool { return s.Shndx != SHN_UNDEF }

// Exported reports whether other files can bind to the symbol: defined, of a
// binding other than STB_LOCAL and neither hidden nor internal.
func (s Sym) Exported() bool {
	return s.Defined() && s.Bind() != STB_LOCAL && s.Other&3 != uint8(STV_HIDDEN) && s.Other&3 != uint8(STV_INTERNAL)
}

// decodeSym decodes the entry at the start of b, of at least 24 bytes.
func decodeSym(b []byte) Sym {
	_ = b[symSize-1]
	return Sym{le.Uint32(b), b[4], b[5], le.Uint16(b[6:]), le.Uint64(b[8:]), le.Uint64(b[16:])}
}

// SymTable is a symbol table with its string table.
type SymTable struct{ syms, strs []byte }

// Len returns the number of entries, the null entry 0 included.
func (t SymTable) Len() int { return len(t.syms) / symSize }

// At returns entry i, which must be below Len.
func (t SymTable) At(i int) Sym { return decodeSym(t.syms[i*symSize:]) }

// Name returns the name of s; "" when it is outside the string table.
func (t SymTable) Name(s Sym) string { return string(t.NameBytes(s)) }

// NameBytes is Name without a copy.
func (t SymTable) NameBytes(s Sym) []byte { return cstring(t.strs, uint64(s.Name), maxSymName) }

// All yields the index and value of every entry but the null entry.
func (t SymTable) All() iter.Seq2[uint32, Sym] {
	return func(yield func(uint32, Sym) bool) {
		for i := 1; i < t.Len(); i++ {
			if !yield(uint32(i), t.At(i)) {
				return
			}
		}
	}
}

// Find returns the function, object or symbol without a type that covers
// value v, the one that begins nearest to v if there are several; a symbol of
// size 0 covers its own address. SHN_ABS symbols are no addresses and are
// passed over. It is a linear search.
func (t SymTable) Find(v uint64) (uint32, Sym, bool) {
	var best Sym
	idx := uint32(0)
	for i := 1; i < t.Len(); i++ {
		s := t.At(i)
		if s.Value > v || !s.Defined() || s.Shndx == SHN_ABS || idx != 0 && s.Value <= best.Value {
			continue
		}
		switch s.Type() {
		case STT_FUNC, STT_OBJECT, STT_GNU_IFUNC, STT_NOTYPE:
		default:
			continue
		}
		if d := v - s.Value; d < s.Size || d == 0 && s.Size == 0 {
			best, idx = s, uint32(i)
		}
	}
	return idx, best, idx != 0
}

// NumSymbols returns the number of dynamic symbols, the null symbol 0
// included. PT_DYNAMIC does not give it: it is taken from DT_HASH, else from
// the chains of DT_GNU_HASH, else from a .dynsym section, else it is one more
// than the largest index that a relocation uses.
func (f *File) NumSymbols() int { return len(f.symtab) / symSize }

// Sym returns dynamic symbol i.
func (f *File) Sym(i uint32) (Sym, bool) {
	o := uint64(i) * symSize
	if o >= uint64(len(f.symtab)) {
		return Sym{}, false
	}
	return decodeSym(f.symtab[o:]), true
}

// SymBytes returns the entry of dynamic symbol i, which must be less than
// NumSymbols, as it stands in the table (gABI, "Symbol Table").
func (f *File) SymBytes(i uint32) []byte { return f.symtab[uint64(i)*symSize:][:symSize] }

// Touch reads what SymHashAt(i) needs beside the symbol, so that it is in the
// processor's cache soon.
func (f *File) Touch(i uint32) byte {
	if c := uint64(i-f.gnu.symoff) * 4; i >= f.gnu.symoff && c < uint64(len(f.gnu.chain)) {
		return f.gnu.chain[c]
	}
	if name := le.Uint32(f.SymBytes(i)); uint64(name) < uint64(len(f.strtab)) {
		return f.strtab[name]
	}
	return 0
}

// SymName returns the name of a dynamic symbol; "" when it is outside
// DT_STRTAB.
func (f *File) SymName(s Sym) string { return string(f.SymNameBytes(s)) }

// SymNameBytes is SymName without a copy.
func (f *File) SymNameBytes(s Sym) []byte { return cstring(f.strtab, uint64(s.Name), maxSymName) }

// DynSymbols returns the dynamic symbol table.
func (f *File) DynSymbols() SymTable { return SymTable{f.symtab, f.strtab} }

// FindSymbol returns the dynamic symbol of a function or an object that
// covers vaddr, as SymTable.Find does.
func (f *File) FindSymbol(vaddr uint64) (Sym, uint32, bool) {
	i, s, ok := f.DynSymbols().Find(vaddr)
	return s, i, ok
}

// parseSymbols finds the hash tables and the extent of the symbol table.
func (f *File) parseSymbols(n *dynNums) error {
	d := &f.Dynamic
	if d.Symtab == 0 {
		return nil
	}
	if n.symEnt != 0 && n.symEnt != symSize {
		return f.errAddr(nil, d.Symtab, "entries of DT_SYMTAB are %d bytes, wanted %d", n.symEnt, symSize)
	}
	region := f.tail(d.Symtab)
	if region == nil {
		return f.errAddr(ErrTruncated, d.Symtab, "DT_SYMTAB is not inside a PT_LOAD")
	}
	if err := f.parseGNUHash(); err != nil {
		return err
	}
	if err := f.parseSysVHash(); err != nil {
		return err
	}
	fit := uint64(len(region) / symSize)
	count, from := uint64(0), ""
	switch {
	case f.sysv.nchain > 0:
		count, from = uint64(f.sysv.nchain), "DT_HASH"
	case f.gnu.nbuckets > 0:
		var err error
		if count, err = f.gnuCount(fit); err != nil {
			return err
		}
		from = "DT_GNU_HASH"
	case d.GNUHash == 0 && d.Hash == 0:
		count, from = f.sectionCount(), ".dynsym"
		f.linear = count > 0
	}
	if count == 0 {
		count, from = f.relocCount(), "relocations"
	}
	if count > fit {
		return f.errAddr(ErrTruncated, d.Symtab, "DT_SYMTAB has %d symbols going by %s, but only %d fit in its PT_LOAD", count, from, fit)
	}
	f.symtab = region[: count*symSize : count*symSize]
	if d.Versym != 0 && count > 0 {
		var err error
		if f.versym, err = f.table("DT_VERSYM", Range{d.Versym, count * 2}); err != nil {
			return err
		}
	}
	return nil
}

// relocCount returns one more than the largest symbol index in a relocation,
// or 0 if there are no relocations with symbols.
func (f *File) relocCount() uint64 {
	top := uint32(0)
	for _, t := range []RelaTable{f.rela, f.pltRela} {
		for i := range t.Len() {
			top = max(top, t.At(i).Sym)
		}
	}
	for _, t := range []RelTable{f.rel, f.pltRel} {
		for i := range t.Len() {
			top = max(top, t.At(i).Sym)
		}
	}
	if top == 0 {
		return 0
	}
	return uint64(top) + 1
}

// sectionCount returns the number of symbols in the section header of
// DT_SYMTAB, or 0.
func (f *File) sectionCount() uint64 {
	sections, err := f.Sections()
	if err != nil {
		return 0
	}
	for i := range sections {
		if s := &sections[i]; s.Type == SHT_DYNSYM && s.Addr == f.Dynamic.Symtab {
			return s.Size / symSize
		}
	}
	return 0
}
