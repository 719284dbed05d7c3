package rtld

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"weld/image/elf"
	"weld/native"
)

// Interposition stands in for the definitions of a name, in a namespace: references to them go to a hook that its wrap
// has made, one for each definition that references are bound to. It takes effect in the slots of objects (GLOB_DAT,
// JUMP_SLOT, 64), after they were bound as without it: so what a hook stands in for is what the reference would have
// been bound to, its version and the choice of an IFUNC resolver included.
type Interposition struct {
	Name, Version string // Version "": every one

	ns    *Namespace
	wrap  Wrap
	hooks map[uintptr]hook // by what they stand in for; hooked.mu guards it
}

// Wrap makes a hook that stands in for next: the function at target, which a reference is bound to, or the hook of an
// earlier interposition before it. It is called with locks held, and must not open anything.
type Wrap func(next, target uintptr) (hook uintptr, err error)

// hook is the address of a hook, and the object of what it stands in for: another may be mapped there one day.
type hook struct {
	addr uintptr
	of   *Object
}

// hooked is what the interpositions of the process share.
var hooked struct {
	table atomic.Pointer[hookTable] // nil: none
	mu    sync.Mutex                // taken after linker.mu; held while wrap runs
	next  map[uintptr]uintptr       // by address of a hook
}

// hookTable holds the interpositions by namespace and name, the first one innermost. It is replaced as a whole.
type hookTable map[*Namespace]map[string][]*Interposition

func (t *hookTable) get(ns *Namespace, name string) []*Interposition {
	if t == nil {
		return nil
	}
	return (*t)[ns][name]
}

// with returns the table with another list for a name, nil if nothing is left.
func (t *hookTable) with(ns *Namespace, name string, list []*Interposition) *hookTable {
	n := hookTable{}
	if t != nil {
		n = maps.Clone(*t)
	}
	names := maps.Clone(n[ns])
	if names == nil {
		names = map[string][]*Interposition{}
	}
	names[name] = list
	if len(list) == 0 {
		delete(names, name)
	}
	n[ns] = names
	if len(names) == 0 {
		delete(n, ns)
	}
	if len(n) == 0 {
		return nil
	}
	return &n
}

// InterposeError says why a name cannot be interposed.
type InterposeError struct {
	Name    string
	Library string // path of the object that defines it
	Why     string
}

func (e *InterposeError) Error() string {
	return "interpose " + e.Name + " (" + e.Library + "): " + e.Why
}

// Definition returns the address that a reference to a function in the namespace is bound to, with the interpositions
// that there are: that of the first object in the global scope that defines it, else of the first of all.
func (ns *Namespace) Definition(name, version string) (uintptr, error) {
	if err := setUp(); err != nil {
		return 0, err
	}
	linker.mu.Lock()
	defer linker.mu.Unlock()
	if ns.closed {
		return 0, ErrClosed
	}
	if err := adoptSystem(); err != nil {
		return 0, err
	}
	h := elf.Hash(name)
	var ver *elf.Version
	if version != "" {
		ver = elf.NewVersion(version)
	}
	d, ok := lookupIn(slices.Concat(*ns.global.Load(), ns.objects, linker.system), &h, ver, 0, nil)
	d, ok = own(name, d, ok)
	if !ok {
		return 0, &SymbolError{Library: "what is loaded", Name: name, Version: version}
	}
	switch d.sym.Type() {
	case elf.STT_OBJECT, elf.STT_TLS, elf.STT_COMMON:
		return 0, &InterposeError{name, d.o.Path, "it is a variable, not a function"}
	}
	a, err := d.resolve()
	if err != nil {
		return 0, err
	}
	return interposed(hooked.table.Load().get(ns, name), a, d.version)
}

// version returns the name of the version of a definition, "" if it has none.
func (d definition) version() string {
	if d.ver != "" || d.o.File == nil {
		return d.ver
	}
	if v := d.o.File.SymVersion(d.idx); v != nil {
		return v.Name
	}
	return ""
}

// Interpose has references to a name go to hooks from now on, those of objects that are loaded and those of objects to
// come.
//
// In the default namespace the references of the system's objects are among them, those of its run-time linker excepted.
// Not so in a process that was started with a C library: there they are Go's too. Its threads are made by way of it,
// with no Go to answer a call (runtime/cgo calls malloc then).
func (ns *Namespace) Interpose(name, version string, wrap Wrap) (*Interposition, error) {
	if err := setUp(); err != nil {
		return nil, err
	}
	linker.mu.Lock()
	defer linker.mu.Unlock()
	if ns.closed {
		return nil, ErrClosed
	}
	ip := &Interposition{Name: name, Version: version, ns: ns, wrap: wrap, hooks: map[uintptr]hook{}}
	list := hooked.table.Load().get(ns, name)
	if err := ip.set(append(slices.Clip(list), ip)); err != nil {
		ip.set(list)
		return nil, err
	}
	return ip, nil
}

// Close ends the interposition. Hooks that somebody still has the address of go on to work.
func (ip *Interposition) Close() error {
	linker.mu.Lock()
	defer linker.mu.Unlock()
	list := hooked.table.Load().get(ip.ns, ip.Name)
	i := slices.Index(list, ip)
	if i < 0 {
		return ErrClosed
	}
	return ip.set(slices.Delete(slices.Clone(list), i, i+1))
}

// set replaces the list of the name and writes the slots again. linker.mu is held.
func (ip *Interposition) set(list []*Interposition) error {
	hooked.table.Store(hooked.table.Load().with(ip.ns, ip.Name, list))
	objects := slices.Clone(ip.ns.objects)
	if ip.ns == Default {
		objects = append(objects, linker.system...)
	}
	for _, o := range objects {
		if err := o.interpose(ip.Name); err != nil {
			return err
		}
	}
	return nil
}

// hook returns the hook that stands in for next.
func (ip *Interposition) hook(next, target uintptr) (uintptr, error) {
	hooked.mu.Lock()
	defer hooked.mu.Unlock()
	of := FindObject(next)
	if h, ok := ip.hooks[next]; ok && h.of == of {
		return h.addr, nil
	}
	a, err := ip.wrap(next, target)
	if err != nil {
		return 0, err
	}
	ip.hooks[next] = hook{a, of}
	if hooked.next == nil {
		hooked.next = map[uintptr]uintptr{}
	}
	hooked.next[a] = next
	return a, nil
}

// interposed returns what a reference goes to that is bound to target, a definition of the given version.
func interposed(list []*Interposition, target uintptr, version func() string) (uintptr, error) {
	next := target
	for _, ip := range list {
		if ip.Version != "" && ip.Version != version() {
			continue
		}
		a, err := ip.hook(next, target)
		if err != nil {
			return 0, err
		}
		next = a
	}
	return next, nil
}

// behindHooks returns the function that an address leads to.
func behindHooks(a uintptr) uintptr {
	hooked.mu.Lock()
	defer hooked.mu.Unlock()
	for {
		next, ok := hooked.next[a]
		if !ok {
			return a
		}
		a = next
	}
}

// interpose writes the object's slots again that refer to a name, "" for all names that are interposed. What a slot
// holds tells what it is bound to. linker.mu is held.
func (o *Object) interpose(only string) error {
	table := hooked.table.Load()
	ns, f := o.space(), o.File
	switch {
	case table == nil && only == "":
		return nil
	case o.System && (!native.OwnExecutable() || strings.HasPrefix(o.base(), "ld-linux")):
		return nil
	}
	if o.live != nil {
		return o.live.reimport(o, only)
	}
	names := map[uint32]string{}
	for i := range uint32(f.NumSymbols()) {
		s, ok := f.Sym(i)
		if !ok || i == 0 || s.Bind() == elf.STB_LOCAL || s.Defined() && s.Visibility() != elf.STV_DEFAULT {
			continue
		}
		switch s.Type() {
		case elf.STT_OBJECT, elf.STT_TLS, elf.STT_COMMON:
			continue
		}
		name := f.SymName(s)
		if only != "" && name == only || only == "" && table.get(ns, name) != nil {
			names[i] = name
		}
	}
	if len(names) == 0 {
		return nil
	}
	var writes, text []slot
	for _, t := range []elf.RelaTable{f.Rela(), f.PltRel()} {
		for i := range t.Len() {
			r := t.At(i)
			name, ok := names[r.Sym]
			if !ok || r.Addend != 0 {
				continue
			}
			switch elf.R_X86_64(r.Type) {
			case elf.R_X86_64_JMP_SLOT, elf.R_X86_64_GLOB_DAT, elf.R_X86_64_64:
			default:
				continue
			}
			was, v, err := o.interposedSlot(r, table.get(ns, name))
			if err == nil && v != was {
				tracing().hooked(o, r, name, v)
			}
			switch {
			case err != nil:
				return err
			case v == was:
			case o.inText(o.addr(r.Off)):
				// It would have to lose the right to execute meanwhile, which code of a loaded object may need.
				if only == "" && !o.System {
					text = append(text, slot{o.addr(r.Off), v})
				}
			default:
				writes = append(writes, slot{o.addr(r.Off), v})
			}
		}
	}
	if len(text) > 0 {
		restore, err := o.writable()
		if err != nil {
			return err
		}
		for _, w := range text {
			storeWord(w.addr, w.value)
		}
		if err := restore(); err != nil {
			return err
		}
	}
	if len(writes) == 0 {
		return nil
	}
	return o.store(writes)
}

// interposedSlot returns what a slot holds and what it is to hold with the interpositions of its name.
func (o *Object) interposedSlot(r elf.Rela, list []*Interposition) (was, v uintptr, err error) {
	was = *(*uintptr)(native.Pointer(o.addr(r.Off)))
	target := behindHooks(was)
	version := func() string {
		if v := o.File.SymVersion(r.Sym); v != nil {
			return v.Name
		}
		d, _ := o.definitionFor(r)
		return d.version()
	}
	if elf.R_X86_64(r.Type) == elf.R_X86_64_JMP_SLOT && o.Contains(target) && len(list) > 0 {
		// It is bound to the object's own definition, or not yet, and leads to its own PLT.
		d, ok := o.definitionFor(r)
		if !ok {
			return was, was, nil
		}
		if target, err = d.resolve(); err != nil {
			return was, was, err
		}
		o.dependsOn(d.o)
		if d.o.live != nil {
			h := o.nameOf(r)
			d.note(o, h, o.addr(r.Off), 0)
		}
	}
	if of := FindObject(target); target == 0 || of != nil && !of.executable(target) {
		return was, was, nil
	}
	v, err = interposed(list, target, version)
	return was, v, err
}

// definitionFor returns what a reference is bound to.
func (o *Object) definitionFor(r elf.Rela) (definition, bool) {
	s, _ := o.File.Sym(r.Sym)
	h := o.File.SymHash(s)
	flags := elf.LookupOldest
	if elf.R_X86_64(r.Type) == elf.R_X86_64_JMP_SLOT {
		flags |= elf.LookupPLT
	}
	if o.System {
		d, ok := o.lookup(&h, o.File.SymVersion(r.Sym), flags)
		return d, ok && d.sym.Type() != elf.STT_TLS
	}
	return o.bind(&h, o.File.SymVersion(r.Sym), flags)
}

// inText reports whether an address is in a segment that is not writable once the object is relocated.
func (o *Object) inText(a uintptr) bool {
	return slices.ContainsFunc(o.File.Progs, func(s elf.Prog) bool {
		return s.Type == elf.PT_LOAD && s.Flags&elf.PF_W == 0 && a-o.addr(s.Vaddr) < uintptr(s.Memsz)
	})
}

// bindTo stores what a lazily bound call is to reach, with the interpositions that there are when it is stored: they
// may change meanwhile, and who changes them either finds the slot bound or is found here.
func (o *Object) bindTo(r elf.Rela, h *elf.NameHash, d definition, target uintptr) (uintptr, error) {
	for {
		table := hooked.table.Load()
		v := target
		if list := table.get(o.space(), h.Name()); list != nil && r.Addend == 0 {
			var err error
			if v, err = interposed(list, target, d.version); err != nil {
				return 0, err
			}
		}
		storeWord(o.addr(r.Off), v)
		if hooked.table.Load() == table {
			return v, nil
		}
	}
}

// interpose applies the interpositions of the namespace to the new objects.
func (p *plan) interpose() error {
	for _, o := range p.fresh {
		if err := o.interpose(""); err != nil {
			return err
		}
	}
	return nil
}
