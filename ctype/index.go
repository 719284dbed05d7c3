package ctype

import (
	"bytes"
	"cmp"
	"runtime"
	"slices"
	"sort"
	"sync"
)

// place says that the entry at off describes what is at addr.
type place struct {
	addr uint64
	off  uint64
	kind placeKind
}

type placeKind uint8

const (
	funcPlace placeKind = iota
	varPlace
	tlsPlace // addr is an offset in the TLS template
)

// span is a range of addresses of a unit.
type span struct {
	lo, hi uint64
	u      *unit
}

// nameEntry says that an entry of a unit has a name with that hash. An index of them is small, as it holds no strings.
type nameEntry struct {
	hash uint32
	unit uint32
	off  uint32 // from the unit
	rank uint8  // 0 a definition, 1 a declaration
}

// nameTable is a hash table of names.
type nameTable struct {
	entries []nameEntry
	heads   []int32 // by the low bits of the hash: the first entry, or -1
	next    []int32 // of an entry: the next one, or -1
}

// build makes the table of its entries, which keep their order.
func (t *nameTable) build() {
	size := 16
	for size < len(t.entries) {
		size *= 2
	}
	t.heads, t.next = make([]int32, size), make([]int32, len(t.entries))
	for i := range t.heads {
		t.heads[i] = -1
	}
	for i := len(t.entries) - 1; i >= 0; i-- {
		h := &t.heads[t.entries[i].hash&uint32(size-1)]
		t.next[i], *h = *h, int32(i)
	}
}

// index finds entries by address and by name. Its parts are made when they are first wanted: which unit has an address, from
// .debug_aranges or the units' own entries, costs little; names, and the addresses of variables, take a
// look at every entry of the outermost level.
type index struct {
	spans   []span
	spansOK bool

	names   nameTable // of functions and variables
	tags    nameTable // of types
	places  []placeIn // of variables, by address
	namesOK bool
}

type placeIn struct {
	place
	u *unit
}

func hashName(b []byte) uint32 {
	h := uint32(2166136261)
	for _, c := range b {
		h = (h ^ uint32(c)) * 16777619
	}
	return h
}

// scan looks at the entries of the unit's outermost level, and in namespaces. Safe beside scans of other units once they
// are set up.
func (u *unit) scan(visit func(e *die)) error {
	if !u.children {
		return nil
	}
	r := readerAt(u.data, u.bodyPos)
	var e die
	for depth := 1; depth > 0 && uint64(r.pos) < u.end(); {
		start := r.pos
		code := r.uleb()
		if code == 0 {
			depth--
			continue
		}
		ab := u.abbrevs.find(code)
		if ab == nil {
			return u.corrupt(uint64(start), "an entry has the code %d, which has no abbreviation", code)
		}
		wanted := ab.has&(hasName|hasPlace|hasLink) != 0 || ab.tag == tagEnumerationType
		if !wanted && (!ab.children || ab.has&hasSibling == 0) || ab.tag == tagNamespace {
			r.skipAttrs(ab, &u.key)
			switch {
			case !ab.children:
			case ab.tag == tagNamespace:
				depth++
			default:
				if err := u.skipTree(&r); err != nil {
					return err
				}
			}
			continue
		}
		r.pos = start
		if err := u.entry(&r, &e); err != nil {
			return err
		}
		if wanted {
			visit(&e)
		}
		if err := u.skipChildren(&r, &e); err != nil {
			return err
		}
	}
	if r.bad {
		return u.corrupt(uint64(len(u.data)), "the unit ends within an entry")
	}
	return nil
}

// placeOf returns where what a DIE describes is.
func (u *unit) placeOf(e *die) (place, bool) {
	switch e.tag {
	case tagSubprogram:
		if a := e.get(atLowPC); a != nil {
			v, ok := u.address(a)
			return place{v, e.off, funcPlace}, ok && u.d.in.livePC(v)
		}
		if a := e.get(atRanges); a != nil { // the first range has the entry
			var p place
			found := false
			u.rangesOf(a, func(lo, hi uint64) bool {
				p, found = place{lo, e.off, funcPlace}, true
				return false
			})
			return p, found && u.d.in.livePC(p.addr)
		}
	case tagVariable:
		a := e.get(atLocation)
		if a == nil || a.b == nil {
			return place{}, false
		}
		return u.variablePlace(a.b, e.off)
	}
	return place{}, false
}

// variablePlace reads the location expressions that compilers write for variables in memory.
func (u *unit) variablePlace(expr []byte, off uint64) (place, bool) {
	r := readerAt(expr, 0)
	var v uint64
	ok := true
	switch op := r.u8(); op {
	case opAddr:
		v = r.uint(u.addrSize)
	case opAddrx, opConstx, opGNUAddrIndex, opGNUConstIndex:
		v, ok = u.addrIndex(r.uleb())
	case opConst4u:
		v = uint64(r.u32())
	case opConst8u:
		v = r.u64()
	default:
		return place{}, false
	}
	p := place{v, off, varPlace}
	if r.left() > 0 {
		switch op := r.u8(); op {
		case opGNUPushTLS, opFormTLS:
			p.kind = tlsPlace
		case opPlusUconst: // clang's addresses within an array
			p.addr += r.uleb()
		default:
			return place{}, false
		}
	}
	return p, ok && !r.bad && r.left() == 0 && (p.kind == tlsPlace || u.d.in.livePC(p.addr))
}

// livePC reports whether an address is one, not what a linker puts where it dropped a function: 0, or, in lld, -1 or -2.
func (in *Info) livePC(v uint64) bool { return v != 0 && v < 1<<64-tombstoneDistance }

// unitPlaces returns the functions and variables of a unit by address.
func (u *unit) unitPlaces() ([]place, error) {
	if u.scanned {
		return u.places, u.err
	}
	u.scanned = true
	if err := u.setup(); err != nil {
		return nil, err
	}
	if isAssembly(u.lang) {
		return nil, nil
	}
	err := u.scan(func(e *die) {
		if e.tag != tagSubprogram && e.tag != tagVariable {
			return
		}
		if p, ok := u.placeOf(e); ok {
			u.places = append(u.places, p)
		}
	})
	if err != nil {
		u.err = err
		return nil, err
	}
	slices.SortStableFunc(u.places, func(a, b place) int { return cmp.Compare(a.addr, b.addr) })
	return u.places, nil
}

// functionAt returns the entries of functions that begin at addr.
func (in *Info) functionAt(addr uint64) ([]dieRef, error) {
	in.makeSpans()
	var found []dieRef
	spans := in.index.spans
	i := sort.Search(len(spans), func(i int) bool { return spans[i].lo > addr })
	var last *unit
	for n := 0; i > 0 && n < 16; n++ { // spans may overlap, but hardly do
		i--
		s := spans[i]
		if addr >= s.hi || s.u == last {
			continue
		}
		last = s.u
		u, err := s.u.whole()
		if err != nil {
			return nil, err
		}
		ps, err := u.unitPlaces()
		if err != nil {
			return nil, err
		}
		for j := sort.Search(len(ps), func(j int) bool { return ps[j].addr >= addr }); j < len(ps) && ps[j].addr == addr; j++ {
			if ps[j].kind == funcPlace {
				found = append(found, dieRef{u, ps[j].off})
			}
		}
		if isAssembly(u.lang) {
			found = append(found, dieRef{u, 0})
		}
		if found != nil {
			return found, nil
		}
	}
	return found, nil
}

// dieRef is a reference to an entry; off is 0 for code of a unit in assembly.
type dieRef struct {
	u   *unit
	off uint64
}

// scanned is what a scan of a unit for names has found.
type scanned struct {
	names, tags []nameEntry
	places      []placeIn
	imports     []uint64 // units of the supplementary file, by the offset of their entry
	err         error
}

// makeNames makes the index of names, and of the addresses of variables. Units are looked at in parallel.
func (in *Info) makeNames() {
	x := &in.index
	if x.namesOK {
		return
	}
	x.namesOK = true
	var units []*unit
	for _, u := range in.dwarf.units {
		if u.kind == utType || u.kind == utSplitType || u.setup() != nil {
			continue
		}
		if u, err := u.whole(); err == nil && !isAssembly(u.lang) {
			units = append(units, u)
		}
	}
	results := make([]scanned, len(units))
	var wg sync.WaitGroup
	var next sync.Mutex
	at := 0
	work := func() {
		for {
			next.Lock()
			lo := at
			at = min(at+8, len(units))
			hi := at
			next.Unlock()
			if lo == hi {
				return
			}
			for i := lo; i < hi; i++ {
				results[i] = units[i].scanNames(uint32(i))
			}
		}
	}
	for range min(runtime.GOMAXPROCS(0), 8, (len(units)+7)/8) {
		wg.Go(work)
	}
	wg.Wait()
	results = in.scanImports(results, &units)
	in.named = units
	for i := range results {
		x.names.entries = append(x.names.entries, results[i].names...)
		x.tags.entries = append(x.tags.entries, results[i].tags...)
		x.places = append(x.places, results[i].places...)
		if in.nameErr == nil {
			in.nameErr = results[i].err
		}
		results[i] = scanned{}
	}
	x.names.build()
	x.tags.build()
	slices.SortStableFunc(x.places, func(a, b placeIn) int { return cmp.Compare(a.addr, b.addr) })
}

// scanImports scans what the units import from the supplementary file, where dwz has put also variables and declarations.
func (in *Info) scanImports(results []scanned, units *[]*unit) []scanned {
	alt, err := in.dwarf.altFile()
	if err != nil {
		return results
	}
	seen := map[*unit]bool{}
	for i := 0; i < len(results); i++ {
		for _, off := range results[i].imports {
			u := alt.unitAt(off)
			if u == nil || seen[u] || u.setup() != nil {
				continue
			}
			seen[u] = true
			results = append(results, u.scanNames(uint32(len(*units))))
			*units = append(*units, u)
		}
	}
	return results
}

// scanNames collects the names of the outermost level of a unit.
func (u *unit) scanNames(i uint32) (s scanned) {
	s.err = u.scan(func(e *die) {
		if e.off-u.off > 1<<32-1 {
			return
		}
		rel := uint32(e.off - u.off)
		switch e.tag {
		case tagImportedUnit:
			a := e.get(atImport)
			if a != nil && (a.form == formGNURefAlt || a.form == formRefSup4 || a.form == formRefSup8 || u.d.name != u.d.in.file && a.form == formRefAddr) {
				s.imports = append(s.imports, a.u)
			}
		case tagSubprogram, tagVariable:
			p, placed := u.placeOf(e)
			if placed && e.tag == tagVariable {
				s.places = append(s.places, placeIn{p, u})
			}
			if !e.flag(atExternal) {
				return
			}
			rank := uint8(1)
			if placed {
				rank = 0
			}
			name := e.name()
			if len(name) > 0 {
				s.names = append(s.names, nameEntry{hashName(name), i, rel, rank})
			}
			if link := e.linkage(); len(link) > 0 && !bytes.Equal(link, name) {
				s.names = append(s.names, nameEntry{hashName(link), i, rel, rank})
			}
		case tagStructureType, tagClassType, tagUnionType, tagEnumerationType, tagTypedef:
			if e.flag(atDeclaration) {
				return
			}
			if name := e.name(); len(name) > 0 {
				s.tags = append(s.tags, nameEntry{hashName(name), i, rel, 0})
			}
		}
	})
	return s
}

// linkage returns the name that an entry's symbol has, if that is another than its name.
func (e *die) linkage() []byte {
	if a := e.get(atLinkageName); a != nil {
		return e.u.str(a)
	}
	if a := e.get(atMIPSLinkageName); a != nil {
		return e.u.str(a)
	}
	return nil
}

// maxCandidates bounds how many entries of one name are looked at.
const maxCandidates = 64

// find returns the entries of a list that have the hash of a name; definitions come first.
func (in *Info) find(list *nameTable, name string) []dieRef {
	h := hashName([]byte(name))
	var refs []dieRef
	for rank := uint8(0); rank < 2 && len(list.heads) > 0; rank++ {
		for j := list.heads[h&uint32(len(list.heads)-1)]; j >= 0 && len(refs) < maxCandidates; j = list.next[j] {
			if e := &list.entries[j]; e.rank == rank && e.hash == h {
				u := in.named[e.unit]
				refs = append(refs, dieRef{u, u.off + uint64(e.off)})
			}
		}
	}
	return refs
}
