package live

import (
	"iter"
	"sync/atomic"

	"weld/image/elf"
)

// entry is a name, with its version. It stays in the table when it is unbound, until the table is made anew.
type entry struct {
	name    string
	gnu     uint32 // hash
	str     uint32 // in .dynstr, 0 if it is not there
	row     uint32 // in .symtab
	version uint16 // 1 and the index into Object.versionList, 0 for none
	listed  bool   // it is in Object.changed
	cur     atomic.Pointer[sym]
	next    *sym   // if listed, what cur is to be; nil to unbind
	left    *entry // of those that lead to the block when all is committed
	right   *entry
}

// sym is what a name is bound to. It does not change once it is published, but for what chains it. It is a line of the
// processor's cache: to find one by its address is mostly to wait for it.
type sym struct {
	name    string
	b       *Block
	at      uint32 // vaddr
	size    uint32
	version uint16 // as entry.version
	typ     elf.SymType
	vis     elf.SymVis
	bind    elf.SymBind
	old     bool // not the default version
	nobody  bool // the name is unbound
	e       *entry
	seq     uint64 // of the commit that published it
	prev    atomic.Pointer[sym]
}

// exported reports whether the symbol is for others.
func (s *sym) exported() bool {
	return s != nil && !s.nobody && (s.vis == elf.STV_DEFAULT || s.vis == elf.STV_PROTECTED)
}

// bound returns what the name is bound to once all is committed, nil if to nothing. Object.mu is held.
func (e *entry) bound() *sym {
	if e.listed {
		return e.next
	}
	if s := e.cur.Load(); s != nil && !s.nobody {
		return s
	}
	return nil
}

// published returns what the name is bound to as of the last commit, nil if to nothing.
func (e *entry) published(o *Object) *sym {
	for {
		s := e.cur.Load()
		if s != nil && s.seq > o.seq.Load() { // a commit is on its way, and not there yet
			before := s.prev.Load()
			if before == nil && s.seq <= o.seq.Load() {
				continue // it is, and the next one has cut off what was before
			}
			s = before
		}
		if s == nil || s.nobody {
			return nil
		}
		return s
	}
}

// nameTable finds entries by name: open addressing. It is read without a lock.
type nameTable struct {
	t    atomic.Pointer[nameSlots]
	n    int // entries, those of no use included
	idle int // at most so many are of no use
}

type nameSlots []nameSlot

// nameSlot has the hash, so that of an entry that is not meant nothing is read.
type nameSlot struct {
	hash atomic.Uint32
	e    atomic.Pointer[entry]
}

// first returns the slot where entries of a hash begin. Names that are alike, as those of generated code are, have hashes
// close to each other: they would make long runs. So hashes are scattered, but by lines of the processor's cache, each of four
// slots: names that follow each other are found where the caches have been.
func (t nameSlots) first(hash uint32) uint32 {
	const golden, together = 0x9e3779b1, 2 // multiplicative hashing: Knuth, volume 3, 6.4
	m := hash >> together * golden
	m ^= m >> 15
	return (m<<together | hash&(1<<together-1)) & uint32(len(t)-1)
}

// find calls f for the entries of a name until it returns true.
func (t *nameTable) find(hash uint32, name string, f func(*entry) bool) *entry {
	p := t.t.Load()
	if p == nil {
		return nil
	}
	s := *p
	mask := uint32(len(s) - 1)
	for i := s.first(hash); ; i = (i + 1) & mask {
		e := s[i].e.Load()
		if e == nil {
			return nil
		}
		if s[i].hash.Load() == hash && e.name == name && f(e) {
			return e
		}
	}
}

func (t *nameTable) insert(e *entry) {
	s := t.t.Load()
	if s == nil || (t.n+1)*8 > len(*s)*5 {
		s = t.remake(s)
	}
	s.put(e.gnu, e)
	t.n++
}

func (t nameSlots) put(hash uint32, e *entry) {
	mask := uint32(len(t) - 1)
	i := t.first(hash)
	for t[i].e.Load() != nil {
		i = (i + 1) & mask
	}
	t[i].hash.Store(hash)
	t[i].e.Store(e)
}

// remake makes a table with room, without the entries that are bound to nothing.
func (t *nameTable) remake(old *nameSlots) *nameSlots {
	live := t.n
	keep := func(e *entry) bool { return e != nil && (t.idle == 0 || e.listed || e.bound() != nil) }
	if old != nil && t.idle > 0 {
		live = 0
		for i := range *old {
			if keep((*old)[i].e.Load()) {
				live++
			}
		}
	}
	log := uint8(6)
	for 1<<log < 3*live {
		log++
	}
	s := make(nameSlots, 1<<log)
	if old != nil {
		for i := range *old {
			if e := (*old)[i].e.Load(); keep(e) {
				s.put((*old)[i].hash.Load(), e)
			}
		}
	}
	t.n, t.idle = live, 0
	t.t.Store(&s)
	return &s
}

// versionIndex returns the index of a version, 0 if there is none of that name yet.
func (o *Object) versionIndex(name string) uint16 {
	for i, v := range *o.versionList.Load() {
		if v == name {
			return uint16(i + 1)
		}
	}
	return 0
}

func (o *Object) symbol(s *sym) Symbol {
	r := Symbol{
		Name: s.name, Addr: o.base + uintptr(s.at), Size: uintptr(s.size),
		Type: s.typ, Visibility: s.vis, Block: s.b,
	}
	if v := s.version; v != 0 {
		r.Version = (*o.versionList.Load())[v-1]
	}
	return r
}

// lookup finds what a name is bound to as of the last commit: of exactly the given version, or if that is "" without one, else
// the default one.
func (o *Object) lookup(name, version string) (found *sym) {
	var dflt *sym
	o.names.find(elf.GNUHash(name), name, func(e *entry) bool {
		if version != "" {
			// The list is read after the entry, and so has its version.
			if e.version == 0 || (*o.versionList.Load())[e.version-1] != version {
				return false
			}
			found = e.published(o)
			return true
		}
		s := e.published(o)
		switch {
		case s == nil || e.version != 0 && s.old:
		case e.version != 0:
			dflt = s
		default:
			found = s
		}
		return found != nil
	})
	if found == nil {
		found = dflt
	}
	return found
}

// Lookup finds a name as of the last commit: one without a version, else the default version. It takes no lock.
// The error is an *Error with ErrNotFound or ErrClosed.
func (o *Object) Lookup(name string) (Symbol, error) { return o.LookupVersion(name, "") }

// LookupVersion finds a name of exactly the given version; "" is Lookup.
func (o *Object) LookupVersion(name, version string) (Symbol, error) {
	if o.shut.Load() {
		return Symbol{}, o.closed("lookup")
	}
	s := o.lookup(name, version)
	if s == nil {
		return Symbol{}, &Error{Op: "lookup", Object: o.name, Symbol: name, Reason: ErrNotFound}
	}
	return o.symbol(s), nil
}

// published calls f for what is bound as of the last commit until it returns false.
func (o *Object) published(f func(*sym) bool) {
	t := o.names.t.Load()
	if t == nil || o.shut.Load() {
		return
	}
	for i := range *t {
		if e := (*t)[i].e.Load(); e != nil {
			if s := e.published(o); s != nil && !f(s) {
				return
			}
		}
	}
}

// Symbols yields all names that are bound as of the last commit, in no order. Those that are committed or unbound
// meanwhile may be among them or not.
func (o *Object) Symbols() iter.Seq[Symbol] {
	return func(yield func(Symbol) bool) {
		o.published(func(s *sym) bool { return yield(o.symbol(s)) })
	}
}
