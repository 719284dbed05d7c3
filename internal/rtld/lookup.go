package rtld

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"weld/ctype"
	"weld/image/elf"
	"weld/native"
)

// definition is what a reference is bound to.
type definition struct {
	o   *Object
	sym elf.Sym
	idx uint32
	ver string // of a live object's symbol, which has no idx
}

// addr returns the address of a definition other than an IFUNC or a thread-local one.
func (d definition) addr() uintptr {
	if d.sym.Shndx == elf.SHN_ABS {
		return uintptr(d.sym.Value)
	}
	return d.o.addr(d.sym.Value)
}

var errResolver = errors.New("the resolver of the IFUNC is not in an executable segment")

// resolve returns the address of a definition: for an IFUNC, what its resolver chooses (psABI, STT_GNU_IFUNC).
func (d definition) resolve() (uintptr, error) {
	a := d.addr()
	if d.sym.Type() != elf.STT_GNU_IFUNC {
		return a, nil
	}
	if !d.o.executable(a) {
		return 0, fmt.Errorf("%s: symbol %s: %w", d.o.Path, d.o.File.SymName(d.sym), errResolver)
	}
	return native.Call(a), nil
}

// lookupIn finds a symbol in a list of objects, in order. The first definition counts, weak or not (LD_DYNAMIC_WEAK is
// not followed).
func lookupIn(list []*Object, h *elf.NameHash, ver *elf.Version, flags elf.LookupFlags, skip *Object) (definition, bool) {
	for _, o := range list {
		if o == skip {
			continue
		}
		if idx, s, ok := o.File.LookupWith(h, ver, flags); ok {
			return definition{o: o, sym: s, idx: idx}, true
		}
		if o.live != nil {
			if d, ok := o.define(h, ver); ok {
				return d, true
			}
		}
	}
	return definition{}, false
}

// lookup finds the definition that a reference of o is bound to.
func (o *Object) lookup(h *elf.NameHash, ver *elf.Version, flags elf.LookupFlags) (definition, bool) {
	return lookupIn(o.searchList(), h, ver, flags, nil)
}

// searchList returns the objects that references of o are looked up in, in order: o itself first if it asks for that
// (DF_SYMBOLIC), the global scope, then the closures it was opened with.
func (o *Object) searchList() []*Object {
	as := linker.bindings.Load()
	if l := o.looked.Load(); l != nil && l.as == as {
		return l.list
	}
	scopes := *o.scopes.Load()
	// The objects of one open have the same list, and to make it takes time that goes with the square of their number.
	plain := o.Space != nil && !o.deepBind && !o.File.Dynamic.Symbolic && len(scopes) == 1 && len(scopes[0].list) > 0
	if l := o.Space.shared(); plain && l != nil && l.as == as && l.of == &scopes[0].list[0] && l.n == len(scopes[0].list) {
		o.looked.Store(&l.lookedIn)
		return l.list
	}
	list := make([]*Object, 0, len(linker.system)+len(o.closure)+1) // as a rule there is no more
	add := func(objs []*Object) {
		for _, x := range objs {
			if !slices.Contains(list, x) {
				list = append(list, x)
			}
		}
	}
	if o.File.Dynamic.Symbolic {
		add([]*Object{o})
	}
	if o.Space != nil && !o.deepBind {
		add(*o.Space.global.Load())
	}
	for _, s := range scopes {
		add(s.list)
	}
	if o.Space != nil && o.deepBind {
		add(*o.Space.global.Load())
	}
	l := &sharedList{lookedIn: lookedIn{as, list}}
	o.looked.Store(&l.lookedIn)
	if plain {
		l.of, l.n = &scopes[0].list[0], len(scopes[0].list)
		o.Space.lastList.Store(l)
	}
	return list
}

// sharedList is the search list of objects whose only scope is a given closure, told by its first entry and its length.
type sharedList struct {
	lookedIn
	of **Object
	n  int
}

// shared returns the list that was made last, nil if there is none.
func (ns *Namespace) shared() *sharedList {
	if ns == nil {
		return nil
	}
	return ns.lastList.Load()
}

// bind is lookup for code that weld loads: what it asks of its run-time linker is weld's.
func (o *Object) bind(h *elf.NameHash, ver *elf.Version, flags elf.LookupFlags) (definition, bool) {
	d, ok := o.lookup(h, ver, flags)
	return own(h.Name(), d, ok)
}

// own replaces the definition of a function of the run-time linker by weld's, unless it is not the system's (a library
// that defines its own dlopen means that).
func own(name string, d definition, ok bool) (definition, bool) {
	if ok && !d.o.System {
		return d, true
	}
	if a := services.instead(name, ok); a != 0 {
		return definition{o: &itself, sym: elf.Sym{Value: uint64(a), Shndx: elf.SHN_ABS, Info: uint8(elf.STT_FUNC)}}, true
	}
	return d, ok
}

// find looks a symbol up with scopes held for reading, and keeps the object that defines it mapped until letGo, unless
// it belongs to from's closure or to the system. What is being unloaded is found only by those that see nothing else.
func (from *Object) find(lookup func() (definition, bool)) (d definition, held, ok bool) {
	for again := true; ; again = false {
		scopes.RLock()
		d, ok = lookup()
		scopes.RUnlock()
		if !ok || d.o.System || from != nil && slices.Contains(from.closure, d.o) {
			return d, false, ok
		}
		linker.mu.Lock()
		if d.o.dying && again {
			linker.mu.Unlock() // by now it is out of the scopes
			continue
		}
		d.o.hold()
		linker.mu.Unlock()
		return d, true, true
	}
}

// bound ends what find held, after from was bound to it.
func (from *Object) bound(d definition) {
	linker.mu.Lock()
	if from != nil {
		from.dependsOn(d.o)
	}
	d.o.letGo()
	linker.mu.Unlock()
}

// unique replaces a definition that is STB_GNU_UNIQUE by the first one of its name that was used in the namespace.
// What it stands in stays for ever: others may hold its address.
func (o *Object) unique(d definition, name string) definition {
	if d.sym.Bind() != elf.STB_GNU_UNIQUE {
		return d
	}
	ns := d.o.Space
	if ns == nil {
		ns = o.Space
	}
	if ns == nil {
		return d
	}
	linker.mu.Lock()
	defer linker.mu.Unlock()
	if u, ok := ns.unique[name]; ok {
		return definition{o: u.o, sym: u.s, idx: 0}
	}
	// The name may be a view of a table that is unmapped one day.
	name = strings.Clone(name)
	ns.unique[name] = uniqueSymbol{d.o, d.sym}
	if p := linker.plan; p != nil {
		p.unique = append(p.unique, name)
		if !d.o.pinned {
			p.pinned = append(p.pinned, d.o)
		}
	}
	d.o.pinned = true
	return d
}

// dependsOn notes that o is bound to d outside its closure: d stays as long as o.
func (o *Object) dependsOn(d *Object) {
	if d != o && !d.System && !slices.Contains(o.closure, d) && !slices.Contains(o.reldeps, d) {
		o.reldeps = append(o.reldeps, d)
	}
}

// Lookup finds a symbol as dlsym does with a handle: in the object and all that it needs. version is "" for the
// default one. The result goes to s, which is to be zero.
func (o *Object) Lookup(name, version string, s *Symbol) error {
	h := elf.Hash(name)
	var ver *elf.Version
	if version != "" {
		ver = elf.NewVersion(version)
	}
	for _, x := range o.closure {
		f := x.File
		idx := f.Find(&h, ver, 0)
		if idx == 0 {
			if x.live == nil {
				continue
			}
			if d, ok := x.define(&h, ver); ok {
				var err error
				*s, err = d.symbol(name, o)
				return err
			}
			continue
		}
		// Field by field: a copy of the whole entry stalls on the narrow ones.
		b := f.SymBytes(idx)
		typ := elf.SymType(b[4] & 15)
		if x.System || typ == elf.STT_TLS || typ == elf.STT_GNU_IFUNC || elf.SymBind(b[4]>>4) == elf.STB_GNU_UNIQUE {
			sym, _ := f.Sym(idx)
			d, _ := own(name, definition{o: x, sym: sym, idx: idx}, true)
			var err error
			*s, err = d.symbol(name, o)
			return err
		}
		s.Name = name
		if v := f.SymVersion(idx); v != nil {
			s.Version = v.Name
		}
		s.Addr = uintptr(binary.LittleEndian.Uint64(b[8:]))
		if binary.LittleEndian.Uint16(b[6:]) != elf.SHN_ABS {
			s.Addr += x.Mapping.Bias
		}
		s.Size = uintptr(binary.LittleEndian.Uint64(b[16:]))
		s.Type = typ
		return nil
	}
	if d, ok := own(name, definition{}, false); ok {
		var err error
		*s, err = d.symbol(name, o)
		return err
	}
	return &SymbolError{Library: o.Path, Name: name, Version: version}
}

// Definition returns the object of o's scope that defines a symbol in a file, and the entry there: what Lookup finds before anything is
// put in its place or resolved.
func (o *Object) Definition(name, version string) (*Object, elf.Sym, bool) {
	h := elf.Hash(name)
	var ver *elf.Version
	if version != "" {
		ver = elf.NewVersion(version)
	}
	for _, x := range o.closure {
		if x.live != nil {
			continue
		}
		if idx := x.File.Find(&h, ver, 0); idx != 0 {
			s, ok := x.File.Sym(idx)
			return x, s, ok
		}
	}
	return nil, elf.Sym{}, false
}

// TypeOf is set by package weld: it returns what is known of the type of a symbol.
var TypeOf func(*Symbol) (*ctype.Known, error)

// CType returns what is known of the symbol's C type, and from where, as the TypeOf of its library does: (*ctype.Known).From and File say it.
func (s Symbol) CType() (*ctype.Known, error) { return TypeOf(&s) }

// symbol describes a definition, its address final.
func (d definition) symbol(name string, from *Object) (Symbol, error) {
	d = from.unique(d, name)
	s := Symbol{Name: name, Size: uintptr(d.sym.Size), Type: d.sym.Type()}
	if d.o == &itself {
		s.Addr = uintptr(d.sym.Value)
		return s, nil
	}
	s.Version = d.version()
	if s.Type == elf.STT_TLS {
		a, err := d.tlsAddr()
		if err != nil {
			return s, err
		}
		s.Addr = a
		return s, nil
	}
	var err error
	s.Addr, err = d.resolve()
	return s, err
}

// Symbol is a symbol and where it is.
type Symbol struct {
	Name    string
	Version string  // of the definition, "" if it has none
	Addr    uintptr // final: an IFUNC is resolved; of a thread-local symbol that of the calling goroutine's thread
	Size    uintptr
	Type    elf.SymType
}

// Symbols calls yield for every symbol that the object itself defines for others. Addresses of IFUNCs are those of
// their resolvers, those of thread-local symbols offsets in the object's TLS segment.
func (o *Object) Symbols(yield func(Symbol) bool) {
	if o.live != nil {
		o.live.Symbols(func(s LiveSymbol) bool { return !s.exported() || yield(s.public()) })
		return
	}
	n := uint32(o.File.NumSymbols())
	for i := uint32(1); i < n; i++ {
		s, _ := o.File.Sym(i)
		if !s.Exported() {
			continue
		}
		switch s.Type() {
		case elf.STT_SECTION, elf.STT_FILE:
			continue
		}
		d := definition{o: o, sym: s, idx: i}
		sym := Symbol{Name: o.File.SymName(s), Addr: d.addr(), Size: uintptr(s.Size), Type: s.Type()}
		if s.Type() == elf.STT_TLS {
			sym.Addr = uintptr(s.Value)
		}
		if v := o.File.SymVersion(i); v != nil {
			sym.Version = v.Name
		}
		if !yield(sym) {
			return
		}
	}
}

// Covering returns the function or object symbol of the object that covers an address, the name "" if none does. The
// first call makes an index of the object's symbols by address.
func (o *Object) Covering(pc uintptr) (name string, addr uintptr) {
	if o.live != nil {
		s, _ := o.live.FindAddr(pc)
		return s.Name, s.Addr
	}
	o.indexOnce.Do(o.makeIndex)
	v := uint64(pc - o.Mapping.Bias)
	i := sort.Search(len(o.index), func(i int) bool {
		s, _ := o.File.Sym(o.index[i])
		return s.Value > v
	})
	// Of several symbols at one place, or nested ones, the last that still covers the address is taken.
	for n := 0; i > 0 && n < maxNested; n++ {
		i--
		s, _ := o.File.Sym(o.index[i])
		if v-s.Value < s.Size || v == s.Value {
			return o.File.SymName(s), o.addr(s.Value)
		}
	}
	return "", 0
}

// maxNested is how many symbols before an address are looked at for one that covers it.
const maxNested = 16

func (o *Object) makeIndex() {
	var list []uint32
	for i := range uint32(o.File.NumSymbols()) {
		s, _ := o.File.Sym(i)
		switch s.Type() {
		case elf.STT_FUNC, elf.STT_OBJECT, elf.STT_GNU_IFUNC, elf.STT_NOTYPE:
			if s.Defined() && s.Shndx != elf.SHN_ABS {
				list = append(list, i)
			}
		}
	}
	value := func(i uint32) uint64 {
		s, _ := o.File.Sym(i)
		return s.Value
	}
	slices.SortStableFunc(list, func(a, b uint32) int { return cmp.Compare(value(a), value(b)) })
	o.index = slices.Clip(list)
}
