package module

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strings"
	"sync"

	"weld"
	"weld/ctype"
	"weld/image/elf"
	"weld/internal/rtld"
)

// Symbol is an entry of a table.
type Symbol struct {
	Name      string
	Signature ctype.Signature // of hash 0 if the type is not known
	Type      *ctype.Type     // nil if it is not known
	Addr      uintptr         // final; of an import, 0 before it is bound
	Variable  bool            // not a function
	Weak      bool            // an import that may be missing
}

// Decl is the symbol's declaration in C, or its name if the type is not known.
func (s *Symbol) Decl() string {
	if s.Type == nil {
		return s.Name
	}
	return s.Type.Declare(s.Name)
}

// Table is a list of symbols in ascending order of their names, none of which is there twice. It must not be changed.
type Table []Symbol

// FindSym returns the symbol of a name, nil if it is not there.
func (t Table) FindSym(name string) *Symbol {
	i := sort.Search(len(t), func(i int) bool { return t[i].Name >= name })
	if i < len(t) && t[i].Name == name {
		return &t[i]
	}
	return nil
}

// Exports is what a host gives to modules. The zero value is an empty table. Close it when all modules that were loaded with it are
// freed.
type Exports struct {
	mu      sync.Mutex
	list    []*export // in order of names
	release []func()  // ends the holds of modules whose symbols are in it
	users   int64     // modules
	closed  bool
}

type export struct {
	Symbol
	fn    reflect.Type // of a Go func without a prototype
	cb    *weld.Callback
	owner *rtld.Object // what has to stay mapped
}

// Func exports a Go func. Its C type is what the func type stands for, as for weld.NewCallback: a module may declare it as any C
// function that ctype.Check lets the func type answer, and with a prototype, such as "int lookup(const struct key *k)" in the place of
// the name, only as that. The error is a *weld.SignatureError, a *weld.TypeError, or that the table has the name already.
func (e *Exports) Func(nameOrPrototype string, fn any) error {
	x := &export{Symbol: Symbol{Name: nameOrPrototype}}
	t := reflect.TypeOf(fn)
	if strings.ContainsRune(nameOrPrototype, '(') {
		k, err := ctype.ParseDecl(strings.TrimSuffix(nameOrPrototype, ";"))
		if err != nil {
			return err
		}
		if err := ctype.Check(k.Type, t, ctype.Callback); err != nil {
			return &weld.TypeError{Library: "the host", Symbol: k.Name, C: k.Type, From: k.From, File: k.File, Go: t, Err: err}
		}
		x.Name = k.Name
		if err := x.setType(k.Type); err != nil {
			return err
		}
	}
	cb, err := weld.NewCallback(fn)
	if err != nil {
		return err
	}
	x.cb, x.Addr = cb, cb.Addr()
	if x.Type == nil {
		x.fn = t
		if c, err := ctype.OfGo(t); err == nil {
			err = x.setType(c)
			if err != nil {
				cb.Close()
				return err
			}
		}
	}
	if err := e.add(nil, x); err != nil {
		cb.Close()
		return err
	}
	return nil
}

func (x *export) setType(t *ctype.Type) error {
	s, err := ctype.SignatureOf(t)
	if err != nil {
		return err
	}
	x.Type, x.Signature = t, s
	return nil
}

// Library exports symbols of an open library, or of what it needs: each by its name, if its type is known (weld.Library.TypeOf), or by a
// prototype. The library must stay open as long as modules are loaded with the table; once they are bound to it, they hold it. The
// error lists all that were not found (*weld.SymbolError) or of which the type is not known (*ctype.UnknownError); nothing was
// added then.
func (e *Exports) Library(lib *weld.Library, namesOrPrototypes ...string) error {
	var list []*export
	var errs []error
	for _, name := range namesOrPrototypes {
		var k *ctype.Known
		var x *export
		var err error
		if strings.ContainsRune(name, '(') {
			if k, err = ctype.ParseDecl(strings.TrimSuffix(name, ";")); err == nil {
				name = k.Name
			}
		}
		if err == nil {
			x, err = ofLibrary(lib, name)
		}
		if err == nil && k == nil {
			k, err = lib.TypeOf(name)
		}
		if err == nil {
			err = x.setType(k.Type)
		}
		if err != nil {
			errs = append(errs, err)
		}
		list = append(list, x)
	}
	if errs != nil {
		return errors.Join(errs...)
	}
	return e.add(nil, list...)
}

// Unchecked exports symbols of a library of which no type is known: modules may have any for them. It is for what compilers call by
// themselves, such as __cxa_throw.
func (e *Exports) Unchecked(lib *weld.Library, names ...string) error {
	var list []*export
	var errs []error
	for _, name := range names {
		x, err := ofLibrary(lib, name)
		if err != nil {
			errs = append(errs, err)
		}
		list = append(list, x)
	}
	if errs != nil {
		return errors.Join(errs...)
	}
	return e.add(nil, list...)
}

// Table exports all that is in a library's own table of exports, which weld link --export-table has made.
func (e *Exports) Table(lib *weld.Library) error {
	o := rtld.Faces.Object(lib)
	if o.File == nil || o.Closed() {
		return weld.ErrClosed
	}
	t, err := ctype.FindSigTable(o.File, ctype.NoteExports)
	if err == nil && t == nil {
		err = fmt.Errorf("%s has no table of exports", lib.Path)
	}
	if err != nil {
		return err
	}
	var list []*export
	for i := range t.Entries {
		s := &t.Entries[i]
		x := &export{Symbol: Symbol{Name: s.Name, Addr: lib.Base + uintptr(s.Value), Variable: s.Object}, owner: o}
		if s.Signature.Hash != 0 {
			k, err := s.Known(lib.Path)
			if err != nil {
				return err
			}
			x.Type, x.Signature = k.Type, s.Signature
		}
		if x.Addr-o.Mapping.Addr >= o.Mapping.Size {
			return fmt.Errorf("%s: %s of its table of exports is not in it", lib.Path, s.Name)
		}
		list = append(list, x)
	}
	return e.add(nil, list...)
}

// Module exports what another module exports: all, or the names given. That one cannot be freed before the table is closed.
func (e *Exports) Module(m *Module, names ...string) error {
	release, err := m.Hold()
	if err != nil {
		return err
	}
	var list []*export
	if names == nil {
		for i := range m.exports {
			names = append(names, m.exports[i].Name)
		}
	}
	for _, name := range names {
		s := m.exports.FindSym(name)
		if s == nil {
			release()
			return fmt.Errorf("module %s: %s: %w", m.Name, name, ErrNotFound)
		}
		list = append(list, &export{Symbol: *s, owner: m.obj})
	}
	err = e.add(release, list...)
	if err != nil {
		release()
	}
	return err
}

func ofLibrary(lib *weld.Library, name string) (*export, error) {
	s, err := lib.Lookup(name)
	if err != nil {
		return nil, err
	}
	if s.Type == elf.STT_TLS {
		return nil, fmt.Errorf("%s of %s is thread-local: it has no address for all", name, lib.Path)
	}
	x := &export{Symbol: Symbol{Name: name, Addr: s.Addr, Variable: s.Type == elf.STT_OBJECT}}
	if o := rtld.FindObject(s.Addr); o != nil && !o.System {
		if o.IsLive() {
			return nil, fmt.Errorf("%s of %s is code that is made at run time, and may be elsewhere tomorrow", name, lib.Path)
		}
		x.owner = o
	}
	return x, nil
}

// add adds symbols, all or none, and what is to be done when the table is closed.
func (e *Exports) add(release func(), list ...*export) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	all := slices.Concat(e.list, list)
	slices.SortStableFunc(all, func(a, b *export) int { return cmp.Compare(a.Name, b.Name) })
	for i, x := range all {
		if x.Name == "" || strings.IndexByte(x.Name, 0) >= 0 {
			return fmt.Errorf("%q is no name of a symbol", x.Name)
		}
		if i > 0 && all[i-1].Name == x.Name {
			return fmt.Errorf("%s is in the table of exports already", x.Name)
		}
	}
	e.list = all
	if release != nil {
		e.release = append(e.release, release)
	}
	return nil
}

// Symbols returns the table as it is now.
func (e *Exports) Symbols() Table {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := make(Table, len(e.list))
	for i, x := range e.list {
		t[i] = x.Symbol
	}
	return t
}

// Close frees the callbacks of the Go funcs, and lets go of modules whose symbols are in the table. It returns an *InUseError as long as
// modules are loaded with it, and ErrClosed the second time.
func (e *Exports) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	if e.users > 0 {
		return &InUseError{"the table of exports", e.users}
	}
	e.closed = true
	for _, x := range e.list {
		if x.cb != nil {
			x.cb.Close()
		}
	}
	for _, f := range e.release {
		f()
	}
	e.list, e.release = nil, nil
	return nil
}

// use returns the list for a module that is loaded, until unuse. A nil table is an empty one.
func (e *Exports) use() ([]*export, error) {
	if e == nil {
		return nil, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	e.users++
	return e.list, nil
}

func (e *Exports) unuse() {
	if e == nil {
		return
	}
	e.mu.Lock()
	e.users--
	e.mu.Unlock()
}
