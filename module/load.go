package module

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"weld"
	"weld/image/elf"
	"weld/internal/rtld"
	"weld/native"
)

// Options say how a module is loaded. The zero value, or nil, is good for most.
type Options struct {
	// Name is for messages and debuggers; "" is module.
	Name string
	// MaxSize bounds the file, and what it takes in memory, each in bytes; 0 does not. A module of that size is loaded.
	MaxSize int64
	// SHA256, if it is not nil, is what the digest of the file has to be.
	SHA256 *[32]byte
	// Namespace is where the module is listed, and whose closing frees it. nil: the default one.
	Namespace *weld.Namespace
	// AllowUntyped lets imports be bound, and exports be taken, whose type the module does not know. What the host exports by Unchecked
	// they always may be bound to.
	AllowUntyped bool
}

// Module is a module that is loaded.
type Module struct {
	Name       string
	Base, Size uintptr // where it is in memory

	obj     *rtld.Object
	opts    Options
	guard   *native.Guard
	exports Table

	mu      sync.Mutex
	imports Table
}

// Load loads a module from the size bytes of r, with nothing to import but what is in a table of exports (nil for none). r is not used
// any more when it returns. The error is a *LoadError, or an *ImportsError with all imports that are missing or of another type; nothing
// of the module has run then, and nothing is left behind.
func Load(r io.ReaderAt, size int64, exports *Exports, opts *Options) (*Module, error) {
	m := newModule(opts)
	host, err := exports.use()
	if err != nil {
		return nil, err
	}
	unuse := sync.OnceFunc(exports.unuse)
	done := false
	defer func() {
		if !done {
			unuse()
		}
	}()

	data, err := m.read(r, size)
	if err != nil {
		return nil, err
	}
	c := &checker{m: m, host: host}
	if err := c.file(data); err != nil {
		return nil, err
	}
	if err := c.bind(); err != nil {
		return nil, err
	}
	if err := m.open(data, resolver(c.bound)); err != nil {
		return nil, err
	}
	done = true
	// It may go by its namespace's end too, and then as a library does: with calls in progress or not.
	m.obj.AtClose(func() {
		m.guard.Shut()
		unuse()
	})
	if m.obj.Closed() {
		m.guard.Shut()
		unuse()
		return nil, ErrClosed
	}
	m.Base, m.Size = m.obj.Mapping.Bias, m.obj.Mapping.Size
	m.exports, m.imports = c.exports, c.imports
	for i := range m.exports {
		m.exports[i].Addr += m.Base
	}
	return m, nil
}

// Tables reads the tables of a module without loading it: of the exports, the addresses are those in the file. It is checked as by Load
// but for its imports, with the same errors.
func Tables(r io.ReaderAt, size int64, opts *Options) (exports, imports Table, err error) {
	m := newModule(opts)
	data, err := m.read(r, size)
	if err != nil {
		return nil, nil, err
	}
	c := &checker{m: m}
	if err := c.file(data); err != nil {
		return nil, nil, err
	}
	return c.exports, c.imports, nil
}

func newModule(opts *Options) *Module {
	m := &Module{guard: native.NewUseGuard(ErrFreed)}
	if opts != nil {
		m.opts = *opts
	}
	if m.Name = m.opts.Name; m.Name == "" {
		m.Name = "module"
	}
	return m
}

func (m *Module) fail(kind, err error, place, format string, args ...any) error {
	return &LoadError{Module: m.Name, Place: place, What: fmt.Sprintf(format, args...), Kind: kind, Err: err}
}

// read returns the bytes of the module, which nobody changes any more.
func (m *Module) read(r io.ReaderAt, size int64) ([]byte, error) {
	if limit := m.opts.MaxSize; limit > 0 && size > limit {
		return nil, m.fail(ErrTooBig, nil, "", "it has %d bytes, more than %d", size, limit)
	}
	failed := &failedReader{r: r}
	data, err := elf.ReadAll(m.Name, failed, size)
	switch {
	case err == nil && m.opts.SHA256 != nil && sha256.Sum256(data) != *m.opts.SHA256:
		return nil, m.fail(ErrChecksum, nil, "", "its SHA-256 is %x, not %x", sha256.Sum256(data), *m.opts.SHA256)
	case err == nil:
		return data, nil
	case failed.err == nil && !errors.As(err, new(*elf.FormatError)): // it has returned what no reader may
		return nil, m.fail(ErrRead, err, "", "%s", trim(err, m.Name))
	case failed.err != nil:
		return nil, m.fail(ErrRead, failed.err, "", "it cannot be read: %v", failed.err)
	}
	return nil, m.headError(err)
}

// headError is the error of a file that is no ELF file for this machine.
func (m *Module) headError(err error) error {
	kind := ErrNotModule
	switch {
	case errors.Is(err, elf.ErrClass), errors.Is(err, elf.ErrByteOrder), errors.Is(err, elf.ErrMachine):
		kind = ErrPlatform
	case errors.Is(err, elf.ErrTruncated):
		kind = ErrRead
	case errors.Is(err, elf.ErrTooLarge):
		kind = ErrTooBig
	}
	return m.fail(kind, err, "", "%s", trim(err, m.Name))
}

// trim returns the text of an error without the name of the file in front.
func trim(err error, name string) string {
	s := []byte(err.Error())
	s = bytes.TrimPrefix(s, []byte("open "+name+": "))
	return string(bytes.TrimPrefix(s, []byte(name+": ")))
}

// failedReader notes an error other than the end of what there is.
type failedReader struct {
	r   io.ReaderAt
	err error
}

func (f *failedReader) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.r.ReadAt(b, off)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// open has the run-time linker map and bind what was checked, and run the initialisers.
func (m *Module) open(data []byte, resolve rtld.Imports) error {
	var ns any
	if m.opts.Namespace != nil {
		ns = m.opts.Namespace
	}
	src := rtld.Source{Name: m.Name, R: bytes.NewReader(data), Size: int64(len(data)), Imports: resolve}
	obj, err := rtld.Faces.Namespace(ns).Open(src, rtld.Now, nil)
	if err == nil {
		m.obj = obj
		return nil
	}
	var undefined *rtld.UndefinedError
	if errors.As(err, &undefined) { // the library of an export has been closed
		e := &ImportsError{Module: m.Name}
		for _, s := range undefined.Symbols {
			e.Imports = append(e.Imports, &ImportError{Name: s.Name, Kind: ErrUndefined, Why: "its library is closed"})
		}
		return e
	}
	kind := ErrMap
	var format *elf.FormatError
	var reloc *rtld.RelocError
	switch {
	case errors.Is(err, rtld.ErrUnsupported):
		kind = ErrRefused
	case errors.As(err, &reloc):
		kind = ErrReloc
	case errors.As(err, &format):
		kind = ErrNotModule
	}
	return m.fail(kind, err, "", "%s", trim(err, m.Name))
}

// Exports returns the table of what the module exports.
func (m *Module) Exports() Table { return m.exports }

// Imports returns the table of what the module imports, with the addresses that it was bound to: nil after FreeImports.
func (m *Module) Imports() Table {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.imports
}

// FreeImports drops the table of imports, which nothing else needs.
func (m *Module) FreeImports() {
	m.mu.Lock()
	m.imports = nil
	m.mu.Unlock()
}

// Hold keeps the module from being freed until release is called, for those that use it otherwise than by Import: who has given
// addresses of its functions to native code, or lets it make threads.
func (m *Module) Hold() (release func(), err error) {
	if !m.guard.Enter() {
		return nil, ErrFreed
	}
	return sync.OnceFunc(m.guard.Leave), nil
}

// Free runs the module's finalisers and unmaps it. As long as it is in use, that is, calls of functions that Import has returned are in
// progress, somebody holds it, or its symbols are in a table of exports, the error is an *InUseError and it stays as it is. From then
// on those functions panic with ErrFreed, as does the second Free return it. Calls that native code makes by itself into the module are
// not counted, and what points into the module points to nothing afterwards.
func (m *Module) Free() error {
	users := m.guard.Close()
	if users > 0 {
		return &InUseError{"module " + m.Name, users}
	}
	m.mu.Lock()
	obj := m.obj
	m.obj, m.imports = nil, nil
	m.mu.Unlock()
	if obj == nil {
		return ErrFreed
	}
	if err := obj.Close(); err != nil { // its namespace has been closed
		return ErrFreed
	}
	return nil
}
