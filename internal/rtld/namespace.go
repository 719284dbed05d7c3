package rtld

import (
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"weld/image/elf"
	"weld/internal/search"
	"weld/native"
)

// Config says how a namespace finds and binds libraries.
type Config struct {
	Name        string   // for messages
	Path        []string // directories that are searched first
	Interpreter string   // run-time linker of the C library to bring up; "": by what the libraries need
	BindNow     bool     // bind all calls at load, as LD_BIND_NOW does
}

// Namespace is a set of libraries that see each other and, but for the C library, no others: each has its own copy of
// what it opens. There is no limit on their number.
type Namespace struct {
	Config
	ID       int
	objects  []*Object                 // in load order, those of the system left out
	global   atomic.Pointer[[]*Object] // searched for every reference: the system's objects, then those opened Global
	unique   map[string]uniqueSymbol   // STB_GNU_UNIQUE definitions in use
	uniqueMu sync.Mutex
	search   map[search.Flavor]*search.Searcher
	main     uintptr // see mainHandle
	closed   bool
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
	if len(linker.spaces) > 0 {
		ns.ID = linker.spaces[len(linker.spaces)-1].ID + 1
	}
	g := slices.Clone(linker.system)
	ns.global.Store(&g)
	linker.bindings.Add(1)
	linker.spaces = append(linker.spaces, ns)
	return ns
}

// Objects returns the namespace's objects in load order, those of the system first.
func (ns *Namespace) Objects() []*Object {
	linker.mu.Lock()
	defer linker.mu.Unlock()
	return append(slices.Clone(linker.system), ns.objects...)
}

// Close closes the libraries that are still open in the namespace and removes it.
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
		o.opens = 0
		o.pinned = false
	}
	collect()
	linker.spaces = slices.DeleteFunc(linker.spaces, func(o *Namespace) bool { return o == ns })
	return nil
}

// searcher returns the search of the namespace for a C library's rules. linker.mu is held.
func (ns *Namespace) searcher(f search.Flavor) *search.Searcher {
	if s := ns.search[f]; s != nil {
		return s
	}
	c := search.Config{Libc: f, ExtraPath: ns.Path, Linker: ns.Interpreter}
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
	s := search.New(c)
	ns.search[f] = s
	return s
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
	if err := native.BringUp(f, ns.Interpreter); err != nil {
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
		o := &Object{Path: so.Name, File: so.File, Mapping: so.Mapping, System: true, LinkMap: so.LinkMap, init: initDone}
		o.Soname = so.File.Dynamic.Soname
		if o.Soname == "" || strings.HasPrefix(o.base(), "ld-musl") {
			o.Soname = o.base()
		}
		if so.Name != "" {
			o.names = append(o.names, o.base())
		}
		o.search = &search.Requester{Path: o.Path}
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
		o.scopes.Store(&[]*scope{{o.closure}})
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
	noteObjects()
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

// breadthFirst returns o and all that it needs.
func breadthFirst(o *Object) []*Object {
	list := []*Object{o}
	for i := 0; i < len(list); i++ {
		for _, d := range list[i].deps {
			if !slices.Contains(list, d) {
				list = append(list, d)
			}
		}
	}
	return list
}
