package elf

import (
	"bytes"
	"slices"
	"sync"
)

// maxName bounds the names that a File turns into Go strings: libraries,
// versions, sections. It is Linux's PATH_MAX.
const maxName = 4096

// File is a view of an ELF file or of a loaded image. Its fields are set by
// New or NewLoaded and are not to be changed. It refers to the bytes it was
// made from, which must stay readable as long as it is used.
type File struct {
	Name string // as given to New, for error messages
	Header

	Progs      []Prog // all program headers, in order
	Dynamic    Dynamic
	HasDynamic bool
	Interp     string // PT_INTERP; "" if none
	TLS        *Prog  // PT_TLS
	Relro      *Prog  // PT_GNU_RELRO
	Stack      *Prog  // PT_GNU_STACK
	EhFrameHdr *Prog  // PT_GNU_EH_FRAME
	Phdr       *Prog  // PT_PHDR

	data   []byte // the file; nil for a loaded image
	loaded bool
	bias   uint64
	segs   []segment
	room   [4]segment // for segs, which are as many as a rule

	dyn     []byte // PT_DYNAMIC up to DT_NULL
	symtab  []byte // NumSymbols entries
	strtab  []byte
	versym  []byte // NumSymbols entries, or nil
	gnu     gnuTable
	sysv    sysvTable
	linear  bool // no hash table; the number of symbols is from .dynsym
	rela    RelaTable
	rel     RelTable
	pltRela RelaTable
	pltRel  RelTable
	relr    RelrTable
	relaCnt int

	versions []Version // by index
	verNeeds []VerNeed
	defsOnce sync.Once
	verDefs  []VerDef // see VersionDefs
	verEnd   uint64   // the address behind the last entry of DT_VERNEED and DT_VERDEF

	sectOnce sync.Once
	sections []Section
	sectErr  error
}

// segment is the readable part of a PT_LOAD.
type segment struct {
	vaddr uint64
	data  []byte
}

// New reads the ELF file data. It decodes and checks the headers, PT_DYNAMIC
// and the tables that leads to; the segments as such are checked by
// [File.CheckLoad]. Only little-endian ELF64 is accepted, of any machine and
// type. The error is a *FormatError.
//
// For ET_DYN and ET_EXEC every PT_LOAD must lie within data, so a file that
// was cut short is refused with ErrTruncated.
func New(name string, data []byte) (*File, error) {
	h, err := ParseHeader(name, data)
	if err != nil {
		return nil, err
	}
	if err := h.check(name, data); err != nil {
		return nil, err
	}
	f := &File{Name: name, Header: h, data: data}
	if f.Progs, err = parseProgs(name, data, &h); err != nil {
		return nil, err
	}
	size := uint64(len(data))
	if err := f.checkExtent(size); err != nil {
		return nil, err
	}
	f.segs = f.room[:0]
	for i := range f.Progs {
		p := &f.Progs[i]
		off := min(p.Off, size)
		if n := min(p.Filesz, size-off); p.Type == PT_LOAD && n > 0 {
			f.segs = append(f.segs, segment{p.Vaddr, data[off : off+n]})
		}
	}
	if err := f.parse(); err != nil {
		return nil, err
	}
	return f, nil
}

// checkExtent checks that the PT_LOADs lie within a file of size bytes, where
// the type of the file asks for that, and within the address space.
func (f *File) checkExtent(size uint64) error {
	strict := f.Type == ET_DYN || f.Type == ET_EXEC
	for i := range f.Progs {
		p := &f.Progs[i]
		switch {
		case p.Type != PT_LOAD:
		case strict && p.Filesz > 0 && (p.Off > size || p.Filesz > size-p.Off):
			return errOff(f.Name, ErrTruncated, f.phdrOff(i), "PT_LOAD (program header %d): file range %#x+%#x extends past the end of the file at %#x", i, p.Off, p.Filesz, size)
		case strict && p.Filesz > p.Memsz:
			return errOff(f.Name, nil, f.phdrOff(i), "PT_LOAD (program header %d): p_filesz %#x is larger than p_memsz %#x", i, p.Filesz, p.Memsz)
		case p.Vaddr+p.Memsz < p.Vaddr:
			return errOff(f.Name, nil, f.phdrOff(i), "PT_LOAD (program header %d): address range %#x+%#x wraps around", i, p.Vaddr, p.Memsz)
		}
	}
	return nil
}

// LoadedOptions says where the memory given to NewLoaded is.
type LoadedOptions struct {
	// Start is the vaddr (as in the program headers, without the bias) of
	// the first byte of the memory.
	Start uint64
	// Bias is what the image was moved by: its load address less its vaddr
	// (l_addr of struct link_map). Addresses in PT_DYNAMIC that are not
	// below a Bias other than 0 are taken as relocated in place, as glibc
	// does, and Bias is taken off them.
	Bias uint64
	// InFile has the tables looked for in the file-backed parts of the
	// segments only, as New does. It is for an image that has just been
	// mapped: the zeroes behind may be of any size, and a table without an
	// end that lies there takes that long to read.
	InFile bool
}

// NewLoaded reads the image of a loaded object: mem is its memory from vaddr
// opt.Start on, progs its program headers. Only bytes inside a PT_LOAD with
// PF_R are touched, so mem may have holes that are not mapped. Every PT_LOAD
// must lie within mem. All addresses in and out of the File are without the
// bias. The ELF header is read if a segment holds it; its fields are zero if
// none does. The error is a *FormatError.
func NewLoaded(name string, mem []byte, progs []Prog, opt LoadedOptions) (*File, error) {
	f := &File{Name: name, Progs: slices.Clone(progs)}
	f.Class, f.Data = ELFCLASS64, ELFDATA2LSB
	if err := f.attach(mem, opt, true); err != nil {
		return nil, err
	}
	return f, nil
}

// Attach makes a File that ReadHead has returned one of its image, as NewLoaded
// does, once that is mapped. The headers stay those of the file. After an
// error the File is of no use.
func (f *File) Attach(mem []byte, opt LoadedOptions) error { return f.attach(mem, opt, false) }

func (f *File) attach(mem []byte, opt LoadedOptions, header bool) error {
	f.loaded, f.bias = true, opt.Bias
	f.segs = f.room[:0]
	size := uint64(len(mem))
	for i := range f.Progs {
		p := &f.Progs[i]
		if p.Type != PT_LOAD || p.Memsz == 0 {
			continue
		}
		off := p.Vaddr - opt.Start
		if p.Vaddr < opt.Start || off > size || p.Memsz > size-off {
			return f.errAddr(ErrTruncated, p.Vaddr, "PT_LOAD (program header %d): %#x bytes are not all within the image's memory, %#x+%#x", i, p.Memsz, opt.Start, size)
		}
		if p.Flags&PF_R == 0 {
			continue
		}
		n := p.Memsz
		if opt.InFile {
			n = min(n, p.Filesz)
		}
		s := segment{p.Vaddr, mem[off : off+n : off+p.Memsz]}
		f.segs = append(f.segs, s)
		if header && p.Off == 0 && len(s.data) >= ehdrSize && string(s.data[:4]) == elfMagic {
			h, err := ParseHeader(f.Name, s.data)
			if err == nil {
				err = h.check(f.Name, s.data)
			}
			if err != nil {
				return err
			}
			f.Header = h
		}
	}
	if err := f.parse(); err != nil {
		return err
	}
	for i := range f.segs {
		s := &f.segs[i]
		s.data = s.data[:cap(s.data)]
	}
	return nil
}

// phdrOff returns the file offset of program header i.
func (f *File) phdrOff(i int) uint64 { return f.Phoff + uint64(i)*phdrSize }

// parse reads what the program headers lead to.
func (f *File) parse() error {
	slices.SortStableFunc(f.segs, func(a, b segment) int {
		switch {
		case a.vaddr < b.vaddr:
			return -1
		case a.vaddr > b.vaddr:
			return 1
		}
		return 0
	})
	var dynamic *Prog
	for i := range f.Progs {
		p := &f.Progs[i]
		switch p.Type {
		case PT_DYNAMIC:
			dynamic = p
		case PT_TLS:
			f.TLS = p
		case PT_GNU_RELRO:
			f.Relro = p
		case PT_GNU_STACK:
			f.Stack = p
		case PT_GNU_EH_FRAME:
			f.EhFrameHdr = p
		case PT_PHDR:
			f.Phdr = p
		case PT_INTERP:
			if err := f.parseInterp(i); err != nil {
				return err
			}
		}
	}
	if dynamic == nil || dynamic.Filesz == 0 && !f.loaded {
		return nil
	}
	return f.parseDynamic(dynamic)
}

func (f *File) parseInterp(i int) error {
	p := &f.Progs[i]
	b, ok := f.progBytes(p)
	if !ok {
		if f.loaded {
			return nil
		}
		return errOff(f.Name, ErrTruncated, f.phdrOff(i), "PT_INTERP (program header %d): file range %#x+%#x is outside the file", i, p.Off, p.Filesz)
	}
	if len(b) > maxName {
		return errOff(f.Name, nil, f.phdrOff(i), "PT_INTERP (program header %d) is %#x bytes long, at most %#x are allowed", i, len(b), maxName)
	}
	n := bytes.IndexByte(b, 0)
	if n < 0 {
		return errOff(f.Name, nil, p.Off, "the path in PT_INTERP does not end with NUL")
	}
	f.Interp = string(b[:n])
	return nil
}

// progBytes returns the bytes of a segment that need not be a PT_LOAD: by
// file offset in a file, by address in a loaded image.
func (f *File) progBytes(p *Prog) ([]byte, bool) {
	if f.loaded {
		return f.Bytes(p.Vaddr, p.Filesz)
	}
	size := uint64(len(f.data))
	if p.Off > size || p.Filesz > size-p.Off {
		return nil, false
	}
	return f.data[p.Off : p.Off+p.Filesz], true
}

// tail returns the bytes from vaddr to the end of the segment that holds
// it, or nil.
func (f *File) tail(vaddr uint64) []byte {
	lo, hi := 0, len(f.segs)
	for lo < hi {
		if m := int(uint(lo+hi) >> 1); f.segs[m].vaddr <= vaddr {
			lo = m + 1
		} else {
			hi = m
		}
	}
	if lo == 0 {
		return nil
	}
	s := &f.segs[lo-1]
	if d := vaddr - s.vaddr; d < uint64(len(s.data)) {
		return s.data[d:]
	}
	return nil
}

// Bytes returns size bytes at vaddr without copying them, if they lie in one
// PT_LOAD: in its file-backed part for a file, anywhere in it for a loaded
// image. The bytes must not be written to.
func (f *File) Bytes(vaddr, size uint64) ([]byte, bool) {
	b := f.tail(vaddr)
	if b == nil || size > uint64(len(b)) {
		return nil, false
	}
	return b[:size:size], true
}

// Word returns the 8-byte word at vaddr, as Bytes finds it.
func (f *File) Word(vaddr uint64) (uint64, bool) {
	b := f.tail(vaddr)
	if len(b) < 8 {
		return 0, false
	}
	return le.Uint64(b), true
}

// Offset returns the file offset of vaddr, if a PT_LOAD has it in its
// file-backed part.
func (f *File) Offset(vaddr uint64) (uint64, bool) {
	for i := range f.Progs {
		if p := &f.Progs[i]; p.Type == PT_LOAD && vaddr-p.Vaddr < p.Filesz && vaddr >= p.Vaddr {
			return p.Off + (vaddr - p.Vaddr), true
		}
	}
	return 0, false
}

// Raw returns the bytes of the file that New was given; nil for a loaded
// image.
func (f *File) Raw() []byte { return f.data }

// Loaded reports whether f was made by NewLoaded.
func (f *File) Loaded() bool { return f.loaded }
