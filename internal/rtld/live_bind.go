package rtld

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"

	"weld/image/elf"
	"weld/native"
)

// What is bound to live objects, and what those are bound to.

// note remembers that a word of o, at an address, holds that of a live object's function. linker.mu is held.
func (d *definition) note(o *Object, name string, at, addend uintptr) {
	l := d.o.live
	k := liveKey{strings.Clone(name), d.ver}
	l.slots[k] = append(l.slots[k], liveSlot{o, at, addend, d.addr()})
}

// forgetSlots forgets the slots of objects that are unmapped. linker.mu is held.
func forgetSlots(gone []*Object) {
	for _, o := range linker.lives {
		for k, list := range o.live.slots {
			list = slices.DeleteFunc(list, func(s liveSlot) bool { return slices.Contains(gone, s.o) })
			if len(list) == 0 {
				delete(o.live.slots, k)
			} else {
				o.live.slots[k] = list
			}
		}
	}
}

// rebind has the references to names that are bound to something else now go there. Each is one store; those who call at the same
// time reach the one function or the other. Of a name that is bound to nothing they stay as they are.
func (l *liveState) rebind(changes []LiveChange) error {
	if len(l.slots) == 0 && len(l.follow) == 0 {
		return nil
	}
	var errs []error
	for i := range changes {
		c := &changes[i]
		if c.Now == 0 || c.Now == c.Was {
			continue
		}
		k := liveKey{c.Name, c.Version}
		list := l.slots[k]
		for i := range list {
			if err := list[i].redirect(c); err != nil {
				errs = append(errs, err)
			}
		}
		for _, f := range l.follow[k] {
			f(c.Now)
		}
	}
	return errors.Join(errs...)
}

// redirect makes a slot lead to another function, with the interpositions there are. One that was written by somebody else
// is left alone.
func (s *liveSlot) redirect(c *LiveChange) error {
	word := (*uintptr)(native.Pointer(s.at))
	was := atomic.LoadUintptr(word)
	v := c.Now + s.addend
	if s.addend == 0 {
		if behindHooks(was) != s.target {
			return nil
		}
		list := hooked.table.Load().get(s.o.space(), c.Name)
		var err error
		if v, err = interposed(list, c.Now, func() string { return c.Version }); err != nil {
			return err
		}
	} else if was != s.target+s.addend {
		return nil
	}
	if err := s.o.store([]slot{{s.at, v}}); err != nil {
		return err
	}
	s.target = c.Now
	c.redirected++
	return nil
}

// IsReferred reports whether anything is bound to the object's symbols, or follows them. The caller holds LockLive.
func (o *Object) IsReferred() bool { return len(o.live.slots) > 0 || len(o.live.follow) > 0 }

// FollowLive has f called with the new address whenever the function of a name is replaced, until f is dropped with the
// object. was is the address that f knows. f is called with linker.mu held.
func (o *Object) FollowLive(name, version string, was uintptr, f func(addr uintptr)) {
	linker.mu.Lock()
	defer linker.mu.Unlock()
	l := o.live
	k := liveKey{name, version}
	if l.follow == nil {
		l.follow = map[liveKey][]func(uintptr){}
	}
	l.follow[k] = append(l.follow[k], f)
	if s, ok := l.Find(name, version); ok && s.Addr != was {
		f(s.Addr)
	}
}

// IsLive reports whether the object's code is made at run time.
func (o *Object) IsLive() bool { return o.live != nil }

// LiveImport is a symbol that a live object refers to.
type LiveImport struct {
	Name, Version string
	Weak          bool    // it need not be there
	Slot          uintptr // the word that gets its address
	bound         uintptr
	to            *Object
}

// CheckImports reports as an *UndefinedError which of the imports nothing defines. Those that own reports are the object's own,
// from the commit on that is on its way. The caller holds LockLive.
func (o *Object) CheckImports(list []*LiveImport, own func(name, version string) bool) error {
	var missing []SymbolError
	for _, w := range list {
		if w.Weak || own(w.Name, w.Version) {
			continue
		}
		if _, ok := o.imported(w); !ok {
			missing = append(missing, SymbolError{Library: o.Path, Name: w.Name, Version: w.Version})
		}
	}
	if missing != nil {
		return &UndefinedError{missing}
	}
	return nil
}

// DefinerOf returns the soname of the library that an import is found in, and the version that it has there: "" if it has none.
// The caller holds LockLive.
func (o *Object) DefinerOf(w *LiveImport) (soname, version string) {
	d, ok := o.imported(w)
	if !ok || d.o == &itself || d.o == program || d.o.live != nil {
		return "", ""
	}
	return d.o.Soname, strings.Clone(d.version())
}

// AddImports has imports bound by the next PublishLive. The caller holds LockLive.
func (o *Object) AddImports(list []*LiveImport) { o.live.wants = append(o.live.wants, list...) }

// imported returns what an import is bound to: what the object has itself that is protected, else by the rules for every other
// reference of the object.
func (o *Object) imported(w *LiveImport) (definition, bool) {
	if s, ok := o.live.Find(w.Name, w.Version); ok && s.Visibility == elf.STV_PROTECTED {
		return o.defined(&s), true
	}
	h := elf.Hash(w.Name)
	var ver *elf.Version
	if w.Version != "" {
		ver = elf.NewVersion(w.Version)
	}
	return o.bind(&h, ver, elf.LookupPLT)
}

// bindImports binds the imports that are not bound yet; with a name, those of that name anew. linker.mu is held.
func (l *liveState) bindImports(o *Object, only string) error {
	var missing []SymbolError
	var errs []error
	for _, w := range l.wants {
		if only == "" && w.bound != 0 || only != "" && only != w.Name {
			continue
		}
		d, ok := o.imported(w)
		if !ok {
			if !w.Weak {
				missing = append(missing, SymbolError{Library: o.Path, Name: w.Name, Version: w.Version})
			}
			continue
		}
		target, err := w.address(o, d)
		if err == nil {
			var v uintptr
			list := hooked.table.Load().get(o.space(), w.Name)
			if d.sym.Type() == elf.STT_OBJECT {
				list = nil
			}
			if v, err = interposed(list, target, d.version); err == nil {
				storeWord(w.Slot, v)
			}
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if w.bound == 0 || w.to != d.o {
			if d.o.live != nil {
				d.note(o, w.Name, w.Slot, 0)
			}
			o.dependsOn(d.o)
		}
		w.bound, w.to = target, d.o
	}
	if missing != nil {
		errs = append(errs, &UndefinedError{missing})
	}
	return errors.Join(errs...)
}

// reimport binds imports anew whose interpositions have changed. linker.mu is held.
func (l *liveState) reimport(o *Object, only string) error {
	if only == "" {
		return nil
	}
	return l.bindImports(o, only)
}

// nameOf returns the name of the symbol that a relocation refers to.
func (o *Object) nameOf(r elf.Rela) string {
	s, _ := o.File.Sym(r.Sym)
	return o.File.SymName(s)
}

var errLiveTLS = errors.New("it is thread-local")

func (w *LiveImport) address(o *Object, d definition) (uintptr, error) {
	if d.sym.Type() == elf.STT_TLS {
		return 0, &RelocError{Library: o.Path, Offset: uint64(w.Slot - o.Mapping.Bias), Type: elf.R_X86_64_GLOB_DAT, Symbol: w.Name, Err: errLiveTLS}
	}
	d = o.unique(d, w.Name)
	return d.resolve()
}
