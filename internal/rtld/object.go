package rtld

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"weld/image/elf"
	"weld/internal/search"
	"weld/native"
)

// Object is a loaded image. Its exported fields do not change after it has been opened.
type Object struct {
	Path    string // absolute, or the name given for an image that has no file
	Soname  string
	File    *elf.File // its tables in memory, gone when it is unmapped
	BuildID []byte    // a copy
	Mapping native.Mapping
	System  bool // mapped by the system's run-time linker
	Space   *Namespace
	live    *liveState // nil unless its code is made at run time
	LinkMap uintptr    // address of its struct link_map

	// User is for the package that hands objects out; linker.mu does not guard it.
	User atomic.Value

	fd      int         // the file in memory that it was mapped from, for debuggers; -1 if it has a path
	object  string      // the path by which they read it
	again   *remembered // what is known of the image, if that is kept and not of another one by now
	number  uint64      // see numberFor
	id      fileID
	imports Imports  // see Source
	fsys    fs.FS    // where it came from, if not the machine's own file system
	plan    *plan    // the open that loads it, until that is over
	names   []string // other names that it was found under
	deps    []*Object
	filtees []*Object // what it is a filter for (DT_FILTER, DT_AUXILIARY)
	search  *search.Requester
	closure []*Object // itself and all it needs, breadth first: the scope of a handle to it

	scopes  atomic.Pointer[[]*scope] // closures it was opened as part of, in that order
	looked  atomic.Pointer[lookedIn]
	reldeps []*Object   // what it was bound to outside its closure, in that order
	mark    uint64      // of the walk that came by last, see visit
	opens   int         // handles
	busy    int         // other reasons not to unload it now
	pinned  bool        // never unloaded
	closed  atomic.Bool // the last handle was given back, or it is unmapped
	atClose []func()

	init     initState
	initBy   uintptr // goroutine that runs its initialisers
	finiDone bool
	noFini   bool // opened with NoInit
	dying    bool // its finalisers run or have run

	phdr      uintptr // see phdrAddr
	phdrOwn   bool    // it is a copy
	indexOnce sync.Once
	index     []uint32 // symbols by address, see Covering

	// Of an object of the system's: what resolvers of IFUNCs have chosen, by symbol. It is the same each time.
	chosen map[uint32]uintptr

	tls      uintptr // module number, 0 none
	tlsFixed int     // offset of its static TLS from the thread pointer, 0 none
	deepBind bool
}

// lookedIn is where references of an object are looked up, as of a value of linker.bindings.
type lookedIn struct {
	as   uint64
	list []*Object
}

// newWalk begins a walk over objects and returns its number. linker.mu is held.
func newWalk() uint64 {
	linker.walks++
	return linker.walks
}

// visit marks the object with a walk. It returns false if it was marked with it already.
func (o *Object) visit(walk uint64) bool {
	if o.mark == walk {
		return false
	}
	o.mark = walk
	return true
}

// scope is a list of objects to look a symbol up in, in order.
type scope struct{ list []*Object }

// oneScope returns what Object.scopes is for one scope.
func oneScope(list []*Object) *[]*scope {
	x := &struct { // one block of memory
		scope scope
		first [1]*scope
		all   []*scope
	}{scope: scope{list}}
	x.first[0] = &x.scope
	x.all = x.first[:]
	return &x.all
}

// fileID is what tells files apart.
type fileID struct{ dev, ino uint64 }

func (o *Object) addr(vaddr uint64) uintptr { return o.Mapping.Bias + uintptr(vaddr) }

// answersTo reports whether a DT_NEEDED name or a dlopen argument means this object.
func (o *Object) answersTo(name string) bool {
	if o.imports != nil {
		return false
	}
	if o.Path == name {
		return true
	}
	return slices.Contains(o.names, name) || o.Soname == name && !strings.Contains(name, "/")
}

// InMemory reports whether the object was loaded from memory: its path is but a name then.
func (o *Object) InMemory() bool { return o.fd >= 0 && !o.System }

// Contains reports whether an address lies within the object's range.
func (o *Object) Contains(pc uintptr) bool { return pc-o.Mapping.Addr < o.Mapping.Size }

// Needed returns the objects that its DT_NEEDED entries stand for.
func (o *Object) Needed() []*Object { return o.deps }

func (o *Object) base() string { return filepath.Base(o.Path) }

// executable reports whether an address lies in a segment that may be executed. It is the system's business for what the
// system's run-time linker has loaded.
func (o *Object) executable(a uintptr) bool {
	return o.System || executable(o.tables(), uint64(a-o.Mapping.Bias))
}

func executable(f *elf.File, vaddr uint64) bool {
	return slices.ContainsFunc(f.Progs, func(s elf.Prog) bool {
		return s.Type == elf.PT_LOAD && s.Flags&elf.PF_X != 0 && vaddr-s.Vaddr < s.Memsz
	})
}
