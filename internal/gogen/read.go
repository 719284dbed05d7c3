package gogen

import (
	"errors"
	"path/filepath"
	"strings"

	"weld/ctype"
	"weld/image/elf"
)

// Read reads what the library at path exports under the names that are wanted, with what its debugging information says of that. Its Name is
// the soname, or else the path. The errors are of packages elf, ctype and os; that no types are known is none.
func Read(path string, wanted func(name string) bool, o *ctype.Options) (*Library, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in, err := ctype.Open(path, o)
	if err != nil {
		return nil, err
	}
	l := &Library{Name: f.Dynamic.Soname, Source: filepath.Base(path)}
	if l.Name == "" {
		l.Name = path
	}
	source, from, err := in.Source()
	switch {
	case err != nil:
		return nil, err
	case source == ctype.FromDebugFile:
		l.Source += ", by " + filepath.Base(from)
	default:
		l.Source += ", by " + source.String()
	}
	table, err := ctype.FindSigTable(f.File, ctype.NoteExports)
	if err != nil {
		return nil, err
	}
	if source == ctype.FromNowhere && table != nil {
		l.Source = filepath.Base(path) + ", by " + ctype.FromTable.String()
	}
	seen := map[string]bool{}
	for i, s := range f.DynSymbols().All() {
		switch s.Type() {
		case elf.STT_FUNC, elf.STT_OBJECT, elf.STT_TLS, elf.STT_GNU_IFUNC:
		default:
			continue
		}
		name := f.SymName(s)
		if !s.Exported() || s.Shndx == elf.SHN_ABS || f.Version(i).Hidden || seen[name] || !wanted(name) {
			continue
		}
		seen[name] = true
		l.Symbols = append(l.Symbols, symbol(in, table, ctype.Query{Name: name, Addr: s.Value, Type: s.Type()}))
	}
	l.Describe = func(kind ctype.Kind, tag string) *ctype.Type {
		t, err := in.TypeNamed(kind, tag)
		if err != nil {
			return nil
		}
		return t
	}
	if l.Enums, err = in.Enums(); err != nil {
		return nil, err
	}
	if l.Macros, err = in.Macros(); err != nil {
		return nil, err
	}
	return l, nil
}

// symbol looks a symbol up: in the debugging information, which knows names and lines, then in a table of signatures, which may be nil.
func symbol(in *ctype.Info, table *ctype.SigTable, q ctype.Query) Symbol {
	s := Symbol{Name: q.Name}
	if q.Type == elf.STT_TLS {
		s.Why = "they are thread-local, and have an address for each thread"
		return s
	}
	k, err := in.Lookup(q)
	if err != nil && table != nil {
		if e := table.Find(q.Name); e != nil && e.Signature.Hash != 0 {
			if x, err := e.Known(in.Name()); err == nil {
				s.Type = x.Type
				return s
			}
		}
	}
	if err != nil {
		s.Why = "their types are not known: " + strings.ReplaceAll(err.Error(), "\n", " ")
		if u := (*ctype.UnknownError)(nil); errors.As(err, &u) {
			s.Why = "their types are not known: " + u.Kind.Error()
		}
		return s
	}
	s.Type, s.At = k.Type, k.Declared()
	return s
}
