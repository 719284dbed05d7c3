package link

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"weld/image/elf"
)

// How many references to an undefined symbol are reported: the first ones, and then the first of each further file.
const (
	maxRefs  = 3
	maxFiles = 20
)

// An undefinedList collects the undefined symbols that are reported.
type undefinedList struct {
	l    *linker
	byID map[symID]*UndefinedError
	list []*UndefinedError
	refs map[*UndefinedError][]placeRef // of Refs, where the source lines are searched
}

// A placeRef is a place in an object.
type placeRef struct {
	o   *object
	sec uint32
	off uint64
}

func (u *undefinedList) get(id symID) *UndefinedError {
	e := u.byID[id]
	if e == nil {
		s := u.l.syms.at(id)
		e = &UndefinedError{Symbol: strings.Clone(s.name), Hidden: s.hidden() && s.flags&defShared != 0, Mangled: u.l.opt.NoDemangle}
		u.byID[id] = e
		u.list = append(u.list, e)
	}
	return e
}

// refer adds a place that refers to a symbol.
func (u *undefinedList) refer(ref undefRef, o *object) {
	e := u.get(ref.sym)
	if n := len(e.Refs); n >= maxFiles || n >= maxRefs && e.Refs[n-1].File == o.name {
		e.More++
		return
	}
	r := newRef(o.name, o.secName(ref.sec), ref.off, o.function(ref.sec, ref.off))
	r.mangled = u.l.opt.NoDemangle
	e.Refs = append(e.Refs, r)
	u.refs[e] = append(u.refs[e], placeRef{o, ref.sec, ref.off})
}

// referAll adds all places of an object that refer to undefined symbols.
func (u *undefinedList) referAll(o *object) {
	for i := range o.secs {
		s := &o.secs[i]
		if s.state != secLive || !s.alloc() || s.kind == secEh {
			continue
		}
		for b := o.relas(uint32(i)); len(b) >= relaSize; b = b[relaSize:] {
			r := decodeRela(b)
			if r.sym < o.first || r.sym >= o.nsyms {
				continue
			}
			id := o.names.ids[r.sym-o.first]
			if s := u.l.syms.at(id); s.kind == symUndef && s.flags&refStrong != 0 && (u.l.opt.Mode != Shared || s.hidden() || u.l.opt.Unresolved == UnresolvedError) {
				u.refer(undefRef{id, uint32(i), r.off}, o)
			}
		}
	}
}

// leavesUndefined reports whether objects may refer to symbols that nothing defines.
func (l *linker) leavesUndefined() bool {
	return l.opt.Unresolved == UnresolvedIgnore || l.opt.Unresolved == UnresolvedIgnoreObjects || l.opt.WarnUnresolved
}

// reportUndefined makes the errors for references to undefined symbols, all of them.
func (l *linker) reportUndefined(scanners []scanner) error {
	u := &undefinedList{l: l, byID: map[symID]*UndefinedError{}, refs: map[*UndefinedError][]placeRef{}}
	switch {
	case l.opt.Unresolved == UnresolvedIgnore || l.opt.Unresolved == UnresolvedIgnoreObjects:
	case l.opt.WarnUnresolved:
		for _, o := range l.objs {
			u.referAll(o) // the scanners pass over what is left to the run-time linker
		}
	default:
		for i := range scanners {
			for _, ref := range scanners[i].undef {
				if l.syms.at(ref.sym).kind == symUndef {
					u.refer(ref, scanners[i].o)
				}
			}
		}
	}
	wanted := map[*UndefinedError]bool{} // no warning will do
	for _, n := range l.opt.RequireDefined {
		if id := l.syms.find(n); l.syms.at(id).kind == symUndef {
			wanted[u.get(id)] = true
		}
	}
	for _, d := range l.opt.Defsyms {
		if d.Alias != "" && l.syms.at(l.syms.find(d.Alias)).kind == symUndef {
			wanted[u.get(l.syms.find(d.Alias))] = true
		}
	}
	l.sharedUndefined(u.get)
	slices.SortStableFunc(u.list, func(a, b *UndefinedError) int { return cmp.Compare(a.Symbol, b.Symbol) })
	more := 0
	if n := l.opt.ErrorLimit; n > 0 && len(u.list) > n {
		u.list, more = u.list[:n], len(u.list)-n
	}
	for _, e := range u.list {
		for i, p := range u.refs[e] {
			e.Refs[i].Source = p.o.sourceLine(p.sec, p.off)
		}
	}
	l.suggest(u.list)
	var errs errorList
	for _, e := range u.list {
		if l.opt.WarnUnresolved && !wanted[e] {
			l.warn("%v", e)
		} else {
			errs.add(e)
		}
	}
	errs.more(more, "undefined symbols")
	return errs.err()
}

// sharedUndefined adds what shared libraries refer to and nothing defines. A library that needs others that are not linked here
// is passed over: they may define it.
func (l *linker) sharedUndefined(get func(symID) *UndefinedError) {
	if l.opt.AllowShlibUndefined || l.opt.Mode == Shared && !l.opt.CheckShlibUndefined || l.opt.Unresolved == UnresolvedIgnore {
		return
	}
	needs := &neededLibs{l: l, known: map[string]*shared{}}
	for _, d := range l.dsos {
		needs.known[d.soname] = d
	}
	for _, d := range l.dsos {
		if !needs.complete(d) {
			continue
		}
		for k, id := range d.names.ids {
			e := d.sym(d.syms[k])
			s := l.syms.at(id)
			// What an object defines hidden is not for shared libraries.
			hidden := s.defined() && (s.vis == elf.STV_HIDDEN || s.vis == elf.STV_INTERNAL) && s.flags&defShared == 0
			if !e.Defined() && e.Bind() != elf.STB_WEAK && (s.kind == symUndef || hidden) && e.Type() != elf.STT_TLS {
				// One with a version is looked for in the library of that version only.
				v := d.f.SymVersion(d.syms[k])
				if (v != nil || len(needs.found) > 0) && needs.define(d.f.SymName(e), v) {
					continue
				}
				u := get(id)
				if hidden && s.kind != symLinker {
					u.Hint = "it is defined in " + l.objs[s.file].name + ", but hidden there: shared libraries cannot see it"
				}
				u.Refs = append(u.Refs, Ref{File: d.name})
			}
		}
	}
}

// neededLibs are the libraries that shared libraries need: those that are linked, and with -rpath-link those that are found.
type neededLibs struct {
	l     *linker
	known map[string]*shared // by soname; nil for one that is not found
	found []*shared          // those that are not linked
}

// complete reports whether all that a library needs, and what that needs, is known.
func (n *neededLibs) complete(d *shared) bool {
	ok := true
	for _, name := range d.f.Dynamic.Needed {
		x, seen := n.known[name]
		if !seen {
			x = n.find(name, d)
			if n.known[name] = x; x != nil {
				n.found = append(n.found, x)
				ok = n.complete(x) && ok
			}
		}
		ok = ok && x != nil
	}
	return ok
}

// find looks a library up as GNU ld does for what libraries need: in the folders of -rpath-link, -rpath, those that the library says
// itself, and -L. Without -rpath-link nothing is searched.
func (n *neededLibs) find(name string, from *shared) *shared {
	l := n.l
	if len(l.opt.RpathLink) == 0 {
		return nil
	}
	dirs := slices.Concat(l.opt.RpathLink, l.opt.Rpath)
	for _, list := range []string{from.f.Dynamic.Runpath, from.f.Dynamic.Rpath} {
		for dir := range strings.SplitSeq(list, ":") {
			if dir != "" {
				dirs = append(dirs, strings.NewReplacer("$ORIGIN", filepath.Dir(from.name), "${ORIGIN}", filepath.Dir(from.name)).Replace(dir))
			}
		}
	}
	for _, dir := range append(dirs, l.opt.LibraryPath...) {
		path := filepath.Join(l.sysroot(dir), name)
		if !l.exists(path) {
			continue
		}
		src, err := l.open(path)
		if err != nil {
			continue
		}
		l.sources = append(l.sources, src)
		d := &shared{name: src.name, soname: name, data: src.data}
		if d.parse(l) == nil {
			return d
		}
	}
	return nil
}

// define reports whether one of the libraries defines a symbol.
func (n *neededLibs) define(name string, v *elf.Version) bool {
	h := elf.Hash(name)
	has := func(d *shared) bool {
		_, _, ok := d.f.Lookup(&h, v)
		return ok
	}
	return slices.ContainsFunc(n.l.dsos, has) || slices.ContainsFunc(n.found, has)
}
