package elf

// Source returns where in the image f was read from: what lies from its ELF
// header up to the end of the last of its tables, and PT_DYNAMIC with its
// DT_NULL. Where both hold the same bytes again, at the same addresses and in
// a file of the same size, reading it gives the same File. ok is false if f is
// not of a loaded image with a dynamic section, or if the tables do not all
// follow the ELF header in one segment that is not written to.
func (f *File) Source() (head, dynamic Range, ok bool) {
	if !f.loaded || !f.HasDynamic || f.linear {
		return head, dynamic, false
	}
	var first *Prog
	for i := range f.Progs {
		if p := &f.Progs[i]; p.Type == PT_LOAD && p.Off == 0 && p.Flags&(PF_R|PF_W) == PF_R {
			first = p
			break
		}
	}
	if first == nil {
		return head, dynamic, false
	}
	end, ok := uint64(0), true
	cover := func(addr, size uint64) {
		if size == 0 {
			return
		}
		off := addr - first.Vaddr
		if addr < first.Vaddr || off > first.Filesz || size > first.Filesz-off {
			ok = false
			return
		}
		end = max(end, off+size)
	}
	covers := func(r Range) {
		if r.Addr != 0 {
			cover(r.Addr, r.Size)
		}
	}
	if f.Phoff > first.Filesz {
		return head, dynamic, false
	}
	cover(first.Vaddr, ehdrSize)
	cover(first.Vaddr+f.Phoff, uint64(len(f.Progs))*phdrSize)
	for i := range f.Progs {
		if p := &f.Progs[i]; p.Type == PT_NOTE || p.Type == PT_INTERP {
			cover(p.Vaddr, p.Filesz)
		}
	}
	d, n := &f.Dynamic, uint64(f.NumSymbols())
	covers(d.Strtab)
	covers(d.Rela)
	covers(d.Rel)
	covers(d.JmpRel)
	covers(d.Relr)
	covers(Range{d.Symtab, n * symSize})
	covers(Range{d.Versym, n * 2})
	covers(Range{d.Hash, 8 + uint64(len(f.sysv.buckets)+len(f.sysv.chain))})
	if g := &f.gnu; g.nbuckets != 0 {
		covers(Range{d.GNUHash, 16 + uint64(len(g.bloom)+len(g.buckets)) + 4*(max(n, uint64(g.symoff))-uint64(g.symoff))})
	} else {
		covers(Range{d.GNUHash, 16})
	}
	for _, a := range [...]uint64{d.Verneed, d.Verdef} {
		covers(Range{a, f.verEnd - a}) // to the end of the later one
	}
	return Range{first.Vaddr, end}, Range{d.Addr, uint64(len(f.dyn)) + dynSize}, ok
}

// Head returns a File with nothing but the headers of f, as ReadHead returned
// it.
func (f *File) Head() *File {
	h := &File{Name: f.Name, Header: f.Header, Progs: f.Progs}
	h.findStack()
	return h
}

// findStack sets Stack, which is known before the image is mapped.
func (f *File) findStack() {
	for i := range f.Progs {
		if p := &f.Progs[i]; p.Type == PT_GNU_STACK {
			f.Stack = p
		}
	}
}
