package elf

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// editor changes a file in place.
type editor struct {
	t    *testing.T
	data []byte
	f    *File // the file before it was changed
}

func (e *editor) u16(off uint64, v uint16) { le.PutUint16(e.data[off:], v) }
func (e *editor) u32(off uint64, v uint32) { le.PutUint32(e.data[off:], v) }
func (e *editor) u64(off uint64, v uint64) { le.PutUint64(e.data[off:], v) }

// off returns the file offset of an address.
func (e *editor) off(vaddr uint64) uint64 {
	o, ok := e.f.Offset(vaddr)
	if !ok {
		e.t.Fatalf("address %#x is not in the file", vaddr)
	}
	return o
}

// prog returns the file offset of the n-th program header of a type.
func (e *editor) prog(typ ProgType, n int) uint64 {
	for i, p := range e.f.Progs {
		if p.Type == typ {
			if n == 0 {
				return e.f.phdrOff(i)
			}
			n--
		}
	}
	e.t.Fatalf("no such %v", typ)
	return 0
}

// dyn sets the value of an entry of PT_DYNAMIC.
func (e *editor) dyn(tag DynTag, v uint64) {
	for i, d := range e.f.DynEntries() {
		if d.Tag == tag {
			e.u64(e.off(e.f.Dynamic.Addr)+uint64(i)*16+8, v)
			return
		}
	}
	e.t.Fatalf("no %v", tag)
}

// retag changes the tag of an entry of PT_DYNAMIC.
func (e *editor) retag(tag, to DynTag) {
	for i, d := range e.f.DynEntries() {
		if d.Tag == tag {
			e.u64(e.off(e.f.Dynamic.Addr)+uint64(i)*16, uint64(to))
			return
		}
	}
	e.t.Fatalf("no %v", tag)
}

const big = 1<<63 + 1<<62

// malformed lists changes that New must refuse.
var malformed = []struct {
	name string
	edit func(e *editor)
	kind error
	what string // part of the message
}{
	{"empty", func(e *editor) { e.data = nil }, ErrNotELF, "empty"},
	{"magic", func(e *editor) { e.data[1] = 'e' }, ErrNotELF, "not an ELF file"},
	{"archive", func(e *editor) { copy(e.data, "!<arch>\n") }, ErrNotELF, "ar archive"},
	{"e_ident", func(e *editor) { e.data = e.data[:9] }, ErrTruncated, "e_ident"},
	{"header", func(e *editor) { e.data = e.data[:60] }, ErrTruncated, "wanted 64 bytes"},
	{"class", func(e *editor) { e.data[4] = 1; e.u16(18, uint16(EM_386)) }, ErrClass, "wrong class ELFCLASS32 (machine i386), wanted ELFCLASS64"},
	{"class 3", func(e *editor) { e.data[4] = 3 }, ErrClass, "unknown class"},
	{"byte order", func(e *editor) { e.data[5] = 2; binary.BigEndian.PutUint16(e.data[18:], uint16(EM_S390)) }, ErrByteOrder, "machine s390"},
	{"byte order 0", func(e *editor) { e.data[5] = 0 }, ErrByteOrder, "unknown byte order"},
	{"e_version", func(e *editor) { e.u32(20, 2) }, nil, "e_version"},
	{"e_phentsize", func(e *editor) { e.u16(54, 32) }, nil, "e_phentsize is 32"},
	{"e_phoff", func(e *editor) { e.u64(32, ^uint64(0)-8) }, ErrTruncated, "program headers"},
	{"e_phnum", func(e *editor) { e.u16(56, 0xfffe) }, ErrTruncated, "65534 program headers"},
	{"PN_XNUM", func(e *editor) { e.u16(56, 0xffff); e.u64(40, big) }, ErrTruncated, "PN_XNUM"},
	{"PN_XNUM number", func(e *editor) { e.u16(56, 0xffff); e.u32(e.f.Shoff+44, ^uint32(0)) }, ErrTruncated, "4294967295 program headers"},
	{"p_filesz 16 EB", func(e *editor) { e.u64(e.prog(PT_LOAD, 1)+32, ^uint64(0)) }, ErrTruncated, "extends past the end"},
	{"p_offset", func(e *editor) { e.u64(e.prog(PT_LOAD, 1)+8, ^uint64(0)-0xfff) }, ErrTruncated, "extends past the end"},
	{"p_filesz", func(e *editor) { e.u64(e.prog(PT_LOAD, 1)+40, 1) }, nil, "larger than p_memsz"},
	{"p_vaddr wraps", func(e *editor) { e.u64(e.prog(PT_LOAD, 1)+16, ^uint64(0)-15) }, nil, "wraps around"},
	{"p_memsz wraps", func(e *editor) { e.u64(e.prog(PT_LOAD, 1)+40, ^uint64(0)) }, nil, "wraps around"},
	{"PT_INTERP", func(e *editor) { e.u32(e.prog(PT_NOTE, 0), uint32(PT_INTERP)); e.u64(e.prog(PT_NOTE, 0)+32, 1) }, nil, "does not end with NUL"},
	{"PT_INTERP size", func(e *editor) { e.u32(e.prog(PT_NOTE, 0), uint32(PT_INTERP)); e.u64(e.prog(PT_NOTE, 0)+32, 5000) }, nil, "at most 0x1000"},
	{"PT_INTERP offset", func(e *editor) { e.u32(e.prog(PT_NOTE, 0), uint32(PT_INTERP)); e.u64(e.prog(PT_NOTE, 0)+8, big) }, ErrTruncated, "outside the file"},
	{"PT_DYNAMIC outside", func(e *editor) { e.u64(e.prog(PT_DYNAMIC, 0)+16, big) }, ErrTruncated, "PT_DYNAMIC"},
	{"PT_DYNAMIC size", func(e *editor) { e.u64(e.prog(PT_DYNAMIC, 0)+32, ^uint64(0)) }, ErrTruncated, "PT_DYNAMIC"},
	{"no DT_NULL", func(e *editor) { e.u64(e.prog(PT_DYNAMIC, 0)+32, uint64(len(e.f.DynEntries()))*16) }, nil, "no DT_NULL"},
	{"DT_STRTAB", func(e *editor) { e.dyn(DT_STRTAB, big) }, ErrTruncated, "DT_STRTAB"},
	{"DT_STRSZ", func(e *editor) { e.dyn(DT_STRSZ, ^uint64(0)) }, ErrTruncated, "DT_STRTAB of 0xffffffffffffffff bytes"},
	{"DT_STRSZ short", func(e *editor) { e.dyn(DT_STRSZ, e.f.Dynamic.Strtab.Size-3) }, nil, "does not end with NUL"},
	{"string table without end", func(e *editor) { r := e.f.Dynamic.Strtab; e.data[e.off(r.Addr)+r.Size-1] = 'x' }, nil, "does not end with NUL"},
	{"DT_NEEDED", func(e *editor) { e.dyn(DT_NEEDED, e.f.Dynamic.Strtab.Size) }, nil, "DT_NEEDED: string"},
	{"DT_SONAME", func(e *editor) { e.dyn(DT_SONAME, ^uint64(0)) }, nil, "DT_SONAME: string"},
	{"DT_RUNPATH", func(e *editor) { e.dyn(DT_RUNPATH, ^uint64(0)) }, nil, "DT_RUNPATH: string"},
	{"no DT_STRTAB", func(e *editor) { e.retag(DT_STRTAB, 0x60001234) }, nil, "outside DT_STRTAB (0x0 bytes)"},
	{"DT_SYMENT", func(e *editor) { e.dyn(DT_SYMENT, 16) }, nil, "wanted 24"},
	{"DT_SYMTAB", func(e *editor) { e.dyn(DT_SYMTAB, big) }, ErrTruncated, "DT_SYMTAB"},
	{"DT_RELASZ", func(e *editor) { e.dyn(DT_RELASZ, 25) }, nil, "whole number of 24-byte entries"},
	{"DT_RELASZ 16 EB", func(e *editor) { e.dyn(DT_RELASZ, ^uint64(0)/24*24) }, ErrTruncated, "DT_RELA of"},
	{"DT_RELA", func(e *editor) { e.dyn(DT_RELA, ^uint64(0)-7) }, ErrTruncated, "DT_RELA of"},
	{"DT_RELAENT", func(e *editor) { e.dyn(DT_RELAENT, 16) }, nil, "entries of DT_RELA are 16 bytes"},
	{"DT_PLTREL", func(e *editor) { e.dyn(DT_PLTREL, 5) }, nil, "DT_PLTREL is DT_STRTAB"},
	{"DT_PLTRELSZ", func(e *editor) { e.dyn(DT_PLTRELSZ, 1) }, nil, "DT_JMPREL"},
	{"DT_JMPREL", func(e *editor) { e.dyn(DT_JMPREL, big) }, ErrTruncated, "DT_JMPREL"},
	{"DT_JMPREL in the middle", func(e *editor) { e.dyn(DT_JMPREL, e.f.Dynamic.Rela.Addr+24) }, nil, "overlaps DT_RELA"},
	{"DT_JMPREL across the end", func(e *editor) { r := e.f.Dynamic.Rela; e.dyn(DT_JMPREL, r.Addr+r.Size-24) }, nil, "overlaps DT_RELA"},
	{"DT_RELRENT", func(e *editor) { e.dyn(DT_RELRENT, 4) }, nil, "entries of DT_RELR are 4 bytes"},
	{"DT_RELR bitmap first", func(e *editor) { e.u64(e.off(e.f.Dynamic.Relr.Addr), 3) }, nil, "begins with a bitmap"},
	{"DT_VERSYM", func(e *editor) { e.dyn(DT_VERSYM, big) }, ErrTruncated, "DT_VERSYM"},
	{"DT_VERNEED", func(e *editor) { e.dyn(DT_VERNEED, big) }, ErrTruncated, "DT_VERNEED"},
	{"DT_VERDEF", func(e *editor) { e.dyn(DT_VERDEF, big) }, ErrTruncated, "DT_VERDEF"},
	{"vn_version", func(e *editor) { e.u16(e.off(e.f.Dynamic.Verneed), 2) }, nil, "vn_version is 2"},
	{"vn_next in itself", func(e *editor) { e.u32(e.off(e.f.Dynamic.Verneed)+12, 4) }, nil, "overlaps itself"},
	{"vn_next outside", func(e *editor) { e.u32(e.off(e.f.Dynamic.Verneed)+12, 0xfffffff0) }, ErrTruncated, "an entry of DT_VERNEED"},
	{"vn_aux outside", func(e *editor) { e.u32(e.off(e.f.Dynamic.Verneed)+8, 0xfffffff0) }, ErrTruncated, "an entry of DT_VERNEED"},
	{"vn_file", func(e *editor) { e.u32(e.off(e.f.Dynamic.Verneed)+4, ^uint32(0)) }, nil, "DT_VERNEED: string"},
	{"vna_next in itself", func(e *editor) { e.u16(e.off(e.f.Dynamic.Verneed)+2, 9); e.u32(e.off(e.f.Dynamic.Verneed)+16+12, 1) }, nil, "overlaps itself"},
	{"vna_name", func(e *editor) { e.u32(e.off(e.f.Dynamic.Verneed)+16+8, ^uint32(0)) }, nil, "DT_VERNEED: string"},
	{"vd_version", func(e *editor) { e.u16(e.off(e.f.Dynamic.Verdef), 0) }, nil, "vd_version is 0"},
	{"vd_cnt", func(e *editor) { e.u16(e.off(e.f.Dynamic.Verdef)+6, 0) }, nil, "vd_cnt is 0"},
	{"vd_next in itself", func(e *editor) { e.u32(e.off(e.f.Dynamic.Verdef)+16, 1) }, nil, "overlaps itself"},
	{"vd_next outside", func(e *editor) { e.u32(e.off(e.f.Dynamic.Verdef)+16, 0xffffffe4) }, ErrTruncated, "an entry of DT_VERDEF"},
	{"vda_next in itself", func(e *editor) { e.u32(e.off(e.f.Dynamic.Verdef)+20+4, 2) }, nil, "overlaps itself"},
	{"vda_name", func(e *editor) { e.u32(e.off(e.f.Dynamic.Verdef)+20, ^uint32(0)) }, nil, "DT_VERDEF: string"},
	{"DT_GNU_HASH", func(e *editor) { e.dyn(DT_GNU_HASH, big) }, ErrTruncated, "header of DT_GNU_HASH"},
	{"Bloom words 3", func(e *editor) { e.u32(e.off(e.f.Dynamic.GNUHash)+8, 3) }, nil, "3 words, wanted a power of two"},
	{"Bloom words 0", func(e *editor) { e.u32(e.off(e.f.Dynamic.GNUHash)+8, 0) }, nil, "0 words, wanted a power of two"},
	{"Bloom words 2^31", func(e *editor) { e.u32(e.off(e.f.Dynamic.GNUHash)+8, 1<<31) }, ErrTruncated, "Bloom words"},
	{"Bloom shift", func(e *editor) { e.u32(e.off(e.f.Dynamic.GNUHash)+12, 64) }, nil, "shift of 64"},
	{"GNU nbuckets", func(e *editor) { e.u32(e.off(e.f.Dynamic.GNUHash), ^uint32(0)) }, ErrTruncated, "4294967295 buckets"},
	{"GNU bucket high", func(e *editor) { e.u32(e.bucket(), 1<<30) }, nil, "has no end"},
	{"GNU symoffset high", func(e *editor) { e.u32(e.off(e.f.Dynamic.GNUHash)+4, 1<<30) }, nil, "before the first hashed symbol"},
	{"GNU chain without end", func(e *editor) {
		chain := e.bucket() + uint64(e.f.gnu.nbuckets)*4
		clear(e.data[chain:e.off(e.f.Dynamic.Init)])
	}, nil, ""},
	{"e_shoff in PN_XNUM", func(e *editor) { e.u16(56, 0xffff); e.u64(40, 0) }, ErrTruncated, "PN_XNUM"},
}

// bucket returns the offset of the first bucket of DT_GNU_HASH.
func (e *editor) bucket() uint64 {
	return e.off(e.f.Dynamic.GNUHash) + 16 + uint64(len(e.f.gnu.bloom))
}

// malformedSysV is the same for a library with DT_HASH only.
var malformedSysV = []struct {
	name string
	edit func(e *editor)
	kind error
	what string
}{
	{"DT_HASH", func(e *editor) { e.dyn(DT_HASH, big) }, ErrTruncated, "header of DT_HASH"},
	{"nbucket", func(e *editor) { e.u32(e.off(e.f.Dynamic.Hash), ^uint32(0)) }, ErrTruncated, "4294967295 buckets"},
	{"nchain", func(e *editor) { e.u32(e.off(e.f.Dynamic.Hash)+4, ^uint32(0)) }, ErrTruncated, "4294967295 chain entries"},
	{"nchain and DT_SYMTAB", func(e *editor) { e.u32(e.off(e.f.Dynamic.Hash)+4, 300) }, ErrTruncated, ""},
}

// unloadable lists changes that CheckLoad must refuse.
var unloadable = []struct {
	name string
	edit func(e *editor)
	kind error
	what string
}{
	{"type", func(e *editor) { e.u16(16, uint16(ET_REL)) }, ErrType, "type ET_REL cannot be loaded"},
	{"core", func(e *editor) { e.u16(16, uint16(ET_CORE)) }, ErrType, "ET_CORE"},
	{"p_align 3", func(e *editor) { e.u64(e.prog(PT_LOAD, 1)+48, 3) }, nil, "not a power of two"},
	{"p_align 2^63", func(e *editor) {
		e.u64(e.prog(PT_LOAD, 1)+48, 1<<63)
		e.u64(e.prog(PT_LOAD, 1)+8, e.f.Progs[1].Off-4096)
	}, nil, "differ modulo p_align"},
	{"page size", func(e *editor) { e.u64(e.prog(PT_LOAD, 1)+48, 1); e.u64(e.prog(PT_LOAD, 1)+8, 8) }, nil, "differ modulo the page size"},
	{"overlap", func(e *editor) { e.u64(e.prog(PT_LOAD, 0)+40, 0x1008) }, nil, "overlaps the PT_LOAD before it"},
	{"order", func(e *editor) {
		a, b := e.prog(PT_LOAD, 0), e.prog(PT_LOAD, 1)
		first := append([]byte(nil), e.data[a:a+56]...)
		copy(e.data[a:a+56], e.data[b:b+56])
		copy(e.data[b:b+56], first)
	}, nil, "is below that of the PT_LOAD before it"},
	{"span", func(e *editor) { e.u64(e.prog(PT_LOAD, 3)+40, 1<<50) }, nil, "the segments span"},
	{"two PT_DYNAMIC", func(e *editor) {
		a, b := e.prog(PT_DYNAMIC, 0), e.prog(PT_GNU_STACK, 0)
		copy(e.data[b:b+56], e.data[a:a+56])
	}, nil, "is of this type already"},
	{"PT_TLS size", func(e *editor) { e.u64(e.prog(PT_TLS, 0)+40, 0) }, nil, "larger than p_memsz"},
	{"PT_TLS 16 EB", func(e *editor) { e.u64(e.prog(PT_TLS, 0)+40, ^uint64(0)) }, nil, "p_memsz"},
	{"PT_TLS align", func(e *editor) { e.u64(e.prog(PT_TLS, 0)+48, 6) }, nil, "not a power of two"},
	{"PT_TLS outside", func(e *editor) { e.u64(e.prog(PT_TLS, 0)+16, big) }, nil, "initial image"},
	{"PT_GNU_RELRO", func(e *editor) { e.u64(e.prog(PT_GNU_RELRO, 0)+40, ^uint64(0)) }, nil, "PT_GNU_RELRO"},
	{"PT_GNU_RELRO gap", func(e *editor) { e.u64(e.prog(PT_GNU_RELRO, 0)+40, 1<<30) }, nil, "PT_GNU_RELRO"},
	{"DT_INIT_ARRAY", func(e *editor) { e.dyn(DT_INIT_ARRAY, big) }, nil, "DT_INIT_ARRAY"},
	{"DT_INIT_ARRAYSZ", func(e *editor) { e.dyn(DT_INIT_ARRAYSZ, 9) }, nil, "whole number of 8-byte"},
	{"DT_FINI_ARRAYSZ", func(e *editor) { e.dyn(DT_FINI_ARRAYSZ, ^uint64(7)) }, nil, "DT_FINI_ARRAY"},
	{"no PT_LOAD", func(e *editor) {
		for i := range 4 {
			e.u32(e.prog(PT_LOAD, i), uint32(PT_NULL))
		}
		e.u32(e.prog(PT_DYNAMIC, 0), uint32(PT_NULL))
	}, nil, "no PT_LOAD"},
}

// tolerated lists changes that must not matter to New.
var tolerated = []struct {
	name  string
	edit  func(e *editor)
	check func(f *File) bool
}{
	{"GNU nbuckets 0", func(e *editor) { e.u32(e.off(e.f.Dynamic.GNUHash), 0) }, func(f *File) bool {
		h := Hash("base_fn")
		_, _, ok := f.Lookup(&h, nil)
		return !ok && f.NumSymbols() > 1
	}},
	{"DT_RELACOUNT", func(e *editor) { e.retag(DT_VERDEFNUM, DT_RELACOUNT); e.dyn(DT_VERDEFNUM, ^uint64(0)) }, func(f *File) bool {
		return f.RelaCount() == f.Rela().Len() && f.RelaCount() > 0
	}},
	{"note size", func(e *editor) { e.u32(e.off(e.f.buildID().Vaddr)+4, ^uint32(0)) }, func(f *File) bool { return f.BuildID() == nil }},
	{"note name", func(e *editor) { e.u32(e.off(e.f.buildID().Vaddr), ^uint32(0)) }, func(f *File) bool { return f.BuildID() == nil }},
	{"eh_frame_hdr version", func(e *editor) { e.data[e.off(e.f.EhFrameHdr.Vaddr)] = 2 }, func(f *File) bool { _, err := f.ParseEhFrameHdr(); return err != nil }},
	{"eh_frame_hdr encoding", func(e *editor) { e.data[e.off(e.f.EhFrameHdr.Vaddr)+2] = 0x57 }, func(f *File) bool { _, err := f.ParseEhFrameHdr(); return err != nil }},
	{"eh_frame_hdr count", func(e *editor) { e.u32(e.off(e.f.EhFrameHdr.Vaddr)+8, ^uint32(0)) }, func(f *File) bool {
		_, err := f.ParseEhFrameHdr()
		return errors.Is(err, ErrTruncated)
	}},
	{"eh_frame_hdr outside", func(e *editor) { e.u64(e.prog(PT_GNU_EH_FRAME, 0)+16, big) }, func(f *File) bool {
		_, err := f.ParseEhFrameHdr()
		return errors.Is(err, ErrTruncated)
	}},
	{"e_shoff", func(e *editor) { e.u64(40, big) }, badSections},
	{"e_shnum", func(e *editor) { e.u16(60, 0xfeff) }, badSections},
	{"e_shentsize", func(e *editor) { e.u16(58, 40) }, badSections},
	{"e_shstrndx", func(e *editor) { e.u16(62, 0xfe00) }, badSections},
	{"sh_size of section 0", func(e *editor) { e.u16(60, 0); e.u64(e.f.Shoff+32, ^uint64(0)) }, badSections},
	{"sh_name", func(e *editor) { e.u32(e.f.Shoff+64, ^uint32(0)) }, badSections},
	{"no section headers", func(e *editor) { e.u64(40, 0) }, func(f *File) bool { s, err := f.Sections(); return s == nil && err == nil }},
	{"PN_XNUM", func(e *editor) { e.u16(56, 0xffff); e.u32(e.f.Shoff+44, uint32(e.f.Phnum)) }, func(f *File) bool { return len(f.Progs) > 4 && f.HasDynamic }},
	{"section number in section 0", func(e *editor) {
		e.u64(e.f.Shoff+32, uint64(e.f.Shnum))
		e.u32(e.f.Shoff+40, uint32(e.f.Shstrndx))
		e.u16(60, 0)
		e.u16(62, SHN_XINDEX)
	}, func(f *File) bool { s, err := f.Sections(); return len(s) > 10 && s[2].Name != "" && err == nil }},
	{"DT_JMPREL at the end of DT_RELA", func(e *editor) {
		d := &e.f.Dynamic
		e.dyn(DT_RELASZ, d.JmpRel.Addr+d.JmpRel.Size-d.Rela.Addr)
	}, func(f *File) bool {
		d := &f.Dynamic
		return f.Rela().Len()+f.PltRel().Len() == int(d.Rela.Size/24) && f.PltRel().Len() == 2
	}},
	{"DT_JMPREL at the start of DT_RELA", func(e *editor) { e.dyn(DT_JMPREL, e.f.Dynamic.Rela.Addr) }, func(f *File) bool {
		return f.Rela().Len()+f.PltRel().Len() == int(f.Dynamic.Rela.Size/24) && f.RelaCount() == 0
	}},
	{"DT_JMPREL is DT_REL", func(e *editor) { e.dyn(DT_PLTREL, uint64(DT_REL)) }, func(f *File) bool {
		return f.PltRel().Len() == 0 && f.PltRelRel().Len() == 3
	}},
	{"version indices", func(e *editor) {
		v := e.f.Dynamic.Versym
		for i := range uint64(e.f.NumSymbols()) {
			e.u16(e.off(v)+2*i, 0x7f00)
		}
	}, func(f *File) bool {
		h := Hash("base_fn")
		_, _, ok := f.Lookup(&h, NewVersion("V1"))
		return !ok && f.SymVersion(9) == nil
	}},
}

func badSections(f *File) bool {
	s, err := f.Sections()
	var fe *FormatError
	return s == nil && errors.As(err, &fe)
}

// buildID returns the note with the build ID.
func (f *File) buildID() Note {
	for n := range f.Notes() {
		if n.Type == NT_GNU_BUILD_ID {
			return n
		}
	}
	panic("no build ID")
}

func edited(t *testing.T, style string, edit func(*editor)) []byte {
	data := fixture(t, "-Wl,--hash-style="+style)
	e := &editor{t, data, nil}
	e.f = mustNew(t, append([]byte(nil), data...))
	edit(e)
	return e.data
}

func checkFormat(t *testing.T, err, kind error, what string) {
	t.Helper()
	var fe *FormatError
	switch {
	case !errors.As(err, &fe):
		t.Errorf("error %v is not a *FormatError", err)
	case kind != nil && !errors.Is(err, kind):
		t.Errorf("%v is not %v", err, kind)
	case !strings.Contains(err.Error(), what) || fe.File != "bad.so" || !strings.HasPrefix(err.Error(), "bad.so: "):
		t.Errorf("message %q, wanted %q in it", err, what)
	}
}

func TestMalformed(t *testing.T) {
	for _, c := range malformed {
		t.Run(c.name, func(t *testing.T) {
			_, err := New("bad.so", edited(t, "gnu", c.edit))
			checkFormat(t, err, c.kind, c.what)
		})
	}
	for _, c := range malformedSysV {
		t.Run("sysv "+c.name, func(t *testing.T) {
			_, err := New("bad.so", edited(t, "sysv", c.edit))
			checkFormat(t, err, c.kind, c.what)
		})
	}
	for _, c := range unloadable {
		t.Run("load "+c.name, func(t *testing.T) {
			f, err := New("bad.so", edited(t, "gnu", c.edit))
			if err != nil {
				t.Fatal(err)
			}
			checkFormat(t, f.CheckLoad(4096), c.kind, c.what)
			exercise(f, 100)
		})
	}
	for _, c := range tolerated {
		t.Run("tolerated "+c.name, func(t *testing.T) {
			f, err := New("ok.so", edited(t, "gnu", c.edit))
			if err != nil {
				t.Fatal(err)
			}
			if !c.check(f) {
				t.Error("not as expected")
			}
			exercise(f, 100)
		})
	}
}

// TestHashLoops looks up names in hash tables whose chains do not end.
func TestHashLoops(t *testing.T) {
	data := edited(t, "sysv", func(e *editor) {
		o := e.off(e.f.Dynamic.Hash)
		nb, nc := uint64(e.f.sysv.nbucket), uint64(e.f.sysv.nchain)
		for i := range nb {
			e.u32(o+8+4*i, uint32(nc-1))
		}
		for i := range nc {
			e.u32(o+8+4*(nb+i), uint32(i))
		}
	})
	exercise(mustNew(t, data), 1000)
	data = edited(t, "sysv", func(e *editor) {
		o := e.off(e.f.Dynamic.Hash)
		for i := range uint64(e.f.sysv.nbucket) + uint64(e.f.sysv.nchain) {
			e.u32(o+8+4*i, ^uint32(0))
		}
	})
	exercise(mustNew(t, data), 1000)
	// In memory that changes after it was checked.
	data = fixture(t, "-Wl,--hash-style=gnu")
	f := mustNew(t, data)
	for i := range data {
		data[i] = 0xfe
	}
	exercise(f, 1000)
	f = mustNew(t, fixture(t, "-Wl,--hash-style=sysv"))
	clear(f.Raw())
	exercise(f, 1000)
}

func TestCheckMachine(t *testing.T) {
	f := mustNew(t, fixture(t))
	if err := f.CheckMachine(EM_X86_64); err != nil {
		t.Error(err)
	}
	if err := f.CheckMachine(EM_AARCH64); !errors.Is(err, ErrMachine) || !strings.Contains(err.Error(), "wrong machine x86-64 (EM_X86_64), wanted aarch64") {
		t.Error(err)
	}
	if f.CheckLoad(3) == nil || f.CheckLoad(0) == nil {
		t.Error("a page size that is not a power of two is accepted")
	}
	if err := f.CheckLoad(1); err != nil {
		t.Error(err)
	}
}

func TestLinkerScript(t *testing.T) {
	_, err := New("libc.so", []byte("/* GNU ld script */\nOUTPUT_FORMAT(elf64-x86-64)\nGROUP ( /lib/libc.so.6 \"/usr/lib/a b.a\" AS_NEEDED ( -lfoo, ld.so ) )\nINPUT(x.o)\n"))
	var fe *FormatError
	if !errors.As(err, &fe) || !errors.Is(err, ErrLinkerScript) || strings.Join(fe.Libs, "|") != "/lib/libc.so.6|/usr/lib/a b.a|-lfoo|ld.so|x.o" {
		t.Errorf("%v %v", err, fe)
	}
	for _, s := range []string{"GROUP ( a", "GROUP (((", "INPUT(\"", "/* ", "GROUP", "INPUT ) )"} {
		if _, err := New("x.so", []byte(s)); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
	if _, err := New("x", []byte("#!/bin/sh\n")); !errors.Is(err, ErrNotELF) || !strings.Contains(err.Error(), "a script") {
		t.Error(err)
	}
}
