package elf

import "bytes"

// maxNeeded bounds the DT_NEEDED, DT_FILTER and DT_AUXILIARY entries of a file.
const maxNeeded = 1 << 12

// maxPath bounds DT_RPATH and DT_RUNPATH.
const maxPath = 1 << 16

// Dyn is an entry of PT_DYNAMIC as it stands there.
type Dyn struct {
	Tag DynTag
	Val uint64
}

// Range is a range of addresses.
type Range struct {
	Addr, Size uint64
}

// Dynamic is PT_DYNAMIC decoded. Addresses are without the bias; an address
// of 0 means that the entry is absent. Where a tag that may stand once is
// repeated, the last one holds, as in glibc.
type Dynamic struct {
	Addr uint64 // vaddr of the section; entry i is at Addr+16*i

	Needed     []string // DT_NEEDED, in order
	Soname     string
	Rpath      string
	Runpath    string
	HasRpath   bool
	HasRunpath bool
	Filter     []string // DT_FILTER
	Auxiliary  []string // DT_AUXILIARY

	Flags    DynFlag
	Flags1   DynFlag1
	Symbolic bool // DT_SYMBOLIC or DF_SYMBOLIC
	TextRel  bool // DT_TEXTREL or DF_TEXTREL
	BindNow  bool // DT_BIND_NOW, DF_BIND_NOW or DF_1_NOW

	Init         uint64
	Fini         uint64
	InitArray    Range
	FiniArray    Range
	PreinitArray Range

	PltGot     uint64
	Rela       Range
	Rel        Range
	JmpRel     Range
	Relr       Range
	PltRel     DynTag // DT_RELA or DT_REL: the kind of JmpRel
	Strtab     Range
	Symtab     uint64
	Hash       uint64
	GNUHash    uint64
	Versym     uint64
	Verdef     uint64
	Verneed    uint64
	TLSDescPlt uint64
	TLSDescGot uint64

	DebugAddr uint64 // vaddr of the value of DT_DEBUG
}

// ptr takes the bias off an address that was relocated in place.
func (f *File) ptr(v uint64) uint64 {
	if f.bias != 0 && v >= f.bias {
		return v - f.bias
	}
	return v
}

// dynNums are the entries that are needed only while the tables are found.
type dynNums struct {
	relaEnt, relEnt, relrEnt, symEnt uint64
	relaCount                        uint64
	soname, rpath, runpath           uint64
	hasSoname                        bool
}

func (f *File) parseDynamic(p *Prog) error {
	size := p.Filesz
	if f.loaded {
		size = p.Memsz
	}
	b, ok := f.Bytes(p.Vaddr, size)
	if !ok {
		return f.errAddr(ErrTruncated, p.Vaddr, "PT_DYNAMIC of %#x bytes is not inside a PT_LOAD", size)
	}
	n := 0
	for ; ; n++ {
		if len(b)-n*dynSize < dynSize {
			return f.errAddr(nil, p.Vaddr, "PT_DYNAMIC of %#x bytes has no DT_NULL", size)
		}
		if le.Uint64(b[n*dynSize:]) == 0 {
			break
		}
	}
	f.HasDynamic = true
	f.Dynamic.Addr = p.Vaddr
	f.dyn = b[:n*dynSize]
	nums := f.decodeEntries()
	if err := f.parseStrings(&nums); err != nil {
		return err
	}
	if err := f.parseRelocs(&nums); err != nil {
		return err
	}
	if err := f.parseSymbols(&nums); err != nil {
		return err
	}
	return f.parseVersions(&nums)
}

// DynEntries returns the entries of PT_DYNAMIC up to, not including, DT_NULL,
// as they stand there now.
func (f *File) DynEntries() []Dyn {
	list := make([]Dyn, len(f.dyn)/dynSize)
	for i := range list {
		list[i] = f.dynEntry(i)
	}
	return list
}

func (f *File) dynEntry(i int) Dyn {
	b := f.dyn[i*dynSize:][:dynSize]
	return Dyn{DynTag(le.Uint64(b)), le.Uint64(b[8:])}
}

// decodeEntries sorts the entries that are not strings into f.Dynamic.
func (f *File) decodeEntries() dynNums {
	d := &f.Dynamic
	var n dynNums
	for i := range len(f.dyn) / dynSize {
		e := f.dynEntry(i)
		v := e.Val
		switch e.Tag {
		case DT_SONAME:
			n.soname, n.hasSoname = v, true
		case DT_RPATH:
			n.rpath, d.HasRpath = v, true
		case DT_RUNPATH:
			n.runpath, d.HasRunpath = v, true
		case DT_FLAGS:
			d.Flags = DynFlag(v)
		case DT_FLAGS_1:
			d.Flags1 = DynFlag1(v)
		case DT_SYMBOLIC:
			d.Symbolic = true
		case DT_TEXTREL:
			d.TextRel = true
		case DT_BIND_NOW:
			d.BindNow = true
		case DT_INIT:
			d.Init = f.ptr(v)
		case DT_FINI:
			d.Fini = f.ptr(v)
		case DT_INIT_ARRAY:
			d.InitArray.Addr = f.ptr(v)
		case DT_INIT_ARRAYSZ:
			d.InitArray.Size = v
		case DT_FINI_ARRAY:
			d.FiniArray.Addr = f.ptr(v)
		case DT_FINI_ARRAYSZ:
			d.FiniArray.Size = v
		case DT_PREINIT_ARRAY:
			d.PreinitArray.Addr = f.ptr(v)
		case DT_PREINIT_ARRAYSZ:
			d.PreinitArray.Size = v
		case DT_PLTGOT:
			d.PltGot = f.ptr(v)
		case DT_RELA:
			d.Rela.Addr = f.ptr(v)
		case DT_RELASZ:
			d.Rela.Size = v
		case DT_RELAENT:
			n.relaEnt = v
		case DT_RELACOUNT:
			n.relaCount = v
		case DT_REL:
			d.Rel.Addr = f.ptr(v)
		case DT_RELSZ:
			d.Rel.Size = v
		case DT_RELENT:
			n.relEnt = v
		case DT_JMPREL:
			d.JmpRel.Addr = f.ptr(v)
		case DT_PLTRELSZ:
			d.JmpRel.Size = v
		case DT_PLTREL:
			d.PltRel = DynTag(v)
		case DT_RELR:
			d.Relr.Addr = f.ptr(v)
		case DT_RELRSZ:
			d.Relr.Size = v
		case DT_RELRENT:
			n.relrEnt = v
		case DT_STRTAB:
			d.Strtab.Addr = f.ptr(v)
		case DT_STRSZ:
			d.Strtab.Size = v
		case DT_SYMTAB:
			d.Symtab = f.ptr(v)
		case DT_SYMENT:
			n.symEnt = v
		case DT_HASH:
			d.Hash = f.ptr(v)
		case DT_GNU_HASH:
			d.GNUHash = f.ptr(v)
		case DT_VERSYM:
			d.Versym = f.ptr(v)
		case DT_VERDEF:
			d.Verdef = f.ptr(v)
		case DT_VERNEED:
			d.Verneed = f.ptr(v)
		case DT_TLSDESC_PLT:
			d.TLSDescPlt = f.ptr(v)
		case DT_TLSDESC_GOT:
			d.TLSDescGot = f.ptr(v)
		case DT_DEBUG:
			d.DebugAddr = d.Addr + uint64(i)*dynSize + 8
		}
	}
	d.Symbolic = d.Symbolic || d.Flags&DF_SYMBOLIC != 0
	d.TextRel = d.TextRel || d.Flags&DF_TEXTREL != 0
	d.BindNow = d.BindNow || d.Flags&DF_BIND_NOW != 0 || d.Flags1&DF_1_NOW != 0
	return n
}

// parseStrings finds the string table and reads the names in PT_DYNAMIC.
func (f *File) parseStrings(n *dynNums) error {
	d := &f.Dynamic
	if d.Strtab.Addr != 0 && d.Strtab.Size != 0 {
		b, err := f.table("DT_STRTAB", d.Strtab)
		if err != nil {
			return err
		}
		if b[len(b)-1] != 0 {
			return f.errAddr(nil, d.Strtab.Addr, "DT_STRTAB of %#x bytes does not end with NUL", len(b))
		}
		f.strtab = b
	}
	count := 0
	for i := range len(f.dyn) / dynSize {
		e := f.dynEntry(i)
		var list *[]string
		switch e.Tag {
		case DT_NEEDED:
			list = &d.Needed
		case DT_FILTER:
			list = &d.Filter
		case DT_AUXILIARY:
			list = &d.Auxiliary
		default:
			continue
		}
		if count++; count > maxNeeded {
			return f.errAddr(ErrTooLarge, d.Addr, "more than %d DT_NEEDED, DT_FILTER and DT_AUXILIARY entries", maxNeeded)
		}
		s, err := f.dynString(e.Tag, e.Val, maxName)
		if err != nil {
			return err
		}
		*list = append(*list, s)
	}
	var err error
	if n.hasSoname {
		if d.Soname, err = f.dynString(DT_SONAME, n.soname, maxName); err != nil {
			return err
		}
	}
	if d.HasRpath {
		if d.Rpath, err = f.dynString(DT_RPATH, n.rpath, maxPath); err != nil {
			return err
		}
	}
	if d.HasRunpath {
		if d.Runpath, err = f.dynString(DT_RUNPATH, n.runpath, maxPath); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) dynString(tag DynTag, off uint64, limit int) (string, error) {
	b := cstring(f.strtab, off, limit)
	if b == nil {
		return "", f.errAddr(nil, f.Dynamic.Addr, "%v: string %#x is outside DT_STRTAB (%#x bytes) or longer than %#x", tag, off, len(f.strtab), limit)
	}
	return intern(b), nil
}

// cstring returns the NUL-terminated string at off in tab, without the NUL;
// nil if there is none or it is longer than limit.
func cstring(tab []byte, off uint64, limit int) []byte {
	if off >= uint64(len(tab)) {
		return nil
	}
	b := tab[off:]
	if len(b) > limit {
		b = b[:limit+1]
	}
	n := bytes.IndexByte(b, 0)
	if n < 0 {
		return nil
	}
	return b[:n:n]
}

// table returns the bytes of r, which the entry what gives.
func (f *File) table(what string, r Range) ([]byte, error) {
	b, ok := f.Bytes(r.Addr, r.Size)
	if !ok {
		return nil, f.errAddr(ErrTruncated, r.Addr, "%s of %#x bytes is not inside a PT_LOAD", what, r.Size)
	}
	return b, nil
}
