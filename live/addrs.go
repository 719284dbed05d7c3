package live

import (
	"slices"
	"sort"
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
	pageSize = 1 << pageBits
)

type addrLeaf [1 << leafBits]atomic.Pointer[addrPage]

// addrPage is the symbols of a page, by address. For each granule of the page it has how many of them begin up to its end. So
// to find one is to look at three places, each of which is in no cache mostly: there, at the pointer, and at the symbol.
type addrPage struct {
	syms  []*sym
	reach []uint32 // for each the largest end up to there, if they overlap
	upTo  [pageSize / granule]uint8
}

// maxUpTo is how many symbols of a page upTo can count. In pages of more they are searched for.
const maxUpTo = 1<<8 - 1

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
	return l.find(uint32(off))
}

func (l *addrPage) find(at uint32) *sym {
	n := len(l.syms)
	if n <= maxUpTo {
		n = int(l.upTo[at%pageSize/granule])
		for n > 0 && l.syms[n-1].at > at { // begins in the granule, behind
			n--
		}
	} else {
		n = sort.Search(n, func(i int) bool { return l.syms[i].at > at })
	}
	for n--; n >= 0; n-- {
		if s := l.syms[n]; s.end() > at {
			return s
		}
		if l.reach == nil || l.reach[n] <= at {
			return nil
		}
	}
	return nil
}

// index makes what finds the symbols of a page that begins at an address.
func (l *addrPage) index(at uint32) {
	reach := uint32(0)
	for i, s := range l.syms {
		if s.at < reach && l.reach == nil {
			l.reach = make([]uint32, len(l.syms))
			for j, s := range l.syms[:i] {
				l.reach[j] = s.end() // as none of these overlap
			}
		}
		reach = max(reach, s.end())
		if l.reach != nil {
			l.reach[i] = reach
		}
	}
	if len(l.syms) > maxUpTo {
		return
	}
	n := 0
	for i := range l.upTo {
		at += granule
		for n < len(l.syms) && l.syms[n].at < at {
			n++
		}
		l.upTo[i] = uint8(n)
	}
}

// within calls f for the symbols that begin in a range, by address.
func (t *addrTable) within(from, to uint64, f func(*sym)) {
	for p := from >> pageBits; p<<pageBits < to; p++ {
		leaf := t.top[p>>leafBits].Load()
		if leaf == nil {
			p |= 1<<leafBits - 1
			continue
		}
		l := leaf[p&(1<<leafBits-1)].Load()
		if l == nil {
			continue
		}
		for _, s := range l.syms {
			if at := uint64(s.at); at>>pageBits == p && at >= from && at < to {
				f(s)
			}
		}
	}
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
	var old []*sym
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
	fresh := &addrPage{syms: make([]*sym, 0, n)}
	add := func(s *sym) { fresh.syms = append(fresh.syms, s) }
	i := 0
	for _, c := range changes {
		if c.gone {
			continue
		}
		// Of names for the same, the first bound is to be found: it comes last.
		for i < len(old) && old[i].compare(c.s) < 0 {
			if stays(old[i]) {
				add(old[i])
			}
			i++
		}
		add(c.s)
	}
	for ; i < len(old); i++ {
		if stays(old[i]) {
			add(old[i])
		}
	}
	fresh.index(page << pageBits)
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
// innermost, and of equal ones that of the earlier commit. It takes no lock.
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
