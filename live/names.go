package live

import (
	"iter"
	"sync/atomic"
	"unsafe"

	"weld/image/elf"
)

// entry is what a name, with its version, is bound to. It has neither itself: a symbol has both, and who finds an entry by name
// compares with that. So an entry that nothing is bound to can become another name's while somebody reads it.
type entry struct {
	cur         atomic.Pointer[sym]
	was         atomic.Pointer[sym] // what cur was before the commit of seq
	seq         atomic.Uint64       // of the commit that gave it what it is bound to
	next        *sym                // if listed, what cur is to be; nil to unbind
	id          entryID
	left, right entryID // of those that lead to the block when all is committed; right also of those that are free
	more        entryID // if listed, the next one
	gnu         uint32  // hash
	str         uint32  // in .dynstr, 0 if it is not there
	row         uint32  // in .symtab
	version     uint16  // as sym.version
	listed      bool    // it is in Object.changed
}

// entryID is the number of an entry. Tables have it in place of a pointer: it is half as large, and the garbage collector need
// not look at it.
type entryID uint32

const noEntry entryID = 0

const entryBits = 7 // of the number of an entry in its chunk

type entryChunk [1 << entryBits]entry

// entryTable is the entries, by number. It is read without a lock.
type entryTable struct {
	chunks atomic.Pointer[[]*entryChunk]
	n      entryID // numbers that were given out, noEntry included
	free   entryID // the first of those of no use
}

// entry returns the entry of a number, nil for noEntry.
func (o *Object) entry(id entryID) *entry {
	if id == noEntry {
		return nil
	}
	return o.entries.at(id)
}

func (t *entryTable) at(id entryID) *entry {
	return &(*t.chunks.Load())[id>>entryBits][id&(1<<entryBits-1)]
}

// all yields all entries that there are, also those of no use.
func (t *entryTable) all(yield func(*entry) bool) {
	for id := noEntry + 1; id < t.n; id++ {
		if !yield(t.at(id)) {
			return
		}
	}
}

// next returns an entry of no name.
func (t *entryTable) next() *entry {
	if t.free != noEntry {
		e := t.at(t.free)
		t.free, e.right = e.right, noEntry
		e.cur.Store(nil)
		e.was.Store(nil)
		return e
	}
	if t.n&(1<<entryBits-1) == 0 {
		var chunks []*entryChunk
		if p := t.chunks.Load(); p != nil {
			chunks = *p
		}
		chunks = append(chunks, new(entryChunk))
		t.chunks.Store(&chunks)
		t.n = max(t.n, noEntry+1)
	}
	e := t.at(t.n)
	e.id = t.n
	t.n++
	return e
}

// drop takes an entry that nothing is bound to, and that no table has any more.
func (t *entryTable) drop(e *entry) { e.right, t.free = t.free, e.id }

// entryList is entries in order, by entry.more.
type entryList struct {
	first, last entryID
	n           int
}

func (o *Object) append(l *entryList, e *entry) {
	e.more = noEntry
	if last := o.entry(l.last); last != nil {
		last.more = e.id
	} else {
		l.first = e.id
	}
	l.last = e.id
	l.n++
}

// each yields the entries of a list. One may be put into another list meanwhile.
func (o *Object) each(l entryList) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		for id := l.first; id != noEntry; {
			e := o.entries.at(id)
			id = e.more
			if !yield(e) {
				return
			}
		}
	}
}

// sym is what a name is bound to. It does not change once it is published. It has half a line of the processor's cache: to
// find one by its address is mostly to wait for that.
type sym struct {
	str     *byte // the name
	b       *Block
	at      uint32 // vaddr
	size    uint32
	last    uint16 // index of the last byte of the name, which is never empty
	version uint16 // 1 and the index into Object.versionList, 0 for none
	typ     elf.SymType
	vis     elf.SymVis
	bind    elf.SymBind
	flags   symFlags
}

type symFlags uint8

const (
	oldVersion symFlags = 1 << iota // not the default version
	nobody                          // the name is unbound
)

func (s *sym) name() string { return unsafe.String(s.str, int(s.last)+1) }
func (s *sym) old() bool    { return s.flags&oldVersion != 0 }
func (s *sym) nobody() bool { return s.flags&nobody != 0 }

// exported reports whether the symbol is for others.
func (s *sym) exported() bool {
	return s != nil && !s.nobody() && (s.vis == elf.STV_DEFAULT || s.vis == elf.STV_PROTECTED)
}

// name returns the name of an entry that is published, or was.
func (e *entry) name() string { return e.cur.Load().name() }

// bound returns what the name is bound to once all is committed, nil if to nothing. Object.mu is held.
func (e *entry) bound() *sym {
	if e.listed {
		return e.next
	}
	if s := e.cur.Load(); s != nil && !s.nobody() {
		return s
	}
	return nil
}

// published returns what a name is bound to as of the last commit, nil if to nothing or if the entry is another name's.
func (e *entry) published(o *Object, name string) *sym {
	if s := e.latest(o); s != nil && s.name() == name {
		return s
	}
	return nil
}

// latest returns what the entry's name is bound to as of the last commit, nil if to nothing. A commit sets was, seq and cur, in
// this order, of all entries it changes, and then Object.seq: what is returned was bound at some time since the call.
func (e *entry) latest(o *Object) *sym {
	s := e.cur.Load()
	if e.seq.Load() > o.seq.Load() { // a commit is on its way, and not there yet
		s = e.was.Load()
	}
	if s == nil || s.nobody() {
		return nil
	}
	return s
}

// nameTable finds entries by name: open addressing. It is read without a lock.
type nameTable struct {
	t    atomic.Pointer[nameSlots]
	n    int // entries, those of no use included
	idle int // at most so many are of no use
}

// nameSlots are words of a hash and an entry's number, 0 for none: of an entry that is not meant nothing is read.
type nameSlots []atomic.Uint64

func nameSlot(hash uint32, id entryID) uint64 { return uint64(hash)<<32 | uint64(id) }
func slotHash(slot uint64) uint32             { return uint32(slot >> 32) }
func slotEntry(slot uint64) entryID           { return entryID(slot) }

// first returns the slot where entries of a hash begin. Names that are alike, as those of generated code are, have hashes
// close to each other: they would make long runs. So hashes are scattered, but by lines of the processor's cache, each of eight
// slots: names that follow each other are found where the caches have been.
func (t nameSlots) first(hash uint32) uint32 {
	const golden, together = 0x9e3779b1, 3 // multiplicative hashing: Knuth, volume 3, 6.4
	m := hash >> together * golden
	m ^= m >> 15
	return (m<<together | hash&(1<<together-1)) & uint32(len(t)-1)
}

// find calls f for the entries of a hash until it returns true.
func (t *nameTable) find(entries *entryTable, hash uint32, f func(*entry) bool) *entry {
	p := t.t.Load()
	if p == nil {
		return nil
	}
	s := *p
	mask := uint32(len(s) - 1)
	for i := s.first(hash); ; i = (i + 1) & mask {
		slot := s[i].Load()
		if slot == 0 {
			return nil
		}
		if slotHash(slot) == hash {
			if e := entries.at(slotEntry(slot)); f(e) {
				return e
			}
		}
	}
}

// findBound calls f for the entries of a name, and what it is bound to once all is committed, nil if to nothing, until it
// returns true. The object is locked.
func (o *Object) findBound(hash uint32, name string, f func(e *entry, s *sym) bool) *entry {
	return o.names.find(&o.entries, hash, func(e *entry) bool {
		s := e.bound()
		has := s
		if has == nil {
			has = e.cur.Load()
		}
		return has != nil && has.name() == name && f(e, s)
	})
}

func (o *Object) insert(e *entry) {
	t := &o.names
	s := t.t.Load()
	if s == nil || (t.n+1)*8 > len(*s)*5 {
		s = o.remakeNames(s)
	}
	s.put(nameSlot(e.gnu, e.id))
	t.n++
}

func (t nameSlots) put(slot uint64) {
	mask := uint32(len(t) - 1)
	i := t.first(slotHash(slot))
	for t[i].Load() != 0 {
		i = (i + 1) & mask
	}
	t[i].Store(slot)
}

// remakeNames makes a table with room, without the entries that are bound to nothing.
func (o *Object) remakeNames(old *nameSlots) *nameSlots {
	t := &o.names
	live := t.n
	if old != nil && t.idle > 0 {
		live = 0
		for i := range *old {
			if slot := (*old)[i].Load(); slot != 0 && o.entries.at(slotEntry(slot)).inUse() {
				live++
			}
		}
	}
	log := uint8(6)
	for 1<<log < 3*live {
		log++
	}
	s := make(nameSlots, 1<<log)
	// A page of new memory that is read first is mapped twice: as the one page of zeroes that there is, then as one of its own.
	const perPage = page / 8
	for i := 0; i < len(s); i += perPage {
		s[i].Store(0)
	}
	if old != nil {
		for i := range *old {
			slot := (*old)[i].Load()
			if slot == 0 {
				continue
			}
			if t.idle > 0 {
				if e := o.entries.at(slotEntry(slot)); !e.inUse() {
					o.entries.drop(e)
					continue
				}
			}
			s.put(slot)
		}
	}
	t.n, t.idle = live, 0
	t.t.Store(&s)
	return &s
}

// inUse reports whether the entry has a meaning, or had one before the commit that is to come.
func (e *entry) inUse() bool { return e.listed || e.bound() != nil }

// versionIndex returns the index of a version, 0 if there is none of that name yet.
func (o *Object) versionIndex(name string) uint16 {
	for i, v := range *o.versionList.Load() {
		if v == name {
			return uint16(i + 1)
		}
	}
	return 0
}

func (o *Object) symbol(s *sym) (r Symbol) {
	o.fill(&r, s)
	return r
}

// fill sets all of r but an empty version.
func (o *Object) fill(r *Symbol, s *sym) {
	r.Name = s.name()
	if v := s.version; v != 0 {
		r.Version = (*o.versionList.Load())[v-1]
	}
	r.Addr, r.Size = o.base+uintptr(s.at), uintptr(s.size)
	r.Type, r.Visibility = s.typ, s.vis
	r.Block = s.b
}

// lookup finds what a name is bound to as of the last commit: of exactly the given version, or if that is "" without one, else
// the default one; of those that are exported, if that is asked for.
func (o *Object) lookup(name, version string, exported bool) (found *sym) {
	var dflt *sym
	o.names.find(&o.entries, elf.GNUHash(name), func(e *entry) bool {
		s := e.published(o, name)
		switch {
		case s == nil || exported && !s.exported():
		case version != "":
			// The list is read after the symbol, and so has its version.
			if s.version != 0 && (*o.versionList.Load())[s.version-1] == version {
				found = s
			}
		case s.version == 0:
			found = s
		case !s.old():
			dflt = s
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
	s := o.lookup(name, version, false)
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
		if slot := (*t)[i].Load(); slot != 0 {
			if s := o.entries.at(slotEntry(slot)).latest(o); s != nil && !f(s) {
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
