package rtld

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	pathpkg "path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"weld/image/elf"
	"weld/internal/rawfile"
	"weld/internal/search"
	"weld/native"
)

// Flags of an open, as those of dlopen.
type Flags uint

const (
	Now      Flags = 1 << iota // bind all calls at once
	Global                     // make the closure visible to what is opened later
	NoLoad                     // only if it is open already
	NoDelete                   // never unmap it
	DeepBind                   // its own closure comes before the global scope
	NoInit                     // run no initialisers: for looking at an object, not for using it
)

// Source says what to open: a name, or data that stands for it.
type Source struct {
	Name string
	FS   fs.FS // Name is a path in it
	R    io.ReaderAt
	Size int64

	Caller uintptr // where the call of dlopen returns to, 0 if Go code opens it

	// Imports, if it is not nil, is where undefined symbols of an object from memory are looked up, and nowhere else: package module's
	// checked imports. What the object defines itself it is bound to. Nothing else is ever bound to it, and no name finds it.
	Imports Imports
}

// Imports finds what an object imports. With the address comes the object that has to stay mapped for that, nil if none has
// to. It is called while the run-time linker is locked.
type Imports func(name string) (addr uintptr, owner *Object, ok bool)

// source is an image that is mapped and not yet an object's.
type source struct {
	file    *elf.File // its tables, in memory
	mapping native.Mapping
	id      fileID
	fd      int    // of a file in memory, which stays open; else -1
	object  string // the path by which debuggers read that
	path    string
	known   *Object     // if the file is loaded already: its object, and nothing else is set
	again   *remembered // what is known of the image, if it is kept

	searched, mapped time.Duration // what that took, for a Tracer
}

// unmap gives the image back.
func (s *source) unmap() {
	s.mapping.Unmap()
	if s.fd >= 0 {
		syscall.Close(s.fd)
	}
}

// openPath maps the image in a file. It does not wait on a FIFO or touch a device.
func (p *plan) openPath(path string) (*source, error) {
	fd, err := rawfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(fd)
	return p.mapFile(path, fd, false)
}

// openData maps an image from memory: it is put into a file in memory, which its segments are mapped from like those
// of any other. That stays open as long as the object is loaded, so that debuggers can read it.
func (p *plan) openData(name string, data []byte) (*source, error) {
	fd, path, err := native.ObjectFile(name, data)
	if err != nil {
		return nil, err
	}
	s, err := p.mapFile(name, fd, false)
	if err != nil || s.known != nil {
		syscall.Close(fd)
		return s, err
	}
	s.fd, s.object = fd, path
	return s, nil
}

// mapFile maps the image in an open file, unless it is loaded already. program says that it is to be an executable. Its
// segments are mapped as soon as its headers are known to be right, and its tables read there: so they are read once, and
// no other mapping of the file comes and goes, which costs an interrupt of every processor that runs the program.
func (p *plan) mapFile(name string, fd int, program bool) (*source, error) {
	t := tracing()
	t.enter(PhaseMap)
	defer t.leave()
	began := t.now()
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	if st.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return nil, &elf.FormatError{File: name, What: "not a regular file", Kind: elf.ErrNotRegular}
	}
	s := &source{path: name, fd: -1, id: fileID{uint64(st.Dev), st.Ino}}
	if o := p.byID(s.id); o != nil {
		return &source{known: o}, nil
	}
	var x *image
	before := false
	if st.Nlink > 0 && !program { // what has no name is not opened again
		x, before = linker.images.of(imageFile{s.id, st.Size})
	}
	if !before || x.known == nil || x.known.file.Name != name || !p.mapAgain(s, x.known, fd) {
		if err := p.mapNew(s, fd, st.Size, program); err != nil {
			return nil, err
		}
		if before {
			x.known = remember(s)
			s.again = x.known
		}
	}
	if t != nil {
		s.mapped = time.Since(began)
	}
	return s, nil
}

// mapNew maps the image in an open file of size bytes into s, and reads it.
func (p *plan) mapNew(s *source, fd int, size int64, program bool) error {
	head, err := elf.ReadHead(s.path, rawfile.Descriptor(fd), size)
	if err != nil {
		return err
	}
	if err := checkHead(head, program); err != nil {
		return err
	}
	p.startMap()
	mapImage := native.MapImage
	if program {
		mapImage = native.MapProgram
	}
	if s.mapping, err = mapImage(head, fd); err != nil {
		return err
	}
	populateRelro(head, s.mapping)
	s.file = head
	if err = attach(head, s.mapping); err == nil {
		err = checkTables(head, program)
	}
	if err != nil {
		s.unmap()
	}
	return err
}

// attach has a File of headers read the tables of its image.
func attach(f *elf.File, m native.Mapping) error {
	lo, hi := f.LoadSpan()
	memory := native.Bytes(m.Bias+uintptr(lo), uintptr(hi-lo))
	return f.Attach(memory, elf.LoadedOptions{Start: lo, InFile: true})
}

// populateRelro has the kernel make the pages present that are only written to while relocating. The dynamic section is
// among them: to read it before would have them all come in twice, the second time with an interrupt of all processors.
func populateRelro(f *elf.File, m native.Mapping) {
	const most = 16 * native.PageSize
	var part *elf.Prog
	for i := range f.Progs {
		p := &f.Progs[i]
		if p.Memsz <= most && (p.Type == elf.PT_GNU_RELRO || p.Type == elf.PT_DYNAMIC && part == nil) {
			part = p
		}
	}
	if part == nil || !slices.ContainsFunc(f.Progs, func(s elf.Prog) bool {
		off := part.Vaddr - s.Vaddr
		return s.Type == elf.PT_LOAD && s.Flags&elf.PF_W != 0 && off < s.Memsz && part.Memsz <= s.Memsz-off
	}) {
		return
	}
	start := m.Bias + uintptr(part.Vaddr)
	end := (start + uintptr(part.Memsz) + native.PageSize - 1) &^ (native.PageSize - 1)
	start &^= native.PageSize - 1
	if end-start > 4*native.PageSize {
		native.Populate(start, end-start)
		return
	}
	for ; start < end; start += native.PageSize {
		atomic.AddUintptr((*uintptr)(native.Pointer(start)), 0) // a write, whatever is there
	}
}

// read returns the bytes that a Source with data holds.
func (src *Source) read() ([]byte, error) {
	if src.FS != nil {
		return elf.ReadFS(src.FS, src.Name)
	}
	return elf.ReadAll(src.Name, src.R, src.Size)
}

// checkHead refuses images whose headers say that they cannot be loaded here, as a shared object or as a program.
func checkHead(f *elf.File, program bool) error {
	if err := f.CheckMachine(elf.EM_X86_64); err != nil {
		return err
	}
	for i := range f.Progs {
		if p := &f.Progs[i]; p.Type == elf.PT_LOAD && p.Align > elf.MaxLoadSpan {
			return &elf.FormatError{File: f.Name, Off: f.Phoff + uint64(i)*56, What: fmt.Sprintf("alignment %#x of a segment", p.Align)}
		}
	}
	if program && f.Type != elf.ET_DYN && f.Type != elf.ET_EXEC {
		return refused(f, elf.ErrType, "type is "+f.Type.String()+", not that of a program (ET_EXEC or ET_DYN)")
	}
	if !program && f.Type != elf.ET_DYN {
		return refused(f, elf.ErrType, "type is "+f.Type.String()+", not that of a shared object (ET_DYN)")
	}
	if err := f.CheckLoad(native.PageSize); err != nil {
		return err
	}
	// What shares a page has the protection of the segment that comes last.
	end := uint64(0) // of the last writable segment
	for i := range f.Progs {
		switch p := &f.Progs[i]; {
		case p.Type != elf.PT_LOAD || p.Memsz == 0:
		case p.Flags&elf.PF_W != 0:
			end = p.Vaddr + p.Memsz
		case p.Vaddr&^(native.PageSize-1) < end:
			return &elf.FormatError{File: f.Name, Off: f.Phoff + uint64(i)*56,
				What: fmt.Sprintf("a segment that is not writable begins at %#x, in the last page of a writable one, which ends at %#x", p.Vaddr, end)}
		}
	}
	switch {
	case program && !executable(f, f.Entry):
		return refused(f, nil, fmt.Sprintf("the entry point %#x is not in an executable segment", f.Entry))
	case f.WriteExec():
		return refused(f, ErrUnsupported, "a segment is writable and executable at once")
	case f.Stack != nil && f.Stack.Flags&elf.PF_X != 0:
		return refused(f, ErrUnsupported, "the object wants an executable stack (PT_GNU_STACK)")
	}
	return nil
}

// checkTables refuses images whose tables say that.
func checkTables(f *elf.File, program bool) error {
	if err := f.CheckLoad(native.PageSize); err != nil {
		return err // that of the arrays, which the headers do not tell
	}
	d := &f.Dynamic
	switch {
	case f.TLS != nil && f.TLS.Align > elf.MaxLoadSpan:
		return refused(f, nil, fmt.Sprintf("PT_TLS is aligned to %#x", f.TLS.Align))
	case f.TLS != nil && !readable(f, f.TLS):
		return refused(f, nil, "the initial image of PT_TLS is not in a readable segment")
	case program && !f.HasDynamic && slices.ContainsFunc(f.Progs, func(s elf.Prog) bool { return s.Type == elf.PT_INTERP }):
		return refused(f, nil, "it names a program interpreter (PT_INTERP) but has no dynamic section for it")
	case program && !f.HasDynamic:
		return nil // a static one
	case !f.HasDynamic:
		return refused(f, ErrUnsupported, "object has no dynamic section")
	case d.Flags1&elf.DF_1_PIE != 0 && !program:
		return refused(f, ErrUnsupported, "a position-independent executable is not opened as a library (DF_1_PIE)")
	case d.Flags1&elf.DF_1_NOOPEN != 0 && !program:
		return refused(f, ErrUnsupported, "the object asks not to be opened at run time (DF_1_NOOPEN)")
	case d.Init != 0 && !executable(f, d.Init):
		return refused(f, nil, fmt.Sprintf("DT_INIT %#x is not in an executable segment", d.Init))
	case d.Fini != 0 && !executable(f, d.Fini):
		return refused(f, nil, fmt.Sprintf("DT_FINI %#x is not in an executable segment", d.Fini))
	case f.Rel().Len() > 0 || f.PltRelRel().Len() > 0:
		return refused(f, ErrUnsupported, "relocations without addends (DT_REL) are not used on x86-64")
	}
	return nil
}

func refused(f *elf.File, kind error, what string) error {
	return &elf.FormatError{File: f.Name, What: what, Kind: kind}
}

// readable reports whether the file bytes of a part of the image lie in a PT_LOAD that may be read.
func readable(f *elf.File, part *elf.Prog) bool {
	return part.Filesz == 0 || slices.ContainsFunc(f.Progs, func(s elf.Prog) bool {
		return s.Type == elf.PT_LOAD && s.Flags&elf.PF_R != 0 && part.Vaddr-s.Vaddr < s.Memsz
	})
}

// acceptError marks the errors for which the search goes on: a file of another class or machine is passed over.
func acceptError(err error) error {
	switch {
	case errors.Is(err, elf.ErrClass):
		return errors.Join(search.ErrWrongClass, err)
	case errors.Is(err, elf.ErrMachine):
		return errors.Join(search.ErrWrongMachine, err)
	}
	return err
}

// find returns the source of the file that a name stands for, asked for by an object (nil: by the program).
func (p *plan) find(name string, from *Object, needed []string) (*source, error) {
	flavor := search.Glibc
	f, _, _ := native.Libc()
	if f == native.NoLibc {
		f = familyOf(needed)
	}
	if f == native.NoLibc && native.Interpreter(native.Glibc) == "" && native.Interpreter(native.Musl) != "" {
		f = native.Musl
	}
	if f == native.Musl {
		flavor = search.Musl
	}
	t := tracing()
	t.enter(PhaseSearch)
	defer t.leave()
	began := t.now()
	var req *search.Requester
	if from != nil {
		req = from.search
	}
	s := p.searcher(flavor)
	var path string
	var err error
	if p.isDlopen(from) {
		path, err = s.FindDlopen(name, req, p.accept)
	} else {
		path, err = s.Find(name, req, p.accept)
	}
	found, refused := p.found, p.tried
	p.found, p.tried = nil, nil
	if t != nil && found != nil {
		found.searched = time.Since(began) - found.mapped
	}
	for _, x := range refused {
		p.traceTried(name, x.path, from, x.err)
	}
	if err != nil {
		return nil, p.openError(name, from, err)
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	found.path = path
	return found, nil
}

// tryFile maps the file at a path for find.
func (p *plan) tryFile(path string) error {
	s, err := p.openPath(path)
	if err != nil {
		if tracing() != nil {
			p.tried = append(p.tried, tried{path, err})
		}
		return acceptError(err)
	}
	p.found = s
	return nil
}

// tried is a file that find has not taken.
type tried struct {
	path string
	err  error
}

// searcher returns the search of the plan's namespace, one for the whole plan.
func (p *plan) searcher(f search.Flavor) *search.Pass {
	if s := p.ns.searcher(f); p.search.Searcher != s {
		p.search = search.Pass{Searcher: s}
	}
	return &p.search
}

// openError turns the error of a search into ours: what a candidate was refused for is the reason, if there was one.
func (p *plan) openError(name string, from *Object, err error) error {
	e := &OpenError{Name: name, Err: err}
	if from != nil && from != p.caller {
		e.NeededBy = from.Path
	}
	var nf *search.NotFoundError
	var ce *search.CandidateError
	switch {
	case errors.As(err, &nf):
		for _, a := range nf.Tried {
			e.Tried = append(e.Tried, a.Path)
			if fe := new(elf.FormatError); strings.Contains(name, "/") && errors.As(a.Err, &fe) {
				e.Path, e.Err = a.Path, fe
			}
		}
	case errors.As(err, &ce):
		e.Path, e.Err = ce.Path, ce.Err
	}
	return e
}

// beside returns the object that a name stands for in the file system that from came from, next to it.
func (p *plan) beside(name string, from *Object) (*Object, error) {
	if from == nil || from.fsys == nil || strings.Contains(name, "/") {
		return nil, nil
	}
	file := pathpkg.Join(pathpkg.Dir(from.Path), name)
	data, err := elf.ReadFS(from.fsys, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		var s *source
		if s, err = p.openData(file, data); err == nil {
			o := p.add(s, from)
			p.traceLoad(o, s, name, from)
			o.fsys = from.fsys
			o.names = append(o.names, name)
			o.search.Path = ""
			return o, nil
		}
	}
	return nil, &OpenError{Name: name, Path: file, NeededBy: from.Path, Err: err}
}

// requester describes a new object for searches it asks for.
func requester(path string, f *elf.File, loader *search.Requester) *search.Requester {
	d := &f.Dynamic
	return &search.Requester{
		Path: path, Rpath: d.Rpath, Runpath: d.Runpath, HasRunpath: d.HasRunpath,
		NoDefLib: d.Flags1&elf.DF_1_NODEFLIB != 0, Loader: loader,
	}
}
