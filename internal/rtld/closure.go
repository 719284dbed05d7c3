package rtld

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"weld/debug"
	"weld/image/elf"
	"weld/internal/search"
	"weld/native"
)

func (p *plan) isDlopen(from *Object) bool { return from == nil || from == p.caller && p.root == nil }

// Open opens a library in the namespace and returns it with one handle more. caller is the object whose code asks,
// nil if that is Go code. The error is an *OpenError. If an initialiser panics, or ends the goroutine, the handle is
// given back.
func (ns *Namespace) Open(src Source, flags Flags, caller *Object) (*Object, error) {
	t := tracing()
	if t == nil {
		return ns.open(src, flags, caller)
	}
	t.enter(PhasePlan)
	defer t.leave()
	began := time.Now()
	o, err := ns.open(src, flags, caller)
	t.opened(ns, src, caller, o, err, began)
	return o, err
}

func (ns *Namespace) open(src Source, flags Flags, caller *Object) (*Object, error) {
	if err := setUp(); err != nil {
		return nil, &OpenError{Name: src.Name, Err: err}
	}
	linker.mu.Lock()
	defer linker.mu.Unlock()
	if ns.closed {
		return nil, &OpenError{Name: src.Name, Err: ErrClosed}
	}
	debug.SetUpProbes(true)
	p := newPlan(ns, flags)
	p.caller, p.callerAddr = caller, src.Caller
	err := p.load(src)
	root := p.root
	p.end()
	if err != nil {
		return nil, asOpenError(src.Name, root, err)
	}
	order := initOrder(root)
	if flags&NoInit != 0 {
		for _, o := range order {
			if o.init == initNone {
				o.init, o.noFini = initDone, true
			}
		}
	}
	// Others may close it, or the namespace, while initialisers run.
	root.hold()
	done := false
	defer func() {
		if !done && root.opens > 0 {
			root.dropHandle()
		}
		root.letGo()
	}()
	initialise(order)
	if ns.closed {
		return nil, &OpenError{Name: src.Name, Path: root.Path, Err: ErrClosed}
	}
	if flags&Global != 0 {
		ns.addGlobal(root.closure) // now, as glibc does: nobody is bound to what is not initialised
	}
	done = true
	return root, nil
}

// load does everything up to initialisation, or leaves nothing behind, also if a resolver panics.
func (p *plan) load(src Source) error {
	outer := linker.plan
	linker.plan = p
	done := false
	defer func() {
		for _, o := range p.fresh {
			o.plan = nil
		}
		if !done {
			p.undo()
		}
		if linker.plan = outer; outer == nil && linker.later {
			collect()
		}
	}()
	if err := p.open(src); err != nil {
		return err
	}
	p.publish()
	done = true
	return nil
}

// open does everything up to initialisation.
func (p *plan) open(src Source) error {
	if err := p.readRoot(src); err != nil {
		return err
	}
	return p.complete()
}

// complete reads what the root needs and binds it all. The scope of a program is the global one.
func (p *plan) complete() error {
	if err := p.readNeeded(); err != nil {
		return err
	}
	if err := p.checkVersions(); err != nil {
		return err
	}
	for _, o := range p.fresh {
		o.closure = breadthFirst(o)
	}
	if err := p.makeKnown(); err != nil {
		return err
	}
	if p.isProgram {
		scope := slices.Clone(p.root.closure)
		p.ns.global.Store(&scope)
	}
	p.setScopes()
	p.endMap()
	if err := p.relocateAll(); err != nil {
		return err
	}
	if p.isProgram {
		if err := rebindSystem(); err != nil {
			return err
		}
	}
	if err := p.protectAll(); err != nil {
		return err
	}
	if err := p.interpose(); err != nil {
		return err
	}
	p.endReloc()
	return nil
}

// readRoot finds or reads the object that is opened.
func (p *plan) readRoot(src Source) error {
	if src.FS != nil || src.R != nil {
		data, err := src.read()
		if err != nil {
			return err
		}
		s, err := p.openData(src.Name, data)
		if err != nil {
			return err
		}
		p.root = p.add(s, nil)
		p.traceLoad(p.root, s, src.Name, nil)
		p.root.fsys, p.root.imports = src.FS, src.Imports
		p.root.search.Path = ""
		return nil
	}
	name := src.Name
	if name == "" || strings.IndexByte(name, 0) >= 0 {
		return &elf.FormatError{File: name, What: "not a file name"}
	}
	o, err := p.get(name, p.caller)
	if err != nil {
		return err
	}
	p.root = o
	return nil
}

// get returns the object that a name stands for when from (nil: the program) asks: one that is loaded, one of the
// system's, or a new one.
func (p *plan) get(name string, from *Object) (*Object, error) {
	if o := p.loaded(name); o != nil {
		return o, nil
	}
	noLoad := p.flags&NoLoad != 0 && p.isDlopen(from)
	if !noLoad {
		if o, err := p.systemObject(name, from); o != nil || err != nil {
			return o, err
		}
	}
	if o, err := p.beside(name, from); o != nil || err != nil {
		return o, err
	}
	var needed []string
	if from != nil && from.File != nil {
		needed = from.File.Dynamic.Needed
	}
	s, err := p.find(name, from, needed)
	if err != nil {
		return nil, err
	}
	switch {
	case s.known != nil:
		p.addName(s.known, name)
		return s.known, nil
	case noLoad:
		s.unmap()
		return nil, &OpenError{Name: name, Path: s.path, Err: ErrNotFound}
	case systemFile(s.file):
		s.unmap()
		return p.fromSystem(s.path, native.Glibc, from)
	}
	o := p.add(s, from)
	p.traceLoad(o, s, name, from)
	p.addName(o, name)
	return o, nil
}

// addName notes another name that an object was found under.
func (p *plan) addName(o *Object, name string) {
	o.names = append(o.names, name)
	if o.plan != p { // it is there also if the open fails
		p.named = append(p.named, named{o, name})
	}
}

func (p *plan) loaded(name string) *Object {
	for _, list := range [][]*Object{p.ns.objects, p.fresh} {
		for _, o := range list {
			if o.answersTo(name) {
				return o
			}
		}
	}
	return findSystem(name)
}

func (p *plan) byID(id fileID) *Object {
	if id == (fileID{}) {
		return nil
	}
	for _, list := range [][]*Object{p.ns.objects, p.fresh, linker.system} {
		for _, o := range list {
			if o.id == id {
				return o
			}
		}
	}
	return nil
}

// systemObject returns the object of a name that belongs to the C library: that library is brought up and its own
// run-time linker loads it.
func (p *plan) systemObject(name string, from *Object) (*Object, error) {
	base := filepath.Base(name)
	f := familyOf([]string{base})
	if f == native.NoLibc && search.IsLibcFamily(base) {
		f = native.Glibc
	}
	up, _, _ := native.Libc()
	if f == native.NoLibc && up == native.Musl && search.IsMuslReserved(base) {
		f = native.Musl
	}
	if f == native.NoLibc || strings.Contains(name, "/") && f == native.Musl && base == "libc.so" {
		return nil, nil
	}
	return p.fromSystem(name, f, from)
}

// systemFile reports whether a file that was found is the system's own and belongs to its run-time linker: it uses what
// glibc keeps to itself (symbol version GLIBC_PRIVATE), or is the libgcc_s that glibc itself opens to unwind stacks.
func systemFile(f *elf.File) bool {
	for _, need := range f.VersionNeeds() {
		if search.IsLibcFamily(need.File) && slices.ContainsFunc(need.Versions, func(v elf.VerNeedVersion) bool { return v.Name == "GLIBC_PRIVATE" }) {
			return true
		}
	}
	return f.Dynamic.Soname == "libgcc_s.so.1" && familyOf(f.Dynamic.Needed) == native.Glibc
}

// fromSystem has the system's run-time linker load a library and adopts it with what it brought along.
func (p *plan) fromSystem(name string, f native.Family, from *Object) (*Object, error) {
	fail := func(err error) (*Object, error) {
		e := &OpenError{Name: name, Err: err}
		if from != nil && from != p.caller {
			e.NeededBy = from.Path
		}
		return nil, e
	}
	t := tracing()
	t.askSystem(name, from)
	defer t.askSystem("", nil)
	if err := p.ns.bringUp(f); err != nil {
		return fail(err)
	}
	if o := findSystem(name); o != nil {
		return o, nil
	}
	t.enter(PhaseLibc)
	lm, err := native.SystemOpen(name, p.flags&Now != 0 || p.ns.bindNow())
	t.leave()
	if err != nil {
		if strings.Contains(err.Error(), "No such file") {
			err = fmt.Errorf("%w: %w", ErrNotFound, err)
		}
		return fail(err)
	}
	if err := adoptSystem(); err != nil {
		return fail(err)
	}
	if o := linker.byMap[lm]; o != nil {
		p.addName(o, name)
		return o, nil
	}
	return fail(ErrNotFound)
}

// add makes a new object of a source.
func (p *plan) add(s *source, from *Object) *Object {
	o := &Object{Path: s.path, Soname: s.file.Dynamic.Soname, File: s.file, Mapping: s.mapping, Space: p.ns, fd: s.fd, object: s.object, id: s.id, plan: p, again: s.again}
	if s.again != nil {
		o.BuildID = bytes.Clone(s.again.buildID)
	} else {
		o.BuildID = bytes.Clone(s.file.BuildID())
	}
	var loader *search.Requester
	if from != nil {
		loader = from.search
	}
	o.search = requester(s.path, s.file, loader)
	p.fresh = append(p.fresh, o)
	return o
}

// readNeeded reads what the new objects need, breadth first. All that is missing is reported at once.
func (p *plan) readNeeded() error {
	for i := 0; i < len(p.fresh); i++ {
		o := p.fresh[i]
		// A filter's filtees come before it in every scope (gABI, DT_FILTER; DT_AUXILIARY may be absent).
		for _, f := range o.File.Dynamic.Auxiliary {
			if d, err := p.get(f, o); err == nil {
				o.filtees = append(o.filtees, d)
			}
		}
		for _, f := range o.File.Dynamic.Filter {
			d, err := p.get(f, o)
			if err != nil {
				p.errs = append(p.errs, err)
				continue
			}
			o.filtees = append(o.filtees, d)
		}
		needed := o.File.Dynamic.Needed
		if o == p.root {
			needed = slices.Concat(p.preload, needed)
		}
		for _, n := range needed {
			d, err := p.get(n, o)
			if err != nil {
				p.errs = append(p.errs, err)
				continue
			}
			if !slices.Contains(o.deps, d) {
				o.deps = append(o.deps, d)
			}
		}
	}
	return joinErrors(p.errs)
}

// breadthFirst returns the closure of o in the order in which symbols are looked up.
func breadthFirst(o *Object) []*Object {
	list := make([]*Object, 0, 1+len(o.deps)) // as a rule there is no more
	walk := newWalk()
	var visit func(o *Object)
	visit = func(o *Object) {
		if !o.visit(walk) {
			return
		}
		for _, f := range o.filtees {
			visit(f)
		}
		list = append(list, o)
	}
	visit(o)
	for i := 0; i < len(list); i++ {
		for _, d := range list[i].deps {
			visit(d)
		}
	}
	return list
}

// checkVersions checks that every version that a new object needs of another is defined there. An object without
// version definitions is taken as it is, as ld.so does.
func (p *plan) checkVersions() error {
	var missing []MissingVersion
	for _, o := range p.fresh {
		for _, need := range o.File.VersionNeeds() {
			d := p.loaded(need.File)
			if d == nil {
				continue
			}
			defs := d.File.VersionDefs()
			if len(defs) == 0 {
				continue
			}
			for _, v := range need.Versions {
				if v.Weak || slices.ContainsFunc(defs, func(def elf.VerDef) bool { return def.Name == v.Name }) {
					continue
				}
				missing = append(missing, MissingVersion{d.Path, v.Name, o.Path})
			}
		}
	}
	if missing != nil {
		return &VersionError{missing}
	}
	return nil
}

// setScopes gives the new objects the closure as a scope.
func (p *plan) setScopes() {
	scopes := oneScope(p.root.closure)
	for _, o := range p.fresh {
		o.scopes.Store(scopes)
		o.deepBind = p.flags&DeepBind != 0
	}
}

// publish makes the closure part of the namespace. Nothing can fail any more, so that objects that were loaded before
// may be bound to new ones: their code runs, and binds lazily.
func (p *plan) publish() {
	p.ns.objects = append(p.ns.objects, p.fresh...)
	linker.adds += uint64(len(p.fresh))
	for _, o := range p.root.closure {
		if old := *o.scopes.Load(); !o.System && !slices.ContainsFunc(old, func(s *scope) bool { return slices.Equal(s.list, p.root.closure) }) {
			list := append(slices.Clip(old), &scope{p.root.closure})
			o.scopes.Store(&list)
		}
	}
	linker.bindings.Add(1)
	if !p.root.System {
		p.root.opens++
		p.root.closed.Store(false)
	}
	if p.flags&NoDelete != 0 {
		p.root.pinned = true
	}
	for _, o := range p.fresh {
		if o.File.Dynamic.Flags1&elf.DF_1_NODELETE != 0 {
			o.pinned = true
		}
	}
}

// undo takes back what the open has mapped and registered.
func (p *plan) undo() {
	for _, name := range p.unique {
		delete(p.ns.unique, name)
	}
	for _, o := range p.pinned {
		o.pinned = false
	}
	for _, n := range p.named {
		i := slices.Index(n.o.names, n.name)
		n.o.names = slices.Delete(n.o.names, i, i+1)
	}
	switch {
	case p.listed:
		unlist(p.fresh)
		unmap(p.fresh)
		unlisted(p.fresh)
	case p.fresh != nil:
		unmap(p.fresh)
		fallthrough
	default:
		if p.mapping {
			p.ns.rendezvous().FailMap()
		}
	}
}
