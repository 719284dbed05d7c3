package elf

import "slices"

// MaxLoadSpan bounds the address range of the segments of a file that
// CheckLoad accepts: half of the user address space of x86-64.
const MaxLoadSpan = 1 << 46

// LoadSpan returns the lowest address of the PT_LOADs and the first address
// after the highest, not rounded to pages; 0, 0 if there are none.
func (f *File) LoadSpan() (lo, hi uint64) {
	first := true
	for i := range f.Progs {
		p := &f.Progs[i]
		if p.Type != PT_LOAD || p.Memsz == 0 {
			continue
		}
		if first {
			lo, hi, first = p.Vaddr, p.Vaddr+p.Memsz, false
			continue
		}
		lo, hi = min(lo, p.Vaddr), max(hi, p.Vaddr+p.Memsz)
	}
	return lo, hi
}

// WriteExec reports whether a PT_LOAD asks to be writable and executable.
func (f *File) WriteExec() bool {
	for i := range f.Progs {
		if p := &f.Progs[i]; p.Type == PT_LOAD && p.WriteExec() {
			return true
		}
	}
	return false
}

// ExecStack reports whether the file asks for an executable stack: with the
// PF_X flag of PT_GNU_STACK, or by having no PT_GNU_STACK, which ld.so on
// x86-64 takes for the same.
func (f *File) ExecStack() bool { return f.Stack == nil || f.Stack.Flags&PF_X != 0 }

// CheckLoad checks what New leaves to be checked before the segments of f
// are mapped with pages of pageSize bytes, a power of two (1 when they are
// copied to memory and nothing is mapped):
//
//   - the type is ET_DYN or ET_EXEC (else ErrType) and there is a PT_LOAD;
//   - every p_align is 0 or a power of two, and p_vaddr and p_offset are
//     congruent modulo p_align and, in segments with file bytes, modulo
//     pageSize (gABI, "Program Loading");
//   - the PT_LOADs ascend by address, do not overlap and span at most
//     MaxLoadSpan;
//   - PT_DYNAMIC, PT_TLS, PT_GNU_RELRO and PT_INTERP stand at most once;
//     the first three lie within the PT_LOADs, and so do the arrays of
//     initialisers and finalisers, whose sizes are multiples of 8.
//
// PT_GNU_RELRO may end past its PT_LOAD, where that is rounded up to p_align.
// Segments that are both writable and executable are accepted; see
// [File.WriteExec]. Two segments may have parts in one page.
func (f *File) CheckLoad(pageSize uint64) error {
	if f.Type != ET_DYN && f.Type != ET_EXEC && !f.loaded {
		return errOff(f.Name, ErrType, 16, "a file of type %v cannot be loaded, wanted %v or %v", f.Type, ET_DYN, ET_EXEC)
	}
	if pageSize == 0 || pageSize&(pageSize-1) != 0 {
		return errOff(f.Name, nil, 0, "the page size %#x is not a power of two", pageSize)
	}
	if err := f.checkSegments(pageSize); err != nil {
		return err
	}
	if err := f.checkParts(pageSize); err != nil {
		return err
	}
	d := &f.Dynamic
	for _, a := range []struct {
		what string
		r    Range
	}{{"DT_PREINIT_ARRAY", d.PreinitArray}, {"DT_INIT_ARRAY", d.InitArray}, {"DT_FINI_ARRAY", d.FiniArray}} {
		if a.r.Size == 0 {
			continue
		}
		if a.r.Size%8 != 0 {
			return f.errAddr(nil, a.r.Addr, "%s of %#x bytes is not a whole number of 8-byte entries", a.what, a.r.Size)
		}
		if !f.inLoad(a.r.Addr, a.r.Size, false) {
			return f.errAddr(nil, a.r.Addr, "%s of %#x bytes is not inside a PT_LOAD", a.what, a.r.Size)
		}
	}
	return nil
}

// checkSegments checks the PT_LOADs.
func (f *File) checkSegments(pageSize uint64) error {
	var lo, end uint64
	prev := -1
	for i := range f.Progs {
		p := &f.Progs[i]
		if p.Type != PT_LOAD {
			continue
		}
		fail := func(format string, args ...any) error {
			return errOff(f.Name, nil, f.phdrOff(i), "PT_LOAD (program header %d): "+format, append([]any{i}, args...)...)
		}
		skew := p.Off - p.Vaddr
		switch {
		case p.Filesz > p.Memsz:
			return fail("p_filesz %#x is larger than p_memsz %#x", p.Filesz, p.Memsz)
		case p.Vaddr+p.Memsz < p.Vaddr:
			return fail("address range %#x+%#x wraps around", p.Vaddr, p.Memsz)
		case p.Align != 0 && p.Align&(p.Align-1) != 0:
			return fail("p_align %#x is not a power of two", p.Align)
		case p.Align > 1 && skew&(p.Align-1) != 0:
			return fail("p_offset %#x and p_vaddr %#x differ modulo p_align %#x", p.Off, p.Vaddr, p.Align)
		case p.Filesz != 0 && skew&(pageSize-1) != 0:
			return fail("p_offset %#x and p_vaddr %#x differ modulo the page size %#x", p.Off, p.Vaddr, pageSize)
		}
		if prev >= 0 && p.Vaddr < end {
			if p.Vaddr < f.Progs[prev].Vaddr {
				return fail("address %#x is below that of the PT_LOAD before it, %#x", p.Vaddr, f.Progs[prev].Vaddr)
			}
			return fail("address range %#x+%#x overlaps the PT_LOAD before it, which ends at %#x", p.Vaddr, p.Memsz, end)
		}
		if prev < 0 {
			lo = p.Vaddr
		}
		prev, end = i, p.Vaddr+p.Memsz
		if end-lo > MaxLoadSpan {
			return fail("the segments span %#x bytes, at most %#x are allowed", end-lo, uint64(MaxLoadSpan))
		}
	}
	if prev < 0 || end == lo {
		return errOff(f.Name, nil, f.Phoff, "there is no PT_LOAD, so nothing to load")
	}
	return nil
}

// checkParts checks the program headers that are about parts of the PT_LOADs.
func (f *File) checkParts(pageSize uint64) error {
	parts := [...]ProgType{PT_DYNAMIC, PT_TLS, PT_GNU_RELRO, PT_INTERP}
	var seen [len(parts)]int // 0 for none, else 1 more than the program header
	for i := range f.Progs {
		p := &f.Progs[i]
		part := slices.Index(parts[:], p.Type)
		if part < 0 {
			continue
		}
		fail := func(format string, args ...any) error {
			return errOff(f.Name, nil, f.phdrOff(i), "%v (program header %d): "+format, append([]any{p.Type, i}, args...)...)
		}
		if seen[part] != 0 {
			return fail("program header %d is of this type already", seen[part]-1)
		}
		seen[part] = i + 1
		switch p.Type {
		case PT_TLS:
			switch {
			case p.Filesz > p.Memsz:
				return fail("p_filesz %#x is larger than p_memsz %#x", p.Filesz, p.Memsz)
			case p.Align&(p.Align-1) != 0:
				return fail("p_align %#x is not a power of two", p.Align)
			case p.Memsz > MaxLoadSpan:
				return fail("p_memsz %#x is more than %#x", p.Memsz, uint64(MaxLoadSpan))
			case p.Filesz != 0 && !f.inLoad(p.Vaddr, p.Filesz, true):
				return fail("the initial image at %#x+%#x is not in the file-backed part of a PT_LOAD", p.Vaddr, p.Filesz)
			}
		case PT_GNU_RELRO:
			// Linkers round the end up to a page, past the PT_LOAD's own.
			if p.Memsz != 0 && !f.inPages(p.Vaddr, p.Memsz, pageSize) {
				return fail("address range %#x+%#x is not inside the pages of the PT_LOADs", p.Vaddr, p.Memsz)
			}
		case PT_DYNAMIC:
			if p.Memsz != 0 && !f.inLoad(p.Vaddr, p.Memsz, false) {
				return fail("address range %#x+%#x is not inside a PT_LOAD", p.Vaddr, p.Memsz)
			}
		}
	}
	return nil
}

// inLoad reports whether one PT_LOAD has all of addr+size, in its
// file-backed part if filed.
func (f *File) inLoad(addr, size uint64, filed bool) bool {
	for i := range f.Progs {
		p := &f.Progs[i]
		n := p.Memsz
		if filed {
			n = p.Filesz
		}
		if p.Type == PT_LOAD && addr >= p.Vaddr && addr-p.Vaddr <= n && size <= n-(addr-p.Vaddr) {
			return true
		}
	}
	return false
}

// inPages reports whether the pages of the PT_LOADs, which ascend, have all
// of addr+size without a gap. The pages are those the linker had in mind: of
// p_align bytes where that is more than pageSize.
func (f *File) inPages(addr, size, pageSize uint64) bool {
	end := addr + size
	if end < addr {
		return false
	}
	for i := range f.Progs {
		p := &f.Progs[i]
		if p.Type != PT_LOAD {
			continue
		}
		page := max(pageSize, p.Align)
		lo, hi := p.Vaddr&^(page-1), (p.Vaddr+p.Memsz+page-1)&^(page-1)
		if addr >= lo && addr < hi {
			if end <= hi {
				return true
			}
			addr = hi
		}
	}
	return false
}
