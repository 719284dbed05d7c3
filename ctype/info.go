package ctype

import (
	"bytes"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
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
	// BuildID is what the file's build-id has to be: otherwise nothing is known. nil: any.
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
	FromTable            // a table of signatures, which weld link has made
	FromDWARF            // the DWARF of the file itself
	FromDebugFile        // DWARF of a separate file
	FromBTF              // section .BTF
	FromDecl             // a C declaration that the caller gave
	FromKCFI             // a type id before the function
)

var sourceNames = [...]string{"nowhere", "a table of signatures", "DWARF", "a debug file", "BTF", "a declaration", "a type id"}

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
		if id := f.buildID(); len(in.opts.BuildID) > 0 && !bytes.Equal(id, in.opts.BuildID) {
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
	d := &dwarf{in: in, name: f.name, object: f.fake != nil}
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
