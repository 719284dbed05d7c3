package live

import (
	"slices"
	"sync/atomic"
)

// addrTable finds symbols by address. For each page of the object it has the symbols that have a part of it, by address, in
// a list that is replaced when it changes: so it is read without a lock, and what a commit does takes time by what changes
// only.
type addrTable struct {
	top []atomic.Pointer[addrLeaf]
}

const (
	leafBits = 9
	pageBits = 12
)

type addrLeaf [1 << leafBits]atomic.Pointer[addrPage]

// addrPage is the symbols of a page: the one that begins last before an address is looked for in starts only.
type addrPage struct {
	starts []uint32
	syms   []addrSym
}

type addrSym struct {
	reach uint32 // the largest end up to here in the list
	s     *sym
}

func (s *sym) end() uint32 { return s.at + max(s.size, 1) }

func (t *addrTable) init(size uint64) {
	t.top = make([]atomic.Pointer[addrLeaf], (size>>pageBits+1<<leafBits-1)>>leafBits)
}

// find returns the symbol that has an address: of several the one that begins last, and of those the smallest, the first
// bound.
func (t *addrTable) find(off uint64) *sym {
	p := off >> pageBits
	if p>>leafBits >= uint64(len(t.top)) {
		return nil
	}
	leaf := t.top[p>>leafBits].Load()
	if leaf == nil {
		return nil
	}
	l := leaf[p&(1<<leafBits-1)].Load()
	if l == nil {
		return nil
	}
	at := uint32(off)
	lo, hi := 0, len(l.starts)
	for lo < hi {
		if m := int(uint(lo+hi) >> 1); l.starts[m] <= at {
			lo = m + 1
		} else {
			hi = m
		}
	}
	for lo--; lo >= 0 && l.syms[lo].reach > at; lo-- {
		if s := l.syms[lo].s; s.end() > at {
			return s
		}
	}
	return nil
}

// addrChange is a symbol that comes to a page or goes from it.
type addrChange struct {
	page uint32
	gone bool
	s    *sym
}

// compare orders the symbols of a page so that the last one that has an address is the one to find.
func (s *sym) compare(t *sym) int {
	if s.at != t.at {
		return int(s.at) - int(t.at)
	}
	return int(t.size) - int(s.size)
}

// apply changes the table. It may reorder the changes.
func (t *addrTable) apply(list []addrChange) {
	byPage := func(a, b addrChange) int {
		if a.page != b.page {
			return int(a.page) - int(b.page)
		}
		return a.s.compare(b.s)
	}
	if !slices.IsSortedFunc(list, byPage) {
		slices.SortStableFunc(list, byPage)
	}
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].page == list[0].page {
			n++
		}
		t.merge(list[0].page, list[:n])
		list = list[n:]
	}
}

// merge replaces the list of a page.
func (t *addrTable) merge(page uint32, changes []addrChange) {
	top := &t.top[page>>leafBits]
	leaf := top.Load()
	if leaf == nil {
		leaf = new(addrLeaf)
		top.Store(leaf)
	}
	slot := &leaf[page&(1<<leafBits-1)]
	var old []addrSym
	if p := slot.Load(); p != nil {
		old = p.syms
	}
	// What goes has a place among the old ones where its like are.
	gone := 0
	for _, c := range changes {
		if c.gone {
			gone++
		}
	}
	stays := func(s *sym) bool {
		if gone > 0 {
			i, _ := slices.BinarySearchFunc(changes, s, func(c addrChange, s *sym) int { return c.s.compare(s) })
			for ; i < len(changes) && changes[i].s.compare(s) == 0; i++ {
				if changes[i].gone && changes[i].s == s {
					return false
				}
			}
		}
		return true
	}
	n := len(old) + len(changes) - 2*gone
	if n == 0 {
		slot.Store(nil)
		return
	}
	fresh := &addrPage{make([]uint32, 0, n), make([]addrSym, 0, n)}
	reach := uint32(0)
	add := func(s *sym) {
		reach = max(reach, s.end())
		fresh.starts = append(fresh.starts, s.at)
		fresh.syms = append(fresh.syms, addrSym{reach, s})
	}
	i := 0
	for _, c := range changes {
		if c.gone {
			continue
		}
		// Of names for the same, the first bound is to be found: it comes last.
		for i < len(old) && old[i].s.compare(c.s) < 0 {
			if stays(old[i].s) {
				add(old[i].s)
			}
			i++
		}
		add(c.s)
	}
	for ; i < len(old); i++ {
		if stays(old[i].s) {
			add(old[i].s)
		}
	}
	slot.Store(fresh)
}

// appendChanges appends what becomes of the pages when a symbol comes or goes.
func appendChanges(list []addrChange, s *sym, gone bool) []addrChange {
	for p := s.at >> pageBits; p <= (s.end()-1)>>pageBits; p++ {
		list = append(list, addrChange{p, gone, s})
	}
	return list
}

// FindAddr returns the symbol that an address lies in, as of the last commit. Where several names are for it, it is the
// innermost, and of equal ones that of the earlier commit. It takes no lock and needs less than 100 ns.
func (o *Object) FindAddr(pc uintptr) (Symbol, bool) {
	off := uint64(pc - o.base)
	if off >= o.size || o.shut.Load() {
		return Symbol{}, false
	}
	s := o.addrs.find(off)
	if s == nil {
		return Symbol{}, false
	}
	return o.symbol(s), true
}
