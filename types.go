package weld

import (
	"fmt"
	"reflect"

	"weld/ctype"
	"weld/native/abi"
)

// TypeError says that a Go type is not what is known of a symbol's C type. Err, a *TypeMismatchError, has each difference in
// words.
//
// What is known comes from what the caller gives (Declared, Header), else from the first of these that knows the symbol: the table of
// signatures that weld link has put into the library, the DWARF in its own file, a separate file of debugging information, BTF. By default a type that is
// not known is no error. Debugging information is read at the first bind and kept: without being asked for
// up to 128 MB of the library's own, and a separate file of up to 512 KB that its build-id leads to in /usr/lib/debug, for which a library without
// debugging information of its own costs one look at the file system. RequireTypes and DebugDir have any separate file read. Where nothing else is
// known, the type id before a function that clang's -fsanitize=kcfi has compiled is compared, as far as a Go type says what that has to be. See
// ctype.Check for what fits.
type TypeError struct {
	Library string // path of the library that defines the symbol
	Symbol  string
	C       *ctype.Type // what is known; nil if From is ctype.FromKCFI
	From    ctype.Source
	File    string // where that was found
	Go      reflect.Type
	Err     error
}

func (e *TypeError) Error() string {
	if e.C == nil {
		return fmt.Sprintf("%s of %s: %v", e.Symbol, e.Library, e.Err)
	}
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

// Header is Declared for any number of functions, for Bind: it gives C prototypes, each with a semicolon behind it. Comments, lines of the preprocessor and
// declarations of other things are passed over, as is what cannot be read without other headers. Functions that it does not declare are looked up as
// without it.
func Header(text string) FuncOption { return FuncOption{header: ctype.ParseHeader(text)} }

// DebugDir has separate files of debugging information looked for in a folder too, in the layout of /usr/lib/debug or by the names that .gnu_debuglink gives,
// and read whatever their size. That nothing is known is no error, unless RequireTypes says so.
func DebugDir(dir string) FuncOption { return FuncOption{debugDir: dir} }

// TypeOf returns what is known of the C type of a symbol, and from where: of the library's own file, its table of signatures first, and of separate files of
// debugging information. The error is that of Lookup, or says why nothing is known: a *ctype.UnknownError, or a
// *ctype.FormatError if the information is damaged.
func (l *Library) TypeOf(name string) (*ctype.Known, error) {
	s, err := l.Lookup(name)
	if err != nil {
		return nil, err
	}
	k, _, err := l.known(&s, FuncOption{types: typesRequired})
	return k, err
}

// checkType compares the Go func type of a key with what is known of the symbol.
func (l *Library) checkType(key funcKey, s *Symbol, o FuncOption) error {
	if o.types == typesIgnored && o.decl == "" && o.header == nil {
		return nil
	}
	plain := o.decl == "" && o.header == nil && o.types != typesIgnored
	if plain && o.types != typesRequired && o.debugDir == "" {
		if l.types.nothing.Load() && s.Addr-l.Base < l.Size {
			return l.checkKCFI(l, s, key.typ, o, nil)
		}
		l.mu.Lock()
		_, done := l.checked[key]
		l.mu.Unlock()
		if done {
			return nil
		}
	}
	if err := l.compareType(key, s, o); err != nil || !plain {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.checked == nil {
		l.checked = map[funcKey]struct{}{}
	}
	l.checked[key] = struct{}{}
	return nil
}

// compareType is checkType without what it remembers.
func (l *Library) compareType(key funcKey, s *Symbol, o FuncOption) error {
	k, of, err := l.knownFor(s, o)
	if k == nil && o.decl != "" { // it cannot be read
		return err
	}
	if k == nil {
		return l.checkKCFI(of, s, key.typ, o, err)
	}
	if err != nil {
		return err
	}
	if k.From == ctype.FromDecl {
		if err := l.checkDeclared(s, k); err != nil {
			return err
		}
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
	o.decl, o.header = "", nil
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
	if k := o.header.Find(s.Name); k != nil {
		return k, l, nil
	}
	if o.types == typesIgnored {
		return nil, l, nil
	}
	k, of, err := l.known(s, o)
	if err != nil && o.types == typesRequired {
		return nil, of, fmt.Errorf("%s of %s: %w", s.Name, of.Path, err)
	}
	if err != nil {
		return nil, of, nil
	}
	return k, of, nil
}
