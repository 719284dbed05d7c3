package rtld

import (
	"cmp"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"weld/native"
)

// linker is the state of the process.
var linker struct {
	mu     reentrant
	plan   *plan // the open under way; the inner one if a resolver opens something
	spaces []*Namespace
	lives  []*Object           // whose code is made at run time
	system []*Object           // what the system's run-time linker has mapped
	byMap  map[uintptr]*Object // by address of the link_map, from before they are relocated until they are unmapped
	inits  sync.Cond           // an initialiser has finished
	waits  map[uintptr]*Object // by goroutine: what it waits for to be initialised
	dying  []*Object           // whose finalisers run or are about to
	later  bool                // collect left something for later
	eager  bool                // what may be bound lazily is bound at load where it is defined
	walks  uint64              // see newWalk
	binder *binder             // for the next open; whoever uses it takes it away
	spare  *plan               // the same
	images images              // that were opened before

	numbers uint64 // see Object.numberFor

	// collects holds the goroutines that are in collect.
	collects map[uintptr]bool
	adds     uint64
	subs     uint64

	known atomic.Pointer[knownObjects] // for those who do not hold mu
	// bindings counts the changes of what references are looked up in.
	bindings atomic.Uint64
}

// knownObjects are the objects that are mapped, sorted by their addresses and by those of their link_maps; it is replaced
// when they change.
type knownObjects struct {
	byAddr, byMap []known
}

// known is an object and the address that it is sorted by. The object's own may be gone by the time that it is looked at.
type known struct {
	key uintptr
	o   *Object
}

func (k known) compare(key uintptr) int { return cmp.Compare(k.key, key) }

func init() {
	linker.byMap = map[uintptr]*Object{}
	linker.waits = map[uintptr]*Object{}
	linker.collects = map[uintptr]bool{}
	linker.inits.L = &linker.mu
	linker.known.Store(&knownObjects{})
}

// scopes keeps objects mapped while lookups read their tables. Who holds it takes no other lock and calls no native
// code.
var scopes sync.RWMutex

// lookupsDone waits for the lookups that may have seen what is not known any more.
func lookupsDone() {
	scopes.Lock()
	defer scopes.Unlock()
}

// reentrant is a mutex that its goroutine may take again.
type reentrant struct {
	mu    sync.Mutex
	owner atomic.Uintptr
	depth int // how often it was taken again
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

// TryLock is Lock if that need not wait.
func (r *reentrant) TryLock() bool {
	g := native.Goroutine()
	if r.owner.Load() == g {
		r.depth++
		return true
	}
	if !r.mu.TryLock() {
		return false
	}
	r.owner.Store(g)
	return true
}

func (r *reentrant) Unlock() {
	if r.depth > 0 {
		r.depth--
		return
	}
	r.owner.Store(0)
	r.mu.Unlock()
}

// renew is Unlock in a child of fork: those who waited for the lock are not there.
func (r *reentrant) renew() {
	r.mu = sync.Mutex{}
	if r.depth > 0 {
		r.mu.Lock()
		r.depth--
		return
	}
	r.owner.Store(0)
}

// release gives the lock up for a while, however often its goroutine holds it.
func (r *reentrant) release() (depth int) {
	depth, r.depth = r.depth, 0
	r.Unlock()
	return depth
}

func (r *reentrant) reacquire(depth int) {
	r.Lock()
	r.depth = depth
}

// wait is c.Wait for a lock that may be held more than once.
func (r *reentrant) wait(c *sync.Cond) {
	depth := r.depth
	r.depth = 0
	c.Wait()
	r.depth = depth
}

// noteObjects makes objects known to those who do not hold the lock, or others unknown to them. linker.mu is held.
func noteObjects(mapped, gone []*Object) {
	old := linker.known.Load()
	most := len(old.byAddr) + len(mapped)
	room := make([]known, 2*most)
	change := func(list []known, key func(*Object) uintptr) []known {
		n := room[:0:most]
		room = room[most:]
		for _, k := range list {
			if !slices.Contains(gone, k.o) {
				n = append(n, k)
			}
		}
		for _, o := range mapped {
			k := known{key(o), o}
			n = append(n, k)
			i := len(n) - 1
			for ; i > 0 && n[i-1].key > k.key; i-- {
				n[i] = n[i-1]
			}
			n[i] = k
		}
		return n
	}
	linker.known.Store(&knownObjects{
		byAddr: change(old.byAddr, func(o *Object) uintptr { return o.Mapping.Addr }),
		byMap:  change(old.byMap, func(o *Object) uintptr { return o.LinkMap }),
	})
}

// objectOf returns the object of a link_map, nil if there is none.
func objectOf(m uintptr) *Object {
	list := linker.known.Load().byMap
	if i, ok := slices.BinarySearchFunc(list, m, known.compare); ok {
		return list[i].o
	}
	return nil
}

// FindObject returns the object that an address lies in, nil if none does.
func FindObject(pc uintptr) *Object {
	list := linker.known.Load().byAddr
	i := sort.Search(len(list), func(i int) bool { return list[i].key > pc })
	if i > 0 && list[i-1].o.Contains(pc) {
		return list[i-1].o
	}
	return nil
}

// Place is what lies at an address.
type Place struct {
	Object     *Object
	Symbol     string // "" if no symbol covers the address
	SymbolAddr uintptr
	FileOffset uintptr // 0 in memory that is not from the file
}

// Locate tells what lies at an address. Its object may be unloaded meanwhile.
func Locate(pc uintptr) (p Place, ok bool) {
	scopes.RLock()
	defer scopes.RUnlock()
	o := FindObject(pc)
	if o == nil {
		return p, false
	}
	p.Object = o
	if off, ok := o.tables().Offset(uint64(pc - o.Mapping.Bias)); ok {
		p.FileOffset = uintptr(off)
	}
	p.Symbol, p.SymbolAddr = o.Covering(pc)
	return p, true
}
