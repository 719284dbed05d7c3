package rtld

import (
	"cmp"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sort"
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
	File    *elf.File // its tables in memory
	Mapping native.Mapping
	System  bool // mapped by the system's run-time linker
	Space   *Namespace
	LinkMap uintptr // address of its struct link_map

	// User is for the package that hands objects out; linker.mu does not guard it.
	User atomic.Value

	id      fileID
	fsys    fs.FS   // where it came from, if not the machine's own file system
	from    *source // where to map it from, until it is mapped
	names   []string
	loader  *Object // what first needed it
	deps    []*Object
	filtees []*Object // what it is a filter for (DT_FILTER, DT_AUXILIARY)
	search  *search.Requester
	closure []*Object // itself and all it needs, breadth first: the scope of a handle to it

	scopes  atomic.Pointer[[]*scope] // closures it was opened as part of, in that order
	reldeps map[*Object]struct{}     // what it was bound to outside its closure
	opens   int                      // handles
	pinned  bool                     // never unmapped

	init     initState
	initBy   uintptr // goroutine that runs its initialisers
	finiDone bool
	noFini   bool // opened with NoInit
	dying    bool // its finalisers run or have run
	unloaded atomic.Bool
	open     atomic.Int32 // opens, for Closed
	wasOpen  atomic.Bool
	phdr     uintptr // see phdrAddr

	indexOnce sync.Once
	index     []uint32 // symbols by address, see Covering
	busy      int      // reasons not to unload it now
	atClose   []func()

	tls      uintptr // module number, 0 none
	tlsFixed int     // offset of its static TLS from the thread pointer, 0 none

	looked   atomic.Pointer[lookedIn]
	deepBind bool
	lazy     bool // calls are bound when first made
}

// lookedIn is where references of an object are looked up, as of a value of linker.bindings.
type lookedIn struct {
	as   uint64
	list []*Object
}

// scope is a list of objects to look a symbol up in, in order.
type scope struct{ list []*Object }

// fileID is what tells files apart.
type fileID struct{ dev, ino uint64 }

func (o *Object) addr(vaddr uint64) uintptr { return o.Mapping.Bias + uintptr(vaddr) }

// answersTo reports whether a DT_NEEDED name or a dlopen argument means this object.
func (o *Object) answersTo(name string) bool {
	if o.Path == name {
		return true
	}
	for _, n := range o.names {
		if n == name {
			return true
		}
	}
	return o.Soname == name && !strings.Contains(name, "/")
}

// Contains reports whether an address lies within the object's range.
func (o *Object) Contains(pc uintptr) bool { return pc-o.Mapping.Addr < o.Mapping.Size }

// Closure returns the object and all it needs, breadth first, as a handle to it searches them.
func (o *Object) Closure() []*Object { return o.closure }

// Needed returns the objects that its DT_NEEDED entries stand for.
func (o *Object) Needed() []*Object { return o.deps }

func (o *Object) base() string { return filepath.Base(o.Path) }

// linker is the state of the process.
var linker struct {
	mu     reentrant
	spaces []*Namespace
	system []*Object           // what the system's run-time linker has mapped
	byMap  map[uintptr]*Object // by address of the link_map
	inits  sync.Cond           // an initialiser has finished
	adds   uint64
	subs   uint64

	known atomic.Pointer[knownObjects] // for those who do not hold mu
	// bindings counts the changes of what references are looked up in.
	bindings atomic.Uint64
}

// knownObjects are the objects that are mapped; it is replaced when they change.
type knownObjects struct {
	byAddr []*Object
	byMap  map[uintptr]*Object
}

func init() {
	linker.byMap = map[uintptr]*Object{}
	linker.inits.L = &linker.mu
}

// scopes keeps objects mapped while lookups read their tables.
var scopes sync.RWMutex

// reentrant is a mutex that its goroutine may take again.
type reentrant struct {
	mu    sync.Mutex
	owner atomic.Uintptr
	depth int
}

func (r *reentrant) Lock() {
	g := native.Goroutine()
	if r.owner.Load() == g {
		r.depth++
		return
	}
	r.mu.Lock()
	r.owner.Store(g)
}

func (r *reentrant) Unlock() {
	if r.depth > 0 {
		r.depth--
		return
	}
	r.owner.Store(0)
	r.mu.Unlock()
}

// noteObjects makes what is mapped now known to those who do not hold the lock. linker.mu is held.
func noteObjects() {
	k := &knownObjects{byMap: maps.Clone(linker.byMap)}
	for _, o := range linker.byMap {
		k.byAddr = append(k.byAddr, o)
	}
	slices.SortFunc(k.byAddr, func(a, b *Object) int { return cmp.Compare(a.Mapping.Addr, b.Mapping.Addr) })
	linker.known.Store(k)
}

// objectOf returns the object of a link_map.
func objectOf(m uintptr) *Object {
	if k := linker.known.Load(); k != nil {
		return k.byMap[m]
	}
	return nil
}

// FindObject returns the object that an address lies in, nil if none does.
func FindObject(pc uintptr) *Object {
	k := linker.known.Load()
	if k == nil {
		return nil
	}
	list := k.byAddr
	i := sort.Search(len(list), func(i int) bool { return list[i].Mapping.Addr > pc })
	if i > 0 && list[i-1].Contains(pc) {
		return list[i-1]
	}
	return nil
}
