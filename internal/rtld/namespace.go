package rtld

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"weld/debug"
	"weld/image/elf"
	"weld/internal/search"
	"weld/native"
)

// Config says how a namespace finds and binds libraries.
type Config struct {
	Path        []string // directories that are searched first
	Interpreter string   // run-time linker of the C library to bring up; "": by what the libraries need
	BindNow     bool     // bind all calls at load, as LD_BIND_NOW does
}

// Namespace is a set of libraries that see each other and, but for the C library, no others: each has its own copy of
// what it opens. There is no limit on their number.
type Namespace struct {
	Config
	ID      int                       // the lowest that was free
	objects []*Object                 // in load order, those of the system left out
	global  atomic.Pointer[[]*Object] // searched for every reference: the system's objects, then those opened Global
	unique  map[string]uniqueSymbol   // STB_GNU_UNIQUE definitions in use

	lastList atomic.Pointer[sharedList] // see searchList
	search   map[search.Flavor]*search.Searcher
	main     uintptr // see mainHandle
	closed   bool
	unowned  bool // dlmopen made it: it goes with its last object
}

type uniqueSymbol struct {
	o *Object
	s elf.Sym
}

// Default is the namespace of programs that make none.
var Default = newNamespace(Config{})

// NewNamespace makes an empty namespace.
func NewNamespace(c Config) *Namespace {
	linker.mu.Lock()
	defer linker.mu.Unlock()
	return newNamespace(c)
}

func newNamespace(c Config) *Namespace {
	ns := &Namespace{Config: c, unique: map[string]uniqueSymbol{}, search: map[search.Flavor]*search.Searcher{}}
	for ns.ID < len(linker.spaces) && linker.spaces[ns.ID].ID == ns.ID {
		ns.ID++
	}
	g := slices.Clone(linker.system)
	ns.global.Store(&g)
	linker.bindings.Add(1)
	linker.spaces = slices.Insert(linker.spaces, ns.ID, ns)
	tracing().emit(Event{Kind: EventNamespace, Namespace: ns.ID})
	return ns
}

// Objects returns the namespace's objects in load order, those of the system first.
func (ns *Namespace) Objects() []*Object {
	linker.mu.Lock()
	defer linker.mu.Unlock()
	return append(slices.Clone(linker.system), ns.objects...)
}

// addGlobal makes objects visible to all in the namespace. linker.mu is held.
func (ns *Namespace) addGlobal(list []*Object) {
	old := *ns.global.Load()
	g := slices.Clip(old)
	for _, o := range list {
		if !slices.Contains(g, o) {
			g = append(g, o)
		}
	}
	if len(g) != len(old) {
		ns.global.Store(&g)
		linker.bindings.Add(1)
	}
}

// Close closes the libraries that are still open in the namespace and removes it. What cannot be unloaded now, because
// its initialisers run or threads are to run its destructors, is when that is over.
func (ns *Namespace) Close() error {
	if ns == Default {
		return ErrUnsupported
	}
	linker.mu.Lock()
	defer linker.mu.Unlock()
	if ns.closed {
		return ErrClosed
	}
	ns.closed = true
	for _, o := range ns.objects {
		if o.live != nil { // its maker removes it
			o.opens = 1
			continue
		}
		o.opens = 0
		o.pinned = false
		o.closed.Store(true)
	}
	collect()
	return nil
}

// disown leaves the namespace to what is loaded in it: it goes with its last object.
func (ns *Namespace) disown() {
	linker.mu.Lock()
	defer linker.mu.Unlock()
	ns.unowned = true
	dropSpaces()
}

// dropSpaces removes the namespaces that are closed and empty. linker.mu is held.
func dropSpaces() {
	linker.spaces = slices.DeleteFunc(linker.spaces, func(ns *Namespace) bool {
		of := func(o *Object) bool { return o.Space == ns }
		if !ns.closed && !ns.unowned || len(ns.objects) > 0 || slices.ContainsFunc(linker.dying, of) {
			return false
		}
		ns.closed = true
		tracing().emit(Event{Kind: EventNamespaceEnd, Namespace: ns.ID})
		if ns.main != 0 {
			debug.FreeLinkMap(ns.main)
		}
		for _, s := range ns.search {
			s.Close()
		}
		return true
	})
}

// searcher returns the search of the namespace for a C library's rules. linker.mu is held.
func (ns *Namespace) searcher(f search.Flavor) *search.Searcher {
	if s := ns.search[f]; s != nil {
		return s
	}
	c := search.Config{Libc: f, ExtraPath: ns.Path, Linker: ns.Interpreter, Secure: native.Secure()}
	if v := os.Getenv("LD_LIBRARY_PATH"); v != "" {
		c.LibraryPath = search.SplitLibraryPath(f, v)
	}
	if c.Linker == "" {
		if f == search.Musl {
			c.Linker = native.Interpreter(native.Musl)
		} else {
			c.Linker = native.Interpreter(native.Glibc)
		}
	}
	if f == search.Glibc {
		c.Minor = glibcMinor()
	}
	s := search.New(c)
	ns.search[f] = s
	return s
}

// glibcMinor returns the 36 of glibc 2.36 if that is up, else 0: to read it in the file of the run-time linker takes
// longer than to open a small library.
func glibcMinor() int {
	h := elf.Hash("gnu_get_libc_version") // musl has none
	d, ok := lookupIn(linker.system, &h, nil, 0, nil)
	if !ok {
		return 0
	}
	minor, _ := strings.CutPrefix(native.String(native.Call(d.addr())), "2.")
	minor, _, _ = strings.Cut(minor, ".") // development versions have a third part
	n, err := strconv.Atoi(minor)
	if err != nil {
		return 0
	}
	return n
}

func (ns *Namespace) bindNow() bool { return ns.BindNow || os.Getenv("LD_BIND_NOW") != "" }

// familyOf returns the C library that an object's needs name.
func familyOf(needed []string) native.Family {
	f, ok := search.LibcOf(needed)
	if !ok {
		return native.NoLibc
	}
	if f == search.Musl {
		return native.Musl
	}
	return native.Glibc
}

// bringUp makes a C library present and adopts its objects. linker.mu is held.
func (ns *Namespace) bringUp(f native.Family) error {
	started := tracing().startLibc()
	err := native.BringUp(f, ns.Interpreter)
	started()
	if err != nil {
		return err
	}
	return adoptSystem()
}

// adoptSystem makes objects of what the system's run-time linker has mapped since the last time, visible everywhere.
func adoptSystem() error {
	if err := setUp(); err != nil {
		return err
	}
	var fresh []*Object
	for _, so := range native.SystemObjects() {
		if linker.byMap[so.LinkMap] != nil {
			continue
		}
		o := &Object{Path: so.Name, File: so.File, Mapping: so.Mapping, System: true, LinkMap: so.LinkMap, fd: -1, init: initDone}
		o.Soname = so.File.Dynamic.Soname
		if o.Soname == "" || strings.HasPrefix(o.base(), "ld-musl") {
			o.Soname = o.base()
		}
		if o.Soname == native.ReserveName {
			so.Name, o.Path = "", o.Soname // the path it was opened by means something else by now
		}
		if so.Name != "" {
			o.names = append(o.names, o.base())
		}
		o.search = &search.Requester{Path: o.Path}
		o.BuildID = bytes.Clone(so.File.BuildID())
		var st syscall.Stat_t
		if syscall.Stat(so.Name, &st) == nil {
			o.id = fileID{uint64(st.Dev), st.Ino}
		}
		fresh = append(fresh, o)
		linker.byMap[so.LinkMap] = o
		linker.system = append(linker.system, o)
	}
	if fresh == nil {
		return nil
	}
	for _, o := range fresh {
		for _, n := range o.File.Dynamic.Needed {
			if d := findSystem(n); d != nil {
				o.deps = append(o.deps, d)
			}
		}
	}
	for _, o := range fresh {
		o.closure = breadthFirst(o)
		o.scopes.Store(oneScope(o.closure))
		linker.bindings.Add(1)
		redirect(o)
	}
	for _, ns := range linker.spaces {
		if len(linker.system) == len(fresh) {
			g := append(slices.Clone(fresh), *ns.global.Load()...)
			ns.global.Store(&g)
			linker.bindings.Add(1)
		}
	}
	noteObjects(fresh, nil)
	listSystem(fresh)
	tracing().systemLoaded(fresh)
	return nil
}

// findSystem returns the system's object of a name. musl is one object under many names.
func findSystem(name string) *Object {
	for _, o := range linker.system {
		if o.answersTo(name) {
			return o
		}
	}
	if f, _, _ := native.Libc(); f == native.Musl && search.IsMuslReserved(name) {
		for _, o := range linker.system {
			if strings.HasPrefix(o.base(), "ld-musl") || o.base() == "libc.so" {
				return o
			}
		}
	}
	return nil
}
