package live

import (
	"math"
	"math/bits"
	"slices"
	"sort"
	"sync/atomic"
	"unsafe"
)

// addrTable finds symbols by address. For each page of the object it has the symbols that have a part of it, by address, in
// a list that is replaced when it changes: so it is read without a lock, and what a commit does takes time by what changes
// only.
type addrTable struct {
	top  []atomic.Pointer[addrLeaf]
	list []*sym // that merge makes
}

const (
	leafBits = 9
	pageBits = 12
	pageSize = 1 << pageBits
)

type addrLeaf [1 << leafBits]atomic.Pointer[addrPage]

// addrPage is the symbols of a page, by address. marks has the granules of the page in which one begins, so that how many there
// are up to a place says which symbol begins last before it, if no two begin in one granule; else first says where those of
// each marked granule are. It is a line of the processor's cache: to find a symbol is to wait for three, that one, the
// pointer's and the symbol's, or for two where the symbols are in a row.
type addrPage struct {
	marks granuleSet
	syms  addrList
	more  *addrMore // nil if there is no need
}

// addrList is a list of symbols, or where they are beside each other in memory, as those are that were bound one after the other,
// only where the first is.
type addrList struct {
	first unsafe.Pointer // *sym if they are in a row, else **sym
	n     uint32
	row   bool
}

// granuleSet has a bit for each granule of a page.
type granuleSet struct {
	words  [pageSize / granule / 64]uint64
	before [pageSize / granule / 64]uint8 // how many bits are set in the words before, of at most 192
}

func (s *granuleSet) add(g uint32) {
	s.words[g/64] |= 1 << (g % 64)
	for i := g/64 + 1; i < uint32(len(s.before)); i++ {
		s.before[i]++
	}
}

// upTo returns how many granules of the set there are up to g and with it. It has no branch, which a processor would guess
// wrong as often as not.
func (s *granuleSet) upTo(g uint32) int {
	g %= pageSize / granule
	return int(s.before[g/64]) + bits.OnesCount64(s.words[g/64]<<(63-g%64))
}

const symStride = unsafe.Sizeof(sym{})

// newAddrList makes a list; that of the caller is not kept.
func newAddrList(list []*sym) addrList {
	for i := 1; i < len(list); i++ {
		// What is beside a symbol is of the same slab, see slab.next.
		if uintptr(unsafe.Pointer(list[i])) != uintptr(unsafe.Pointer(list[i-1]))+symStride {
			list = slices.Clone(list)
			return addrList{unsafe.Pointer(&list[0]), uint32(len(list)), false}
		}
	}
	return addrList{unsafe.Pointer(list[0]), uint32(len(list)), true}
}

// at returns a symbol of the list; i is not looked at.
func (l *addrList) at(i int) *sym {
	if l.row {
		return (*sym)(unsafe.Add(l.first, uintptr(i)*symStride))
	}
	return *(**sym)(unsafe.Add(l.first, uintptr(i)*unsafe.Sizeof(l.first)))
}

func (l *addrList) len() int { return int(l.n) }

// addrMore is of pages in which symbols overlap, or several begin in a granule.
type addrMore struct {
	first []int    // for each marked granule the first symbol, and how many symbols there are; nil if there is one in each
	reach []uint32 // for each symbol the largest end up to there, nil if none overlap
}

func (s *sym) end() uint32 { return s.at + max(s.size, 1) }

func (t *addrTable) init(size uint64) {
	t.top = make([]atomic.Pointer[addrLeaf], (size>>pageBits+1<<leafBits-1)>>leafBits)
}

// find returns the symbol that has an address: of several the one that begins last, and of those the smallest that has a size, the first
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
	n := l.marks.upTo(at / granule)
	m := l.more
	if m != nil && m.first != nil && n > 0 {
		// Those of the last granule may begin behind the address.
		from := m.first[n-1]
		n = from + sort.Search(m.first[n]-from, func(i int) bool { return l.syms.at(from+i).at > at })
	} else if n > 0 && l.syms.at(n-1).at > at {
		n--
	}
	for n--; n >= 0; n-- {
		if s := l.syms.at(n); s.end() > at {
			return s
		}
		if m == nil || m.reach == nil || m.reach[n] <= at {
			return nil
		}
	}
	return nil
}

// index makes what finds the symbols of a page that begins at an address. Those that begin on a page before count as beginning in
// the first granule.
func (l *addrPage) index(page uint32) {
	more := addrMore{}
	end := uint32(0)
	marked, last := 0, uint32(math.MaxUint32)
	for i := range l.syms.len() {
		s := l.syms.at(i)
		g := uint32(0)
		if s.at > page {
			g = (s.at - page) / granule
		}
		if g == last && more.first == nil {
			more.first = make([]int, marked, l.syms.len()+1)
			for j := range more.first {
				more.first[j] = j
			}
		}
		if g != last {
			l.marks.add(g)
			if last = g; more.first != nil {
				more.first = append(more.first, i)
			}
			marked++
		}
		if s.at < end && more.reach == nil {
			more.reach = make([]uint32, l.syms.len())
			for j := range i {
				more.reach[j] = l.syms.at(j).end() // as none of these overlap
			}
		}
		end = max(end, s.end())
		if more.reach != nil {
			more.reach[i] = end
		}
	}
	if more.first != nil {
		more.first = append(more.first, l.syms.len())
	}
	if more.first != nil || more.reach != nil {
		l.more = &more
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
		for i := range l.syms.len() {
			s := l.syms.at(i)
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
	return int(t.size-1) - int(s.size-1) // a label, of no size, is less than all that begins there
}

// addrsAtOnce is how many changes are collected before they are made, about.
const addrsAtOnce = 1 << 12

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
	var old addrList
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
	n := old.len() + len(changes) - 2*gone
	if n == 0 {
		slot.Store(nil)
		return
	}
	list := slices.Grow(t.list[:0], n)
	add := func(s *sym) { list = append(list, s) }
	i := 0
	for _, c := range changes {
		if c.gone {
			continue
		}
		// Of names for the same, the first bound is to be found: it comes last.
		for ; i < old.len(); i++ {
			s := old.at(i)
			if s.compare(c.s) >= 0 {
				break
			}
			if stays(s) {
				add(s)
			}
		}
		add(c.s)
	}
	for ; i < old.len(); i++ {
		if s := old.at(i); stays(s) {
			add(s)
		}
	}
	fresh := &addrPage{syms: newAddrList(list)}
	t.list = emptied(list)
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
// innermost, and of equal ones that of the earlier commit. While a commit publishes, some pages are as of that one already,
// unlike for Lookup. It takes no lock.
func (o *Object) FindAddr(pc uintptr) (r Symbol, ok bool) {
	off := uint64(pc - o.base)
	if off >= o.size || o.shut.Load() {
		return r, false
	}
	s := o.addrs.find(off)
	if s == nil {
		return r, false
	}
	o.fill(&r, s) // and not copied once more
	return r, true
}
