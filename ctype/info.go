package ctype

import (
	"bytes"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	weldelf "weld/image/elf"
)

// Options says where debugging information is looked for. The zero value is as good as nil.
type Options struct {
	// DebugDirs are the folders in which separate files of debugging information are looked for, by build-id
	// (.build-id/xx/yyyy.debug), by the library's own path, or by name. nil: /usr/lib/debug.
	DebugDirs []string
	// NoSeparate keeps to the file itself.
	NoSeparate bool
	// BuildID is what the file's build-id has to be, if it has one: otherwise nothing is known. nil: any.
	BuildID []byte
	// MaxBytes bounds the sections that are read, decompressed. 0: 2 GiB.
	MaxBytes int64
}

var defaultDirs = []string{"/usr/lib/debug"}

func (o *Options) dirs() []string {
	switch {
	case o.NoSeparate:
		return nil
	case o.DebugDirs == nil:
		return defaultDirs
	}
	return o.DebugDirs
}

// Source says where knowledge of a type is from.
type Source uint8

// The sources, in the order in which they are asked.
const (
	FromNowhere   Source = iota
	FromDWARF            // the DWARF of the file itself
	FromDebugFile        // DWARF of a separate file
	FromBTF              // section .BTF
	FromDecl             // a C declaration that the caller gave
)

var sourceNames = [...]string{"nowhere", "DWARF", "a debug file", "BTF", "a declaration"}

func (s Source) String() string {
	if int(s) < len(sourceNames) {
		return sourceNames[s]
	}
	return "unknown"
}

// Info is the debugging information of an ELF file: of a library, a program, a relocatable object, or of a separate file.
// It is opened lazily: what Open costs is a look at the section headers, and the information is read when the first type is
// asked for. It may be used by any number of goroutines.
//
// Only 64-bit little-endian files are read. An Info holds no files open and needs no closing.
type Info struct {
	name    string
	opts    Options
	machine weldelf.Machine
	data    []byte // of New

	mu     sync.Mutex
	budget atomic.Int64 // bytes that may still be read

	loaded bool
	err    error
	source Source
	file   string // the file that source is
	dwarf  *dwarf
	btf    *btfData

	mayFold bool   // see folds
	altName string // .gnu_debugaltlink
	altID   []byte

	index   index
	named   []*unit // what nameEntry.unit counts
	nameErr error   // of a unit that could not be looked at
}

// Open looks at the file at path. The error is a *elf.FormatError or of package os. That there is no debugging
// information is not an error.
func Open(path string, o *Options) (*Info, error) {
	in := newInfo(path, o)
	err := withFile(path, &in.budget, func(f *elfFile) error {
		in.machine = f.header.Machine
		return nil
	})
	if err != nil {
		return nil, err
	}
	return in, nil
}

// New is Open for a file in memory, which must not change. Name is used in errors, and as a path when files beside it are looked
// for.
func New(name string, data []byte, o *Options) (*Info, error) {
	in := newInfo(name, o)
	f, err := readELF(name, bytes.NewReader(data), int64(len(data)), &in.budget)
	if err != nil {
		return nil, err
	}
	in.machine, in.data = f.header.Machine, data
	return in, nil
}

func newInfo(name string, o *Options) *Info {
	in := &Info{name: name}
	in.budget.Store(2 << 30)
	if o != nil {
		in.opts = *o
		if o.MaxBytes > 0 {
			in.budget.Store(o.MaxBytes)
		}
	}
	return in
}

// Name returns the name that Open or New was given.
func (in *Info) Name() string { return in.name }

// Machine returns the processor that the file is for.
func (in *Info) Machine() weldelf.Machine { return in.machine }

// Source says what debugging information there is, and in which file. It has that read, but no more than its sections. The
// error is a *FormatError.
func (in *Info) Source() (Source, string, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	err := in.load()
	return in.source, in.file, err
}

// load finds the debugging information.
func (in *Info) load() error {
	if in.loaded {
		return in.err
	}
	in.loaded = true
	in.err = in.find0()
	if in.err != nil {
		in.source, in.dwarf, in.btf = FromNowhere, nil, nil
	}
	return in.err
}

func (in *Info) find0() error {
	look := func(f *elfFile) error {
		if id := f.buildID(); in.opts.BuildID != nil && id != nil && !bytes.Equal(id, in.opts.BuildID) {
			return nil // the file was replaced
		}
		if f.find(".debug_info") >= 0 || f.find(".zdebug_info") >= 0 {
			if ok, err := in.readDWARF(f, FromDWARF); ok || err != nil {
				return err
			}
		}
		if !in.opts.NoSeparate {
			if done, err := in.separate(f); done || err != nil {
				return err
			}
		}
		b, err := f.section(".BTF")
		if err != nil || len(b) == 0 {
			return err
		}
		if in.btf, err = readBTF(in, f.name, b); err != nil {
			return err
		}
		in.source, in.file = FromBTF, f.name
		return nil
	}
	return in.withELF(look)
}

// readDWARF reads the sections of f. It reports whether there are units.
func (in *Info) readDWARF(f *elfFile, source Source) (bool, error) {
	d := &dwarf{in: in, name: f.name}
	if err := d.sec.read(f, ""); err != nil {
		return false, err
	}
	if err := d.readUnits(); err != nil {
		return false, err
	}
	if len(d.units) == 0 {
		return false, nil
	}
	if i := f.find(".gnu_debugaltlink"); i >= 0 {
		if b, err := f.raw(&f.sections[i]); err == nil {
			if name, id, ok := bytes.Cut(b, []byte{0}); ok {
				in.altName, in.altID = string(name), id
			}
		}
	} else if i := f.find(".debug_sup"); i >= 0 { // DWARF 5, section 7.3.6
		if b, err := f.raw(&f.sections[i]); err == nil {
			r := readerAt(b, 3)
			name := r.cstring()
			in.altName, in.altID = string(name), r.bytes(r.uleb())
		}
	}
	in.dwarf, in.source, in.file, in.mayFold = d, source, f.name, f.folds()
	return true, nil
}

// buildIDPath is where the debugging information of a build-id is in a folder.
func buildIDPath(dir string, id []byte) string {
	h := func(b []byte) string {
		var s strings.Builder
		for _, c := range b {
			s.WriteByte("0123456789abcdef"[c>>4])
			s.WriteByte("0123456789abcdef"[c&15])
		}
		return s.String()
	}
	return filepath.Join(dir, ".build-id", h(id[:1]), h(id[1:])+".debug")
}

// separate looks for the file that the debugging information was moved to (gdb manual, "Separate Debug Files"). A file that
// is not of the build-id, or has not the checksum, is passed over.
func (in *Info) separate(f *elfFile) (bool, error) {
	try := func(path string, fits func(g *elfFile) bool) (done bool, err error) {
		err = withFile(path, &in.budget, func(g *elfFile) error {
			if !fits(g) {
				return nil
			}
			done, err = in.readDWARF(g, FromDebugFile)
			return err
		})
		if err != nil && !done {
			if _, ok := err.(*FormatError); !ok {
				return false, nil // it is not there, or no ELF file
			}
		}
		return done, err
	}
	id := f.buildID()
	sameID := func(g *elfFile) bool { return bytes.Equal(g.buildID(), id) }
	if len(id) > 1 {
		for _, dir := range in.opts.dirs() {
			if done, err := try(buildIDPath(dir, id), sameID); done || err != nil {
				return done, err
			}
		}
	}
	i := f.find(".gnu_debuglink")
	if i < 0 {
		return false, nil
	}
	b, err := f.raw(&f.sections[i])
	if err != nil {
		return false, err
	}
	name, _, ok := bytes.Cut(b, []byte{0})
	if !ok || len(b) < 4 || len(name) == 0 || bytes.IndexByte(name, '/') >= 0 {
		return false, nil
	}
	crc := le.Uint32(b[len(b)-4:])
	dir := filepath.Dir(in.name)
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	paths := []string{filepath.Join(dir, string(name)), filepath.Join(dir, ".debug", string(name))}
	for _, d := range in.opts.dirs() {
		paths = append(paths, filepath.Join(d, dir, string(name)), filepath.Join(d, string(name)))
	}
	for _, path := range paths {
		done, err := try(path, func(g *elfFile) bool {
			if len(id) > 0 && len(g.buildID()) > 0 {
				return sameID(g)
			}
			h := crc32.NewIEEE()
			_, err := io.Copy(h, io.NewSectionReader(g.r, 0, g.size))
			return err == nil && h.Sum32() == crc
		})
		if done || err != nil {
			return done, err
		}
	}
	return false, nil
}

// openRegular opens a file that is no device, FIFO or the like, without waiting for one.
func openRegular(path string) (*os.File, int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, &os.PathError{Op: "open", Path: path, Err: weldelf.ErrNotRegular}
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	size := info.Size()
	if info, err = file.Stat(); err == nil && info.Mode().IsRegular() {
		return file, info.Size(), nil
	}
	file.Close()
	return nil, size, &os.PathError{Op: "open", Path: path, Err: weldelf.ErrNotRegular}
}

// Query is a symbol whose type is asked for: an entry of the symbol table of the file.
type Query struct {
	Name string
	Addr uint64          // st_value, without a bias; 0, but of STT_TLS: go by the name
	Type weldelf.SymType // STT_FUNC, STT_GNU_IFUNC, STT_OBJECT or STT_TLS
}

// Symbols returns the symbols of the file's symbol table (.symtab, else .dynsym) that it defines for others: functions and variables of
// the bindings global and weak. The addresses of a relocatable object, which has none, are made up, and are those that
// Lookup wants. The error is a *elf.FormatError, a *FormatError or of package os.
func (in *Info) Symbols() (list []Query, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	err = in.withELF(func(f *elfFile) (err error) {
		list, err = f.symbols()
		return err
	})
	return list, err
}

// symbols reads the symbol table.
func (f *elfFile) symbols() ([]Query, error) {
	table := f.find(".symtab")
	if table < 0 {
		table = f.find(".dynsym")
	}
	if table < 0 {
		return nil, nil
	}
	s := &f.sections[table]
	if int(s.Link) >= len(f.sections) {
		return nil, f.err(s, ErrCorrupt, "its string table is section %d, which there is not", s.Link)
	}
	syms, err := f.raw(s)
	if err != nil {
		return nil, err
	}
	strs, err := f.raw(&f.sections[s.Link])
	if err != nil {
		return nil, err
	}
	var list []Query
	for ; len(syms) >= 24; syms = syms[24:] {
		bind, typ := weldelf.SymBind(syms[4]>>4), weldelf.SymType(syms[4]&15)
		shndx := le.Uint16(syms[6:])
		vis := weldelf.SymVis(syms[5] & 3)
		if bind == weldelf.STB_LOCAL || shndx == weldelf.SHN_UNDEF || shndx == weldelf.SHN_ABS || vis == weldelf.STV_HIDDEN || vis == weldelf.STV_INTERNAL {
			continue
		}
		switch typ {
		case weldelf.STT_FUNC, weldelf.STT_OBJECT, weldelf.STT_TLS, weldelf.STT_GNU_IFUNC, weldelf.STT_COMMON:
		default:
			continue
		}
		name := stringAt(strs, uint64(le.Uint32(syms)))
		if len(name) == 0 {
			continue
		}
		q := Query{Name: string(name), Type: typ}
		if q.Addr = f.symbolValue(syms); shndx == weldelf.SHN_COMMON {
			q.Addr, q.Type = 0, weldelf.STT_OBJECT
		}
		list = append(list, q)
	}
	return list, nil
}

// Known is what is known of a symbol.
type Known struct {
	Type *Type  // of kind Func for a function
	Name string // of the function or variable in the debugging information, which aliases do not share
	From Source
	File string // where it was found

	ref dieRef
}

// Lookup returns the type of a symbol. A function is looked for by its address, as a name may be an alias's; what that leads
// to nothing for, by name. At the address of an indirect function (STT_GNU_IFUNC) is its
// resolver: the type is what that returns a pointer to, if it says so. What was written in assembly is looked for by name: if C code of the file declares the symbol, that is its type.
//
// The error is an *UnknownError if nothing is known, and a *FormatError if the information is damaged.
func (in *Info) Lookup(q Query) (*Known, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if err := in.load(); err != nil {
		return nil, err
	}
	switch {
	case in.dwarf != nil:
		return in.lookupDWARF(q)
	case in.btf != nil:
		return in.btf.lookup(q)
	}
	return nil, unknown(in.name, q.Name, ErrNoDebugInfo, "there is no debugging information")
}

func (in *Info) lookupDWARF(q Query) (*Known, error) {
	var why error
	if (q.Addr != 0 || q.Type == weldelf.STT_TLS) && q.Type != weldelf.STT_GNU_IFUNC {
		var refs []dieRef
		var err error
		if q.Type == weldelf.STT_OBJECT || q.Type == weldelf.STT_TLS {
			refs = in.variableAt(q.Addr, q.Type == weldelf.STT_TLS)
		} else if refs, err = in.functionAt(q.Addr); err != nil {
			return nil, err
		}
		k, err := in.choose(q, refs)
		if k != nil {
			if k.Name != q.Name && in.mayFold {
				if own := in.folded(q); own != nil {
					return own, nil
				}
			}
			return k, nil
		}
		if e, ok := err.(*UnknownError); err != nil && !ok {
			return nil, err
		} else if ok {
			why = e
		}
	} else if q.Type == weldelf.STT_GNU_IFUNC {
		if k, err := in.byResolver(q); k != nil || err != nil {
			return k, err
		}
		why = unknown(in.file, q.Name, ErrIndirect, "it is an indirect function, of which the resolver does not say what it returns")
	}
	in.prepareNames()
	k, err := in.choose(q, in.find(&in.index.names, q.Name))
	switch {
	case k != nil:
		return k, nil
	case err != nil && why == nil:
		return nil, err
	case why != nil:
		return nil, why
	case in.nameErr != nil:
		return nil, in.nameErr
	}
	return nil, unknown(in.file, q.Name, ErrNotFound, "the debugging information of %s does not have it", in.file)
}

// folds reports whether the linker of a file may have folded functions of the same code, and so of different types, into one: GNU
// ld does not.
func (f *elfFile) folds() bool {
	i := f.find(".comment")
	if i < 0 || f.sections[i].Size > 1<<16 {
		return true
	}
	b, err := f.raw(&f.sections[i])
	return err != nil || len(b) == 0 || bytes.Contains(b, []byte("LLD")) || bytes.Contains(b, []byte("mold")) || f.find(".note.gnu.gold-version") >= 0
}

// folded returns what the entry of a function says that was folded into another: it has the symbol's name, and an address that is
// another's or none any more. nil: there is none, as for an alias.
func (in *Info) folded(q Query) *Known {
	in.prepareNames()
	for _, ref := range in.find(&in.index.names, q.Name) {
		e, err := ref.u.die(ref.off)
		if err != nil || e.get(atLowPC) == nil && e.get(atRanges) == nil {
			continue
		}
		if k, err := in.known(q, ref); err == nil && k.Name == q.Name {
			return k
		}
	}
	return nil
}

// byResolver returns the type of an indirect function by that of its resolver, if that is declared to return a pointer to such
// a function, as those of the C library are.
func (in *Info) byResolver(q Query) (*Known, error) {
	refs, err := in.functionAt(q.Addr)
	if err != nil {
		return nil, err
	}
	k, err := in.choose(Query{Name: q.Name}, refs)
	if k == nil {
		if _, ok := err.(*UnknownError); err != nil && !ok {
			return nil, err
		}
		return nil, nil
	}
	p := k.Type.Elem.Strip()
	if k.Type.Kind != Func || p.Kind != Pointer {
		return nil, nil
	}
	if k.Type = p.Elem.Strip(); k.Type.Kind != Func || k.Type.Unchecked {
		return nil, nil
	}
	return k, nil
}

func (in *Info) prepareNames() {
	if !in.index.namesOK {
		in.dwarf.altFile() // before several goroutines want it
		in.makeNames()
	}
}

// variableAt returns the entries of variables at an address.
func (in *Info) variableAt(addr uint64, tls bool) (refs []dieRef) {
	in.prepareNames()
	ps := in.index.places
	for i := sort.Search(len(ps), func(i int) bool { return ps[i].addr >= addr }); i < len(ps) && ps[i].addr == addr; i++ {
		if (ps[i].kind == tlsPlace) == tls {
			refs = append(refs, dieRef{ps[i].u, ps[i].off})
		}
	}
	return refs
}

// choose returns the first of several entries that gives a symbol a type; one with the symbol's own name goes before all
// others, as a linker may have folded functions of the same code into one.
func (in *Info) choose(q Query, refs []dieRef) (*Known, error) {
	var first *Known
	var why error
	for _, ref := range refs {
		k, err := in.known(q, ref)
		if err != nil {
			if _, ok := err.(*UnknownError); !ok {
				return nil, err
			}
			if why == nil {
				why = err
			}
			continue
		}
		if k.Name == q.Name {
			return k, nil
		}
		if first == nil {
			first = k
		}
	}
	return first, why
}

// known makes a Known of an entry.
func (in *Info) known(q Query, ref dieRef) (*Known, error) {
	if ref.off == 0 {
		return nil, unknown(in.file, q.Name, ErrAssembly, "it is written in assembly")
	}
	e, err := ref.u.die(ref.off)
	if err != nil {
		return nil, err
	}
	chain, err := e.chain()
	if err != nil {
		return nil, err
	}
	k := &Known{From: in.source, File: in.file, ref: ref}
	if link := slices.IndexFunc(chain, func(e *die) bool { return len(e.linkage()) > 0 }); link >= 0 {
		k.Name = string(chain[link].linkage())
	}
	for _, e := range chain {
		if k.Name == "" {
			k.Name = string(e.name())
		}
	}
	if strings.HasPrefix(string(e.name()), "__builtin_") {
		return nil, unknown(in.file, q.Name, ErrNoPrototype, "only the compiler's own declaration of it is there")
	}
	if e.tag == tagVariable {
		d, a := inherit(chain, atType)
		if a == nil {
			return nil, unknown(in.file, q.Name, ErrNotFound, "the variable has no type")
		}
		k.Type, err = d.typeOf(0)
		return k, err
	}
	if k.Type = ref.u.d.types[typeKey(ref)]; k.Type == nil {
		if k.Type, err = ref.u.signature(e, chain, 0); err != nil {
			return nil, err
		}
		ref.u.d.types[typeKey(ref)] = k.Type
	}
	if k.Type.Unchecked {
		return nil, unknown(in.file, q.Name, ErrNoPrototype, "it is declared without a prototype")
	}
	return k, nil
}

// TypeNamed returns the struct, union, enum or typedef of a name, described in full. In C a tag and a typedef may share one: the
// tag is taken if kind says so, Typedef for the other.
func (in *Info) TypeNamed(kind Kind, name string) (*Type, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if err := in.load(); err != nil {
		return nil, err
	}
	switch {
	case in.dwarf != nil:
		in.prepareNames()
		for _, ref := range in.find(&in.index.tags, name) {
			t, err := ref.u.typeAt(ref.off, 0)
			if err != nil {
				return nil, err
			}
			if t.Kind == kind && t.Name == name {
				return t, nil
			}
		}
	case in.btf != nil:
		if t := in.btf.named(kind, name); t != nil {
			return t, nil
		}
	default:
		return nil, unknown(in.name, name, ErrNoDebugInfo, "there is no debugging information")
	}
	return nil, unknown(in.file, name, ErrNotFound, "no %v of this name is described", kind)
}
