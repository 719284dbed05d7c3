package rtld

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"weld/debug"
	"weld/image/elf"
	"weld/internal/search"
	"weld/native"
)

// Live is what defines the symbols of an object whose code is made at run time. Its tables change while it is loaded: they are
// not read, it is asked. Its methods take no lock and may be called at any time.
type Live interface {
	// Find returns a symbol that is exported as of the last commit: of exactly the given version, or if that is "" of no
	// version or the default one.
	Find(name, version string) (LiveSymbol, bool)
	// FindAddr returns the symbol that an address lies in.
	FindAddr(pc uintptr) (LiveSymbol, bool)
	// Symbols calls yield for all symbols until it returns false.
	Symbols(yield func(LiveSymbol) bool)
	// Marked reports whether somebody has written to the text in memory, as debuggers do.
	Marked() bool
	// Unmark makes it again what the file has.
	Unmark()
	// Remark undoes that where a debugger relies on it: where calls return to.
	Remark()
}

// LiveSymbol is a symbol of such an object.
type LiveSymbol struct {
	Name, Version string
	Addr, Size    uintptr
	Type          elf.SymType
	Visibility    elf.SymVis
}

func (s *LiveSymbol) exported() bool {
	return s.Visibility == elf.STV_DEFAULT || s.Visibility == elf.STV_PROTECTED
}

// LiveLayout is where the parts of such an object are that others read. It does not change; commits may make another.
type LiveLayout struct {
	Phdr    uintptr    // address of the program headers
	Progs   []elf.Prog // the same
	Dynamic uintptr
}

// LiveSpec describes an object that is made.
type LiveSpec struct {
	Path, Soname string
	Base, Size   uintptr
	Dev, Inode   uint64
	Needs        []*Object // its closure goes on with these
	Global       bool      // all in the namespace see it
	Layout       *LiveLayout
	Live         Live
}

// LiveChange is what a commit makes of a name: an address is 0 if the name was not or is not bound.
type LiveChange struct {
	Name, Version string
	Was, Now      uintptr
	redirected    int // references that followed
}

// liveState is what an Object has more if its code is made at run time. linker.mu guards all that is not atomic.
type liveState struct {
	Live
	layout atomic.Pointer[LiveLayout]
	file   atomic.Pointer[elf.File] // the segments, and .eh_frame_hdr, of that layout
	names  [2]uintptr               // two spellings of the path, see debug.Rename
	turn   int
	head   uintptr // the name it is shown under if its symbols are in parts, 0 if they are not
	parts  map[*LivePart]bool
	slots  map[liveKey][]liveSlot
	follow map[liveKey][]func(addr uintptr)
	wants  []*LiveImport

	mu    sync.Mutex
	texts map[string]uintptr // names that dladdr has returned
	sym   uintptr            // the entry that dladdr1 has
}

type liveKey struct{ name, version string }

// liveSlot is a word that holds the address of a function.
type liveSlot struct {
	o      *Object // that the word is in
	at     uintptr
	addend uintptr
	target uintptr // what it was bound to last
}

// tables returns the file to read segments and descriptions of frames in.
func (o *Object) tables() *elf.File {
	if l := o.live; l != nil {
		return l.file.Load()
	}
	return o.File
}

// mapName returns the address of the object's name: one that stays as it is, whatever debuggers are told.
func (o *Object) mapName() uintptr {
	if l := o.live; l != nil {
		return l.names[0]
	}
	return mapAt(o.LinkMap).Name
}

// phdrs returns the address of the program headers in memory, and how many there are. linker.mu is held.
func (o *Object) phdrs() (addr uintptr, n int) {
	if l := o.live; l != nil {
		layout := l.layout.Load()
		return layout.Phdr, len(layout.Progs)
	}
	return o.phdrAddr(), len(o.File.Progs)
}

// define looks a symbol up for others.
func (o *Object) define(h *elf.NameHash, ver *elf.Version) (definition, bool) {
	version := ""
	if ver != nil {
		version = ver.Name
	}
	s, ok := o.live.Find(h.Name(), version)
	if !ok && version != "" && !ver.Hidden { // a definition without a version is good for any
		s, ok = o.live.Find(h.Name(), "")
		ok = ok && s.Version == ""
	}
	if !ok {
		return definition{}, false
	}
	return o.defined(&s), true
}

func (o *Object) defined(s *LiveSymbol) definition {
	const section = 1 // any that is not SHN_UNDEF
	return definition{
		o: o, ver: s.Version,
		sym: elf.Sym{
			Info: uint8(elf.STB_GLOBAL)<<4 | uint8(s.Type), Other: uint8(s.Visibility), Shndx: section,
			Value: uint64(s.Addr - o.Mapping.Bias), Size: uint64(s.Size),
		},
	}
}

// public returns the symbol as Lookup does.
func (s *LiveSymbol) public() Symbol {
	return Symbol{Name: s.Name, Version: s.Version, Addr: s.Addr, Size: s.Size, Type: s.Type}
}

// ErrOpening is returned by AttachLive and DetachLive while a library is being opened by the same goroutine.
var ErrOpening = errors.New("a library is being opened")

// LockLive serialises what is done to live objects with all that the run-time linker does; a commit is one such thing. Its
// goroutine may hold it already. What the objects lock is locked after it.
func LockLive() { linker.mu.Lock() }

// TryLockLive is LockLive if nobody else holds it, for who has locked an object already; else it returns false.
func TryLockLive() bool { return linker.mu.TryLock() }

// UnlockLive ends LockLive.
func UnlockLive() { linker.mu.Unlock() }

// AttachLive makes an object of the namespace of code that is made at run time. It is loaded until DetachLive: closing the
// namespace does not end that.
func (ns *Namespace) AttachLive(spec LiveSpec) (*Object, error) {
	if err := setUp(); err != nil {
		return nil, err
	}
	linker.mu.Lock()
	defer linker.mu.Unlock()
	switch {
	case ns.closed:
		return nil, ErrClosed
	case linker.plan != nil:
		return nil, ErrOpening
	}
	debug.SetUpProbes(true)
	for _, d := range spec.Needs {
		if d.closed.Load() {
			return nil, fmt.Errorf("%s: %w", d.Path, ErrClosed)
		}
	}
	l := &liveState{Live: spec.Live, slots: map[liveKey][]liveSlot{}}
	o := &Object{
		Path: spec.Path, Soname: spec.Soname, Space: ns, fd: -1, id: fileID{spec.Dev, spec.Inode}, init: initDone, noFini: true,
		Mapping: native.Mapping{Bias: spec.Base, Addr: spec.Base, Size: spec.Size}, opens: 1, live: l, deps: slices.Clone(spec.Needs),
	}
	if err := l.setLayout(o, spec.Layout); err != nil {
		return nil, err
	}
	o.File = l.file.Load()
	o.search = &search.Requester{Path: o.Path}
	if err := l.spell(o); err != nil {
		return nil, err
	}
	o.closure = breadthFirst(o)
	o.scopes.Store(oneScope(o.closure))
	linker.byMap[o.LinkMap] = o
	noteObjects([]*Object{o}, nil)
	ns.objects = append(slices.Clip(ns.objects), o)
	linker.adds++
	linker.bindings.Add(1)
	traceLive(o)
	if spec.Global {
		ns.addGlobal([]*Object{o})
	}
	linker.lives = append(linker.lives, o)
	r := ns.rendezvous()
	alone := r.StartMap()
	r.Add(o.LinkMap)
	if alone {
		r.EndMap()
		r.StartReloc()
		r.EndReloc(o.LinkMap)
	}
	return o, nil
}

// spell makes the link_map, and both names that it can have.
func (l *liveState) spell(o *Object) (err error) {
	if o.LinkMap, err = debug.NewLinkMap(o.Mapping.Bias, o.Path, l.layout.Load().Dynamic); err != nil {
		return err
	}
	i := strings.LastIndexByte(o.Path, '/') + 1
	other := o.Path[:i] + "./" + o.Path[i:]
	l.names[0] = mapAt(o.LinkMap).Name
	if l.names[1], err = native.NewString(other); err != nil {
		freeLinkMap(o)
	}
	return err
}

func (l *liveState) setLayout(o *Object, layout *LiveLayout) error {
	if l.layout.Load() == layout {
		return nil
	}
	progs := make([]elf.Prog, 0, len(layout.Progs))
	for _, p := range layout.Progs {
		if p.Type == elf.PT_LOAD || p.Type == elf.PT_GNU_EH_FRAME {
			progs = append(progs, p)
		}
	}
	f, err := elf.NewLoaded(o.Path, native.Bytes(o.Mapping.Addr, o.Mapping.Size), progs, elf.LoadedOptions{})
	if err != nil {
		return err
	}
	if was := l.layout.Load(); was != nil && was.Phdr != layout.Phdr {
		// libgcc's unwinder keeps addresses of program headers as long as these numbers stay.
		linker.adds++
		linker.subs++
	}
	l.file.Store(f)
	l.layout.Store(layout)
	return nil
}

// LiveInUse says why a live object cannot be removed.
type LiveInUse struct {
	Object string
	By     []string // paths of the objects that are bound to it or need it
	Opened int      // handles to it
	Busy   bool     // it is being looked at
}

func (e *LiveInUse) Error() string {
	var why []string
	if e.By != nil {
		why = append(why, "used by "+strings.Join(e.By, ", "))
	}
	if e.Opened > 0 {
		why = append(why, fmt.Sprintf("opened %d times", e.Opened))
	}
	if e.Busy {
		why = append(why, "being looked at by another thread")
	}
	return e.Object + " is in use: " + strings.Join(why, ", ")
}

// DetachLive takes the object away, unless others use it: then the error is a *LiveInUse, and nothing has changed. The caller
// holds LockLive, and unmaps the memory then.
func (o *Object) DetachLive() error {
	if linker.plan != nil {
		return ErrOpening
	}
	use := &LiveInUse{Object: o.Path, Opened: o.opens - 1, Busy: o.busy > 0}
	if o.pinned {
		use.Opened = max(use.Opened, 1)
	}
	uses := func(x *Object) {
		if x != o && (slices.Contains(x.closure, o) || slices.Contains(x.reldeps, o)) {
			use.By = append(use.By, x.Path)
		}
	}
	for _, ns := range linker.spaces {
		for _, x := range ns.objects {
			uses(x)
		}
	}
	for _, x := range linker.dying {
		uses(x)
	}
	if use.By != nil || use.Opened > 0 || use.Busy {
		return use
	}
	o.hideParts()
	o.opens = 0
	o.dying = true
	o.closed.Store(true)
	dead := []*Object{o}
	hide(dead)
	unload(dead)
	linker.lives = slices.DeleteFunc(linker.lives, func(x *Object) bool { return x == o })
	return nil
}

// CollectLive unloads what nothing needs any more once a live object is gone. Finalisers may run.
func CollectLive() {
	linker.mu.Lock()
	defer linker.mu.Unlock()
	collect()
}

// free gives back what is the run-time linker's own. The link_map has one of the names.
func (l *liveState) free(o *Object) {
	for _, n := range [...]uintptr{l.names[0], l.names[1], l.head} {
		if n != 0 && n != mapAt(o.LinkMap).Name {
			native.FreeString(n, native.String(n))
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for s, a := range l.texts {
		native.FreeString(a, s)
	}
	if l.sym != 0 {
		native.Free(l.sym, liveSymSize)
	}
	l.texts, l.sym = nil, 0
}

// text returns a native copy of a name that stays as long as the object does.
func (l *liveState) text(name string) uintptr {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.texts[name]
	if a == 0 {
		var err error
		if a, err = native.NewString(name); err != nil {
			return 0
		}
		if l.texts == nil {
			l.texts = map[string]uintptr{}
		}
		l.texts[name] = a
	}
	return a
}

const liveSymSize = 24

// entry returns an ElfW(Sym) of a symbol, until the next call.
func (l *liveState) entry(d definition) uintptr {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sym == 0 {
		p, err := native.Alloc(liveSymSize)
		if err != nil {
			return 0
		}
		l.sym = p
	}
	w := (*[3]uint64)(native.Pointer(l.sym))
	*w = [3]uint64{uint64(d.sym.Info)<<32 | uint64(d.sym.Other)<<40 | uint64(d.sym.Shndx)<<48, d.sym.Value, d.sym.Size}
	return l.sym
}

// PublishLive makes known what a commit has done: references to functions that were replaced are bound again. What debuggers
// are to be told, ShowLive tells them then. The caller holds LockLive.
func (o *Object) PublishLive(layout *LiveLayout, changes []LiveChange) error {
	l := o.live
	if err := l.setLayout(o, layout); err != nil {
		return err
	}
	err := l.rebind(changes)
	if e := l.bindImports(o, ""); err == nil {
		err = e
	}
	return err
}

// Faces lets a package above the one that hands out namespaces and objects get at them.
var Faces struct {
	Namespace func(face any) *Namespace // of nil the default one
	Object    func(face any) *Object
	Library   func(o *Object) (face any)
}
