//go:build linux && amd64

package plugin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"unsafe"

	"weld"
	"weld/image/elf"
	"weld/link"
)

// A pluginError is what a plugin says is wrong.
type pluginError struct {
	path string
	msg  string
	err  error
}

func (e *pluginError) Error() string { return "plugin " + e.path + ": " + e.msg }
func (e *pluginError) Unwrap() error { return e.err }

// A plugin is a plugin that is loaded.
type plugin struct {
	conf link.PluginConfig
	ns   *weld.Namespace
	dir  string // for inputs that are not in a file; "" until there is one

	// What the plugin has registered.
	claimFile      func(*inputFile, *int32) int32
	allSymbolsRead func() int32
	cleanup        func() int32
	strdup         func(string) *byte // C's: the plugin frees what it gets

	files     []*file
	claiming  *file
	made      []link.Input
	errs      []string
	callbacks []*weld.Callback
	keep      runtime.Pinner // what the plugin has pointers to
}

// A file is a file that has been offered to the plugin. Its handle is its index in plugin.files plus 1.
type file struct {
	*link.PluginFile
	name   *byte // the path, NUL-terminated
	offset int64
	open   *os.File
	syms   []link.PluginSymbol
	told   []link.PluginSymbol // with resolutions; nil if the file is not linked
}

// Open loads a linker plugin for one link; it is a link.Options.OpenPlugin. It may be called from several goroutines at once.
func Open(conf link.PluginConfig) (link.Plugin, error) {
	p := &plugin{conf: conf}
	if err := p.load(); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *plugin) err(err error, format string, args ...any) error {
	return &pluginError{p.conf.Path, fmt.Sprintf(format, args...), err}
}

func (p *plugin) load() error {
	path, err := filepath.Abs(p.conf.Path)
	if err != nil {
		return p.err(err, "%v", err)
	}
	if p.ns, err = weld.NewNamespace(weld.Config{}); err != nil {
		return p.err(err, "%v", err)
	}
	// A child between vfork and exec must not bind lazily: that calls Go, which the child does not have.
	lib, err := p.ns.Open(path, weld.Now)
	if err != nil {
		return p.err(err, "it cannot be loaded: %v", err)
	}
	onload, err := weld.Func[func(*entry) int32](lib, "onload")
	if err != nil {
		return p.err(err, "it is no linker plugin: %v", err)
	}
	if p.strdup, err = weld.Func[func(string) *byte](lib, "strdup"); err != nil {
		return p.err(err, "it needs no C library: %v", err)
	}
	table, err := p.table()
	if err != nil {
		return p.err(err, "%v", err)
	}
	status, err := p.call(func() int32 { return onload(&table[0]) })
	switch {
	case err != nil:
		return err
	case status != statusOK:
		return p.err(nil, "it does not start: status %d", status)
	case p.claimFile == nil || p.allSymbolsRead == nil:
		return p.err(nil, "it has registered no functions that look at files and compile them")
	}
	return nil
}

// fatal is the panic that a fatal message ends a call with.
type fatal struct{ msg string }

// call calls the plugin and returns its status, or what it has said is wrong.
func (p *plugin) call(f func() int32) (status int32, err error) {
	p.errs = nil
	defer func() {
		switch r := recover().(type) {
		case nil:
		case fatal:
			p.errs = append(p.errs, r.msg)
		case *weld.ThreadError:
			err = p.err(r, "%v", r)
			return
		default:
			panic(r)
		}
		if len(p.errs) > 0 {
			err = p.err(nil, "%s", strings.Join(p.errs, "; "))
		}
	}()
	return f(), nil
}

// cstring makes a string for C that stays until Close.
func (p *plugin) cstring(s string) *byte {
	b := append([]byte(s), 0)
	p.keep.Pin(&b[0])
	return &b[0]
}

// Claim implements [link.Plugin].
func (p *plugin) Claim(pf *link.PluginFile) ([]link.PluginSymbol, bool, error) {
	f := &file{PluginFile: pf, offset: pf.Offset}
	path := pf.Path
	if path == "" {
		// Compilers open files by their names.
		if p.dir == "" {
			dir, err := os.MkdirTemp("", "weld-lto-")
			if err != nil {
				return nil, false, p.err(err, "%v", err)
			}
			p.dir = dir
		}
		path, f.offset = filepath.Join(p.dir, fmt.Sprintf("%d.o", len(p.files))), 0
		if err := os.WriteFile(path, pf.Data, 0o600); err != nil {
			return nil, false, p.err(err, "%v", err)
		}
	}
	f.name = p.cstring(path)
	p.files = append(p.files, f)
	in, err := p.inputFile(f)
	if err != nil {
		return nil, false, p.err(err, "%v", err)
	}
	defer f.close()
	p.claiming = f
	var claimed int32
	status, err := p.call(func() int32 { return p.claimFile(in, &claimed) })
	p.claiming = nil
	runtime.KeepAlive(in)
	switch {
	case err != nil:
		return nil, false, err
	case status != statusOK:
		return nil, false, p.err(nil, "it cannot tell whether %s is for it: status %d", pf.Name, status)
	}
	return f.syms, claimed != 0, nil
}

// sections reads the section headers of an ELF file.
func (f *file) sections() ([]elf.Section, *elf.File, error) {
	ef, err := elf.New(f.Name, f.Data)
	if err != nil {
		return nil, nil, err
	}
	secs, err := ef.Sections()
	return secs, ef, err
}

// inputFile opens a file and describes it to the plugin.
func (p *plugin) inputFile(f *file) (*inputFile, error) {
	if f.open == nil {
		path := unsafe.String(f.name, strlen(f.name))
		o, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		f.open = o
	}
	in := &inputFile{name: f.name, fd: int32(f.open.Fd()), offset: f.offset, size: int64(len(f.Data))}
	for i := range p.files {
		if p.files[i] == f {
			in.handle = uintptr(i + 1)
		}
	}
	return in, nil
}

func (f *file) close() {
	if f.open != nil {
		f.open.Close()
		f.open = nil
	}
}

// Compile implements [link.Plugin].
func (p *plugin) Compile(files []link.ClaimedFile) ([]link.Input, error) {
	byFile := map[*link.PluginFile][]link.PluginSymbol{}
	for _, c := range files {
		byFile[c.File] = c.Symbols
	}
	for _, f := range p.files {
		f.told = byFile[f.PluginFile]
	}
	status, err := p.call(p.allSymbolsRead)
	switch {
	case err != nil:
		return nil, err
	case status != statusOK:
		return nil, p.err(nil, "it does not compile: status %d", status)
	}
	return p.made, nil
}

// Close implements [link.Plugin].
func (p *plugin) Close() error {
	var errs []error
	if p.cleanup != nil {
		_, err := p.call(p.cleanup)
		errs = append(errs, err)
		p.cleanup = nil
	}
	for _, f := range p.files {
		f.close()
	}
	if p.ns != nil {
		errs = append(errs, p.ns.Close())
		p.ns = nil
	}
	for _, c := range p.callbacks {
		c.Close()
	}
	p.callbacks = nil
	if p.dir != "" {
		errs = append(errs, os.RemoveAll(p.dir))
		p.dir = ""
	}
	p.keep.Unpin()
	return errors.Join(errs...)
}
