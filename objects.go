package weld

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"weld/image/elf"
	"weld/internal/rtld"
	"weld/link"
)

// OpenObjects links relocatable objects and archives into the running process: package link makes a shared library of
// them in memory, which is then opened in the namespace (nil for the default one) as by Load. No file is written.
// Debuggers have its symbols and lines as those of a library from memory.
//
// A file is a path of an object (.o), an archive (.a) of which the members are taken that define what is undefined, or
// a shared library; a shared library may also be named as for Open. If all files are archives they are taken whole.
// What the files do not define is looked for in the libraries that are open in the namespace, but those from memory
// (Load, OpenFS, OpenObjects), then in the C library and
// the run-time library of C++; those that define something are opened too. References of the files to each other are
// bound when they are linked: no other library can take the place of a definition.
//
// The objects must be for position-independent code: compiled with -fPIC, or with -fPIE if they use no variables of
// libraries. Each call links and loads anew; every one needs a Close. The error is one of those of link.Link, such as a
// *link.UndefinedError with the source lines that refer to a symbol, or an *OpenError; nothing is left loaded then.
func OpenObjects(ns *Namespace, files ...string) (*Library, error) {
	if len(files) == 0 {
		return nil, &link.OptionError{Option: "files", What: "there are none"}
	}
	if ns == nil {
		ns = defaultNamespace
	}
	inputs, err := objectInputs(files)
	if err != nil {
		return nil, err
	}
	var held []*Library // opened to be looked in; the new library holds those that it needs
	defer func() {
		for _, lib := range held {
			lib.Close()
		}
	}()
	find := func(name string) error {
		lib, err := ns.Open(name)
		if err == nil {
			held = append(held, lib)
		}
		return err
	}
	for i := range inputs {
		if in := &inputs[i]; in.Library != "" {
			if err := find(in.Library); err != nil {
				return nil, err
			}
			in.Path, in.Library = held[len(held)-1].Path, ""
		}
	}
	res, err := linkObjects(ns, inputs)
	if errors.As(err, new(*link.UndefinedError)) {
		for _, name := range runtimeLibraries {
			if oerr := find(name); oerr != nil && name == runtimeLibraries[0] {
				return nil, oerr
			}
		}
		res, err = linkObjects(ns, inputs)
	}
	if err != nil {
		return nil, err
	}
	return ns.Load(filepath.Base(files[0]), bytes.NewReader(res.Data), res.Size)
}

var defaultNamespace = &Namespace{rtld.Default}

// runtimeLibraries are what gcc and g++ link with, in their order. Only the first one has to be there.
var runtimeLibraries = []string{"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6"}

// objectInputs returns the inputs that files are. Shared libraries, which are to be opened, have Library set.
func objectInputs(files []string) ([]link.Input, error) {
	var inputs []link.Input
	onlyArchives := true
	for _, name := range files {
		in := link.Input{Path: name}
		data, err := head(name)
		switch {
		case err != nil && (filepath.Base(name) != name || !errors.Is(err, os.ErrNotExist)):
			return nil, &link.FileError{File: name, What: err.Error(), Kind: err}
		case err != nil:
			in = link.Input{Library: name}
		case len(data) > 16 && bytes.HasPrefix(data, []byte("\x7fELF")) && data[16] == byte(elf.ET_DYN):
			if in.Library, err = filepath.Abs(name); err != nil {
				return nil, err
			}
			in.Path = ""
		case !bytes.HasPrefix(data, []byte("!<")):
			onlyArchives = false
		}
		inputs = append(inputs, in)
	}
	if onlyArchives {
		for i := range inputs {
			inputs[i].WholeArchive = inputs[i].Library == ""
		}
	}
	return inputs, nil
}

// head returns the first bytes of a file.
func head(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	defer f.Close()
	b := make([]byte, 20)
	n, err := f.Read(b)
	if err == io.EOF {
		err = nil
	}
	return b[:n], err
}

// linkObjects makes a shared library of objects and what is open in a namespace.
func linkObjects(ns *Namespace, inputs []link.Input) (*link.Result, error) {
	inputs = append(slices.Clone(inputs), link.Support()...)
	for _, lib := range ns.Libraries() {
		if lib.obj.InMemory() {
			continue // its path is the name that it was given, at which another file may be
		}
		if info, err := os.Stat(lib.Path); err == nil && info.Mode().IsRegular() {
			inputs = append(inputs, link.Input{Path: lib.Path, AsNeeded: true})
		}
	}
	return link.Link(context.Background(), link.Options{
		Inputs: inputs, Mode: link.Shared, Machine: elf.EM_X86_64, Unresolved: link.UnresolvedError, Symbolic: true, Now: true,
		EhFrameHdr: true, BuildID: link.BuildIDSHA1, HashStyle: link.HashGNU,
	})
}
