package live

import (
	"slices"

	"weld"
	"weld/image/elf"
	"weld/internal/rtld"
)

// loader is told of what is done to an object. Its functions are called between Lock and Unlock, and but for these and
// detached with the object locked; they may use Base, Size, Path and Name, and what takes no lock.
type loader interface {
	// Lock is called before the object is locked.
	Lock()
	// TryLock is Lock that does not wait, for when the object is locked already.
	TryLock() bool
	Unlock()
	// attach is called when the object is made, mapped, and valid. If it fails, so does New.
	attach(o *Object) error
	// definers returns where imports are found.
	definers(o *Object, list []*Import) []definer
	// prepare is called before a commit changes anything that others see. If it fails nothing has changed.
	prepare(o *Object, c *committed) error
	// follows reports whether anything goes by what becomes of names; else a commit without new imports does not list them.
	follows() bool
	// published is called when what was committed is there for all, and the file says so.
	published(o *Object, c *committed) error
	// detach is called before the object is unmapped. If it fails, Close does.
	detach(o *Object) error
	// detached is called when it is.
	detached()
}

// committed is what a commit does.
type committed struct {
	seq     uint64
	symbols []symbolChange // see follows
	imports []*Import      // that are new
}

// symbolChange is what becomes of a name: was is zero if it was not bound before, now if it is not any more. A name that has
// other versions, or was given by Rename, is a change for each.
type symbolChange struct {
	was, now Symbol
}

// spaceLoader is the run-time linker.
type spaceLoader struct {
	ns     *rtld.Namespace
	needs  []*rtld.Object
	global bool
	obj    *rtld.Object

	changes []rtld.LiveChange // room for them, kept from commit to commit
}

func newSpaceLoader(ns *weld.Namespace, opt *Options) *spaceLoader {
	l := &spaceLoader{ns: rtld.Faces.Namespace(ns), global: opt.Global}
	for _, lib := range opt.Needs {
		l.needs = append(l.needs, rtld.Faces.Object(lib))
	}
	return l
}

func (l *spaceLoader) Lock()         { rtld.LockLive() }
func (l *spaceLoader) TryLock() bool { return rtld.TryLockLive() }
func (l *spaceLoader) Unlock()       { rtld.UnlockLive() }
func (l *spaceLoader) detached()     { rtld.CollectLive() }

func (l *spaceLoader) attach(o *Object) (err error) {
	l.obj, err = l.ns.AttachLive(rtld.LiveSpec{
		Path: o.Path(), Soname: o.name, Base: o.base, Size: uintptr(o.size), Dev: o.file.dev, Inode: o.file.ino,
		Needs: l.needs, Global: l.global, Layout: o.layout(), Live: tables{o},
	})
	return err
}

func (l *spaceLoader) prepare(o *Object, c *committed) error {
	if len(c.imports) == 0 {
		return nil
	}
	list := rtldImports(c.imports)
	err := l.obj.CheckImports(list, func(name, version string) bool {
		return slices.ContainsFunc(c.symbols, func(s symbolChange) bool {
			n := &s.now
			return n.Addr != 0 && n.Name == name && (version == "" || n.Version == "" || n.Version == version)
		})
	})
	return err
}

func (l *spaceLoader) definers(_ *Object, list []*Import) []definer {
	r := make([]definer, len(list))
	for i, m := range rtldImports(list) {
		r[i].soname, r[i].version = l.obj.DefinerOf(m)
	}
	return r
}

func rtldImports(list []*Import) []*rtld.LiveImport {
	r := make([]*rtld.LiveImport, len(list))
	for i, m := range list {
		r[i] = &rtld.LiveImport{Name: m.name, Version: m.version, Weak: m.weak, Slot: m.Slot()}
	}
	return r
}

func (l *spaceLoader) follows() bool { return l.obj.IsReferred() || rtld.Traced() }

func (l *spaceLoader) published(o *Object, c *committed) error {
	done := l.obj.TraceCommit()
	l.obj.AddImports(rtldImports(c.imports))
	if n := len(c.symbols); cap(l.changes) < n {
		l.changes = make([]rtld.LiveChange, n)
	}
	changes := l.changes[:len(c.symbols)]
	for i := range c.symbols {
		was, now := &c.symbols[i].was, &c.symbols[i].now
		changes[i] = rtld.LiveChange{Name: now.Name, Version: now.Version, Was: was.Addr, Now: now.Addr}
	}
	err := l.obj.PublishLive(o.layout(), changes)
	if e := o.show(l.obj); err == nil {
		err = e
	}
	done(changes, err)
	clear(changes)
	if cap(l.changes) > maxKept {
		l.changes = nil
	}
	return err
}

func (l *spaceLoader) detach(o *Object) error {
	err := l.obj.DetachLive()
	if err == nil {
		o.display.close()
	}
	return err
}

// tables answers for the object's symbols.
type tables struct{ o *Object }

func (t tables) Find(name, version string) (rtld.LiveSymbol, bool) {
	s := t.o.lookup(name, version, true)
	if s == nil {
		return rtld.LiveSymbol{}, false
	}
	return t.o.liveSymbol(s), true
}

func (t tables) FindAddr(pc uintptr) (rtld.LiveSymbol, bool) {
	off := uint64(pc - t.o.base)
	if off >= t.o.size {
		return rtld.LiveSymbol{}, false
	}
	s := t.o.addrs.find(off)
	if s == nil {
		return rtld.LiveSymbol{}, false
	}
	return t.o.liveSymbol(s), true
}

func (t tables) Symbols(yield func(rtld.LiveSymbol) bool) {
	t.o.published(func(s *sym) bool { return yield(t.o.liveSymbol(s)) })
}

func (o *Object) liveSymbol(s *sym) rtld.LiveSymbol {
	r := rtld.LiveSymbol{Name: s.name(), Addr: o.base + uintptr(s.at), Size: uintptr(s.size), Type: s.typ, Visibility: s.vis}
	if s.version != 0 {
		r.Version = (*o.versionList.Load())[s.version-1]
	}
	return r
}

// layout returns where what others read is, the same one as long as it is right. The object is locked.
func (o *Object) layout() *rtld.LiveLayout {
	t := &o.heads
	phdr, dynamic := o.base+uintptr(t.phdrs.off), o.base+uintptr(o.dyn.dynamic.off)
	old := o.lastLayout
	if old != nil && old.Phdr == phdr && old.Dynamic == dynamic && slices.Equal(o.lastProgs, t.progs) {
		return old
	}
	o.lastProgs = slices.Clone(t.progs)
	n := &rtld.LiveLayout{Phdr: phdr, Dynamic: dynamic, Progs: make([]elf.Prog, len(t.progs))}
	for i, p := range t.progs {
		if p.typ != elf.PT_LOAD {
			p.reserve(o)
		}
		n.Progs[i] = elf.Prog{
			Type: p.typ, Flags: p.flags, Off: p.off, Vaddr: p.at, Paddr: p.at, Filesz: p.fileSize, Memsz: p.size, Align: p.align,
		}
	}
	o.lastLayout = n
	return n
}

// Library returns the object as the library that others see: for weld.Func and weld.Bind, whose funcs go where their names do
// when these are bound anew. It is not to be closed.
func (o *Object) Library() *weld.Library {
	l, ok := o.loader.(*spaceLoader)
	if !ok {
		return nil
	}
	return rtld.Faces.Library(l.obj).(*weld.Library)
}
