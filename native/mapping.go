package native

import (
	"fmt"
	"sync"
	"syscall"

	"weld/image/elf"
)

// Mapping is an image in memory.
type Mapping struct {
	Bias uintptr // what vaddrs were moved by: l_addr
	Addr uintptr // first byte of the address range
	Size uintptr // of the range, whole pages
}

func prot(f elf.ProgFlag) int {
	p := 0
	if f&elf.PF_R != 0 {
		p |= syscall.PROT_READ
	}
	if f&elf.PF_W != 0 {
		p |= syscall.PROT_WRITE
	}
	if f&elf.PF_X != 0 {
		p |= syscall.PROT_EXEC
	}
	return p
}

func pageDown(a uintptr) uintptr { return a &^ (PageSize - 1) }
func pageUp(a uintptr) uintptr   { return (a + PageSize - 1) &^ (PageSize - 1) }

// MapImage maps the segments of f, which must have passed CheckLoad(PageSize), from the file fd: the whole address
// range is reserved first, then each PT_LOAD laid over it with its protection and its zeroes (gABI, Program Loading).
// Where the segments leave no gaps it is the first one that reserves the range, as ld.so does it: a mapping less. It also
// is that of those that follow it in the file as in memory, after a change of protection, but under valgrind, which knows a
// library by its mappings. Where an image was before (Mapping.Unmap) nothing is reserved, and no mapping has to be cut for
// the next one.
// An ET_EXEC goes to its own addresses and is refused where something is mapped there.
func MapImage(f *elf.File, fd int) (Mapping, error) { return mapImage(f, fd, true) }

// MapProgram is MapImage with the kernel's rules for an executable instead of those of run-time linkers for a library: in
// a segment that is not writable, the bytes of the file that follow p_filesz in its last page stay what they are
// (binfmt_elf; the kernel's attempt to clear them fails and is ignored).
func MapProgram(f *elf.File, fd int) (Mapping, error) { return mapImage(f, fd, false) }

func mapImage(f *elf.File, fd int, clearText bool) (Mapping, error) {
	lo64, hi64 := f.LoadSpan()
	lo, hi := pageDown(uintptr(lo64)), pageUp(uintptr(hi64))
	m := Mapping{Size: hi - lo}
	if m.Size == 0 {
		return m, &elf.FormatError{File: f.Name, What: "no memory is asked for"}
	}
	align := uintptr(PageSize)
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			align = max(align, uintptr(p.Align))
		}
	}
	next := 0 // the first of the segments that are not mapped yet
	const reserveFlags = syscall.MAP_PRIVATE | syscall.MAP_ANON | syscall.MAP_NORESERVE
	if f.Type == elf.ET_EXEC && lo == 0 {
		return m, &elf.FormatError{File: f.Name, What: "its fixed address is 0, where nothing is mapped"}
	}
	if f.Type == elf.ET_EXEC {
		a, err := Map(f.Name, lo, m.Size, 0, reserveFlags|mapFixedNoReplace, -1, 0)
		if err == nil && a != lo {
			Unmap(a, m.Size)
			err = &MapError{f.Name, m.Size, syscall.EEXIST}
		}
		if err != nil {
			return m, fmt.Errorf("%s: its fixed address %#x is taken or cannot be had: %w", f.Name, lo, err)
		}
		m.Addr = a
	} else if i := solid(f); align == PageSize && i >= 0 {
		first := &f.Progs[i]
		if m, ok := m.vacant(f, fd, lo, clearText); ok {
			return m, nil
		}
		a, err := Map(f.Name, 0, m.Size, prot(first.Flags), syscall.MAP_PRIVATE, fd, int64(first.Off)-int64(uintptr(first.Vaddr)-lo))
		if err != nil {
			return m, err
		}
		m.Addr, m.Bias = a, a-lo
		next, _ = together(f, i)
		if err := m.protectRest(f, i, next); err != nil {
			Unmap(m.Addr, m.Size)
			return Mapping{}, err
		}
	} else {
		extra := align - PageSize
		a, err := Map(f.Name, 0, m.Size+extra, 0, reserveFlags, -1, 0)
		if err != nil {
			return m, err
		}
		// The first address whose distance to lo is a multiple of the alignment.
		start := a + (lo-a)&(align-1)
		if start > a {
			Unmap(a, start-a)
		}
		if end := a + m.Size + extra; end > start+m.Size {
			Unmap(start+m.Size, end-start-m.Size)
		}
		m.Addr = start
		m.Bias = start - lo
	}
	if _, err := m.segments(f, next, fd, clearText, syscall.MAP_FIXED); err != nil {
		Unmap(m.Addr, m.Size)
		return Mapping{}, err
	}
	return m, nil
}

// solid returns the index of the first segment of f if the segments leave no pages between them free and it is all from
// the file; else -1.
func solid(f *elf.File) (first int) {
	first = -1
	end := uint64(0)
	for i := range f.Progs {
		p := &f.Progs[i]
		switch {
		case p.Type != elf.PT_LOAD || p.Memsz == 0:
			continue
		case first < 0 && p.Filesz != p.Memsz:
			return -1
		case first < 0:
			first = i
		case p.Vaddr&^(PageSize-1) != end:
			return -1
		}
		end = (p.Vaddr + p.Memsz + PageSize - 1) &^ (PageSize - 1)
	}
	return first
}

// together returns the index behind the last segment that one mapping of the file can be for as well as for the first, in a
// solid file, and the address that they end at. Segments that are written to have a mapping of their own.
func together(f *elf.File, first int) (next int, end uintptr) {
	p := &f.Progs[first]
	next, end = first+1, pageUp(uintptr(p.Vaddr+p.Filesz))
	if p.Flags&elf.PF_W != 0 || onValgrind() {
		return next, end
	}
	for i := next; i < len(f.Progs); i++ {
		q := &f.Progs[i]
		if q.Type != elf.PT_LOAD || q.Memsz == 0 {
			continue
		}
		if q.Flags&elf.PF_W != 0 || q.Filesz != q.Memsz || q.Off-q.Vaddr != p.Off-p.Vaddr {
			break
		}
		next, end = i+1, pageUp(uintptr(q.Vaddr+q.Filesz))
	}
	return next, end
}

// protectRest gives the segments up to next, which are mapped with the first one, the protection that they ask for.
func (m *Mapping) protectRest(f *elf.File, first, next int) error {
	for i := first + 1; i < next; i++ {
		p := &f.Progs[i]
		if p.Type != elf.PT_LOAD || p.Memsz == 0 || prot(p.Flags) == prot(f.Progs[first].Flags) {
			continue
		}
		start := m.Bias + uintptr(p.Vaddr)
		if err := Protect(pageDown(start), pageUp(start+uintptr(p.Memsz))-pageDown(start), prot(p.Flags)); err != nil {
			return &MapError{f.Name, uintptr(p.Memsz), err}
		}
	}
	return nil
}

// segments maps the segments from an index on. It returns the end of what it has mapped last, also if it fails; 0 is nothing.
func (m *Mapping) segments(f *elf.File, from, fd int, clearText bool, fixed int) (end uintptr, err error) {
	for i := from; i < len(f.Progs); i++ {
		p := &f.Progs[i]
		if p.Type != elf.PT_LOAD || p.Memsz == 0 {
			continue
		}
		if end, err = m.segment(f, p, fd, clearText, fixed); err != nil {
			return end, err
		}
	}
	return end, nil
}

// segment maps a segment with MAP_FIXED or mapFixedNoReplace. It returns the end of what it has mapped, also if it fails.
func (m *Mapping) segment(f *elf.File, p *elf.Prog, fd int, clearText bool, fixed int) (end uintptr, err error) {
	start := m.Bias + uintptr(p.Vaddr)
	fileEnd := start + uintptr(p.Filesz)
	memEnd := start + uintptr(p.Memsz)
	end = pageDown(start)
	pr := prot(p.Flags)
	lay := func(to uintptr, flags, fd int, off int64) error {
		a, err := Map(f.Name, end, to-end, pr, syscall.MAP_PRIVATE|fixed|flags, fd, off)
		if err == nil && a != end { // before Linux 4.17 mapFixedNoReplace is nothing but a wish
			Unmap(a, to-end)
			err = &MapError{f.Name, to - end, syscall.EEXIST}
		}
		if err == nil {
			end = to
		}
		return err
	}
	if p.Filesz > 0 {
		if err := lay(pageUp(fileEnd), 0, fd, int64(p.Off)-int64(start-end)); err != nil {
			return end, err
		}
	}
	filed := end
	if to := pageUp(memEnd); to > end {
		if err := lay(to, syscall.MAP_ANON, -1, 0); err != nil {
			return end, err
		}
	}
	if tail := min(memEnd, filed); p.Filesz > 0 && tail > fileEnd {
		if p.Flags&elf.PF_W == 0 && !clearText {
			return end, nil
		}
		if p.Flags&elf.PF_W == 0 {
			if err := Protect(pageDown(fileEnd), PageSize, syscall.PROT_READ|syscall.PROT_WRITE); err != nil {
				return end, &MapError{f.Name, PageSize, err}
			}
			defer Protect(pageDown(fileEnd), PageSize, pr)
		}
		// What follows the file bytes in their last page belongs to nobody: zero all of it, as the kernel does.
		clear(Bytes(fileEnd, filed-fileEnd))
	}
	return end, nil
}

// mapFixedNoReplace is MAP_FIXED_NOREPLACE, of Linux 4.17.
const mapFixedNoReplace = 0x100000

// vacated is a range of addresses that images were unmapped from. Somebody else may have mapped something there since.
var vacated struct {
	sync.Mutex
	addr, size uintptr
}

// Unmap gives the image back.
func (m Mapping) Unmap() error {
	err := Unmap(m.Addr, m.Size)
	v := &vacated
	v.Lock()
	defer v.Unlock()
	switch {
	case err != nil:
	case m.Addr+m.Size == v.addr:
		v.addr, v.size = m.Addr, m.Size+v.size
	case v.addr+v.size == m.Addr:
		v.size += m.Size
	case m.Size >= v.size:
		v.addr, v.size = m.Addr, m.Size
	}
	return err
}

// vacant maps f, which has lowest address lo and is solid, at the upper end of the vacated range, as long as nobody else is
// in the way.
func (m Mapping) vacant(f *elf.File, fd int, lo uintptr, clearText bool) (Mapping, bool) {
	v := &vacated
	v.Lock()
	defer v.Unlock()
	if m.Size > v.size {
		return m, false
	}
	v.size -= m.Size
	m.Addr = v.addr + v.size
	m.Bias = m.Addr - lo
	first := solid(f)
	p := &f.Progs[first]
	next, to := together(f, first)
	end := m.Bias + to
	a, err := Map(f.Name, m.Addr, end-m.Addr, prot(p.Flags), syscall.MAP_PRIVATE|mapFixedNoReplace, fd,
		int64(p.Off)-int64(uintptr(p.Vaddr)-lo))
	switch {
	case err != nil:
		end = m.Addr
	case a != m.Addr: // before Linux 4.17 mapFixedNoReplace is nothing but a wish
		Unmap(a, end-m.Addr)
		end, err = m.Addr, syscall.EEXIST
	default:
		if err = m.protectRest(f, first, next); err == nil {
			var last uintptr
			last, err = m.segments(f, next, fd, clearText, mapFixedNoReplace)
			end = max(end, last)
		}
	}
	if err != nil {
		if end > m.Addr {
			Unmap(m.Addr, end-m.Addr)
		}
		v.size = 0
		return Mapping{}, false
	}
	return m, true
}

// Memory returns the bytes of the mapping. Parts of it may not be readable.
func (m Mapping) Memory() []byte { return Bytes(m.Addr, m.Size) }
