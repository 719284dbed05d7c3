package weld

import (
	"fmt"
	"reflect"
	"sync"

	"weld/ctype"
	"weld/image/elf"
	"weld/internal/rtld"
	"weld/native/abi"
)

// TypeError says that a Go type is not what is known of a symbol's C type. Err, a *TypeMismatchError, has each difference in
// words.
//
// What is known comes from a declaration that the caller gives (Declared), from the table of signatures that weld link has put into
// the library, from the DWARF or BTF in its own
// file, or, with RequireTypes, from a separate file of debugging information. By default a type that is not known is no
// error, and binding to a library whose file has no debugging information costs nothing more. That of a file that has some is read
// at the first bind and kept; more than 128 MB of it only with RequireTypes. See ctype.Check for what fits.
type TypeError struct {
	Library string // path of the library that defines the symbol
	Symbol  string
	C       *ctype.Type // what is known
	From    ctype.Source
	File    string // where that was found
	Go      reflect.Type
	Err     error
}

func (e *TypeError) Error() string {
	return fmt.Sprintf("%s of %s: %v\n\tC, by %s of %s: %s\n\tGo: %v", e.Symbol, e.Library, e.Err, e.From, e.File, e.C.Declare(e.Symbol), e.Go)
}

// Unwrap returns Err.
func (e *TypeError) Unwrap() error { return e.Err }

type typeCheck uint8

const (
	typesDefault typeCheck = iota
	typesRequired
	typesIgnored
)

var (
	// RequireTypes makes it an error if the C type of the function is not known, and has separate files of debugging information
	// read for it too: in /usr/lib/debug and beside the library, by build-id and .gnu_debuglink. The first
	// time that takes some ten milliseconds in a large library. The error is then a *ctype.UnknownError to errors.As.
	RequireTypes = FuncOption{types: typesRequired}
	// IgnoreTypes has the Go type believed.
	IgnoreTypes = FuncOption{types: typesIgnored}
)

// Declared gives the C prototype of the function, such as "double cos(double)", which the Go type is compared with instead of
// what the library says.
func Declared(prototype string) FuncOption { return FuncOption{decl: prototype} }

// libraryTypes is what is known of a library's types, without and with separate files.
type libraryTypes struct {
	mu   sync.Mutex
	info [2]*ctype.Info
	err  [2]error
	none bool // its own file has nothing

	tableOnce sync.Once
	table     *ctype.SigTable // nil: there is none
	tableErr  error
}

// signatures returns the library's table of signatures, nil if it has none.
func (l *Library) signatures() (*ctype.SigTable, error) {
	t := &l.types
	t.tableOnce.Do(func() {
		if f := l.obj.File; f != nil {
			t.table, t.tableErr = ctype.FindSigTable(f, ctype.NoteExports)
		}
	})
	return t.table, t.tableErr
}

// noDebugSize is how much a file may have behind its segments for nothing else than the names of sections, .comment and
// the like to be there.
const noDebugSize = 1 << 10

// maxUnasked bounds the debugging information that is read, and kept, for checks that nobody asked for.
const maxUnasked = 128 << 20

// typesOf returns the debugging information of the file an object is of; nil if there is none.
func (l *Library) typesOf(separate bool) (*ctype.Info, error) {
	t := &l.types
	t.mu.Lock()
	defer t.mu.Unlock()
	i := 0
	if separate {
		i = 1
	}
	if t.info[i] != nil || t.err[i] != nil || t.none && !separate {
		return t.info[i], t.err[i]
	}
	if !separate && !mayHaveTypes(l.obj.File) {
		t.none = true
		return nil, nil
	}
	path := l.obj.OpenPath()
	if path == "" {
		t.none = true
		return nil, nil
	}
	o := &ctype.Options{NoSeparate: !separate, BuildID: l.BuildID}
	if !separate {
		o.MaxBytes = maxUnasked
	}
	t.info[i], t.err[i] = ctype.Open(path, o)
	return t.info[i], t.err[i]
}

// mayHaveTypes tells from the headers, which are in memory, whether a file has something that is not loaded.
func mayHaveTypes(f *elf.File) bool {
	if f == nil {
		return false
	}
	end := uint64(0)
	for i := range f.Progs {
		if p := &f.Progs[i]; p.Type == elf.PT_LOAD {
			end = max(end, p.Off+p.Filesz)
		}
	}
	return f.Shoff == 0 || f.Shoff > end+noDebugSize
}

// known returns what is known of a symbol, and the library that defines it. Nothing known is nil, or an error that says why if
// separate is set.
func (l *Library) known(s *Symbol, separate bool) (*ctype.Known, *Library, error) {
	o := rtld.FindObject(s.Addr)
	if o == nil || o.IsLive() {
		return nil, l, &ctype.UnknownError{File: l.Path, Name: s.Name, Why: "it is not in a file", Kind: ctype.ErrNoDebugInfo}
	}
	of := libraryOf(o)
	table, err := of.signatures()
	if err != nil {
		return nil, of, err
	}
	if table != nil {
		if e := table.Find(s.Name); e != nil && e.Signature.Hash != 0 && e.Value == uint64(s.Addr-of.Base) {
			k, err := e.Known(of.Path)
			return k, of, err
		}
	}
	info, err := of.typesOf(separate)
	if err != nil || info == nil {
		if err == nil {
			err = &ctype.UnknownError{File: of.Path, Name: s.Name, Why: "its file has no debugging information", Kind: ctype.ErrNoDebugInfo}
		}
		return nil, of, err
	}
	q := ctype.Query{Name: s.Name, Addr: uint64(s.Addr - of.Base), Type: s.Type}
	if q.Type == elf.STT_GNU_IFUNC {
		q.Type = elf.STT_FUNC // the address is that of what the resolver has chosen
	}
	k, err := info.Lookup(q)
	return k, of, err
}

// TypeOf returns what is known of the C type of a symbol, and from where: of the library's own file, its table of signatures first, and of separate files of
// debugging information. The error is that of Lookup, or says why nothing is known: a *ctype.UnknownError, or a
// *ctype.FormatError if the information is damaged.
func (l *Library) TypeOf(name string) (*ctype.Known, error) {
	s, err := l.Lookup(name)
	if err != nil {
		return nil, err
	}
	k, _, err := l.known(&s, true)
	return k, err
}

// checkType compares the Go func type of a key with what is known of the symbol.
func (l *Library) checkType(key funcKey, s *Symbol, o FuncOption) error {
	if o.types == typesIgnored && o.decl == "" {
		return nil
	}
	if o.types != typesRequired && o.decl == "" {
		l.mu.Lock()
		made := l.funcs[key] != nil
		l.mu.Unlock()
		if made {
			return nil
		}
	}
	k, of, err := l.knownFor(s, o)
	if k == nil || err != nil {
		return err
	}
	if err := ctype.Check(k.Type, key.typ, ctype.Call); err != nil {
		if _, err := abi.New(key.typ, abi.Call); err != nil { // it stands for no C function at all
			return err
		}
		return &TypeError{of.Path, s.Name, k.Type, k.From, k.File, key.typ, err}
	}
	return nil
}

// checkVariable is checkType for the address of a symbol.
func (l *Library) checkVariable(s *Symbol, t reflect.Type, o FuncOption) error {
	if o.types == typesIgnored || t.Kind() != reflect.Pointer {
		return nil
	}
	o.decl = ""
	k, of, err := l.knownFor(s, o)
	if k == nil || err != nil || k.Type.Kind == ctype.Func {
		return err
	}
	if err := ctype.CheckVariable(k.Type, t); err != nil {
		return &TypeError{of.Path, s.Name, k.Type, k.From, k.File, t, err}
	}
	return nil
}

// knownFor returns what the options want to be known of a symbol. That nothing is, or that the information is damaged, is an
// error only if it is required.
func (l *Library) knownFor(s *Symbol, o FuncOption) (*ctype.Known, *Library, error) {
	if o.decl != "" {
		k, err := ctype.ParseDecl(o.decl)
		if err == nil && k.Name != s.Name {
			err = fmt.Errorf("the prototype given for %s is that of %s", s.Name, k.Name)
		}
		return k, l, err
	}
	k, of, err := l.known(s, o.types == typesRequired)
	if err != nil && o.types == typesRequired {
		return nil, of, fmt.Errorf("%s of %s: %w", s.Name, of.Path, err)
	}
	if err != nil {
		return nil, of, nil
	}
	return k, of, nil
}
