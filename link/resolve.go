package link

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"

	"weld/image/elf"
)

// Classes of definitions, the best first. Within one the first file of the command line wins.
const (
	classStrong uint64 = 1 + iota
	classCommon
	classWeak
	classShared     // a shared library or, before all is read, a member of an archive
	classLateCommon // before all is read: a member of an archive that defines a common symbol is linked
)

func rankOf(class, pos uint64) uint64 { return class<<60 | pos&(1<<60-1) }

// mergeVis returns the more constraining visibility (gABI, "Symbol Visibility").
func mergeVis(a, b elf.SymVis) elf.SymVis {
	switch {
	case a == elf.STV_DEFAULT:
		return b
	case b == elf.STV_DEFAULT:
		return a
	}
	return min(a, b)
}

// wantObject enters a global symbol of an object while files are still searched for: what matters is whether the symbol is wanted or
// defined.
func (sh *symShard) wantObject(i uint32, o *object, r *nameRef) {
	s := &sh.syms[i]
	if r.bind() == elf.STB_LOCAL {
		return
	}
	class := classStrong
	switch {
	case r.shndx == 0:
		if r.bind() != elf.STB_WEAK && s.flags&refStrong == 0 {
			s.flags |= refStrong
			sh.touched = append(sh.touched, i)
		}
		return
	case r.isCommon():
		class = classLateCommon
		if s.flags&(refStrong|refCommon) == 0 {
			s.flags |= refCommon
			sh.touched = append(sh.touched, i)
		}
	case r.bind() == elf.STB_WEAK:
		class = classWeak
	}
	if rank := rankOf(class, o.pos); s.rank == 0 || rank < s.rank {
		s.rank, s.kind = rank, symObject
	}
}

// wantShared is wantObject for a shared library.
func (sh *symShard) wantShared(i uint32, d *shared, k uint32) {
	s := &sh.syms[i]
	e := d.sym(d.syms[k])
	if !e.Defined() {
		if e.Bind() != elf.STB_WEAK && s.flags&refStrong == 0 {
			s.flags |= refStrong
			sh.touched = append(sh.touched, i)
		}
		return
	}
	if rank := rankOf(classShared, d.pos); s.rank == 0 || rank < s.rank {
		s.rank, s.kind = rank, symShared
	}
}

// resolve gives every symbol its definition, now that all files are known: it puts them in order, chooses among the groups of
// a signature, and goes through all symbols once more.
func (l *linker) resolve() error {
	l.orderFiles()
	l.chooseGroups()
	if err := l.resolveSymbols(); err != nil {
		return err
	}
	if err := l.bindVersions(); err != nil {
		return err
	}
	if l.opt.Mode != Relocatable {
		l.defineSymbols()
	}
	l.markNeeded()
	l.trace()
	l.traceSymbols()
	l.crossReference()
	l.warnCommons()
	return nil
}

// orderFiles puts the files in the order of linking and numbers them.
func (l *linker) orderFiles() {
	slices.SortStableFunc(l.objs, func(a, b *object) int { return cmp.Compare(a.pos, b.pos) })
	for i, o := range l.objs {
		o.index = int32(i)
	}
	slices.SortStableFunc(l.dsos, func(a, b *shared) int { return cmp.Compare(a.pos, b.pos) })
	l.dedupShared()
	for i, d := range l.dsos {
		d.index = int32(i)
	}
}

// resolveSymbols finds the definition of each symbol.
func (l *linker) resolveSymbols() error {
	dups := make([][]duplicate, nShards)
	l.par(nShards, func(n int) {
		sh := &l.syms.shards[n]
		for i := range sh.syms {
			s := &sh.syms[i]
			s.rank, s.kind, s.flags, s.file, s.idx, s.weak, s.value = 0, symUndef, 0, -1, 0, false, 0
		}
		for _, o := range l.objs {
			refs := o.names.of(n)
			for j := range refs {
				if r := &refs[j]; sh.syms[r.id&idMask].resolveObject(o, r, l.opt.MultipleDefs) {
					dups[n] = append(dups[n], duplicate{r.id, o, r.k})
				}
			}
		}
		for _, d := range l.dsos {
			for _, r := range d.names.of(n) {
				sh.syms[r.id&idMask].resolveShared(d, r.k)
			}
		}
	})
	if err := l.ctx.Err(); err != nil {
		return err
	}
	for _, n := range l.wanted {
		l.syms.at(l.syms.find(n)).flags |= refObject | refStrong
	}
	return l.reportDuplicates(slices.Concat(dups...))
}

// resolveObject enters a global symbol of an object and reports whether it is the second strong definition.
func (s *symbol) resolveObject(o *object, r *nameRef, muldefs bool) (dup bool) {
	if r.bind() == elf.STB_LOCAL {
		return false
	}
	s.vis = mergeVis(s.vis, elf.SymVis(r.other&3))
	if r.other&stoVariant != 0 {
		s.flags |= isVariant
	}
	if r.shndx == 0 || r.lost {
		// Symbols of a group that another file has given are references to that file's.
		s.flags |= refObject
		if r.bind() != elf.STB_WEAK {
			s.flags |= refStrong
		}
		if s.kind == symUndef && (r.typ() == elf.STT_TLS || s.typ == elf.STT_NOTYPE) {
			s.typ = r.typ()
		}
		return false
	}
	class := classStrong
	switch {
	case r.isCommon():
		class = classCommon
		if s.kind == symCommon {
			e := o.sym(o.first + r.k)
			s.size = max(s.size, e.size)
			s.value = max(s.value, e.value, 1)
			return false
		}
	case r.bind() == elf.STB_WEAK:
		class = classWeak
	case s.kind == symObject && s.rank>>60 == classStrong && !muldefs:
		dup = s.flags&isDup == 0
		s.flags |= isDup
		return dup
	}
	rank := rankOf(class, o.pos)
	if s.rank != 0 && rank >= s.rank {
		return false
	}
	e := o.sym(o.first + r.k)
	s.rank, s.kind, s.file, s.idx = rank, symObject, o.index, o.first+r.k
	s.typ, s.size, s.weak, s.abs = r.typ(), e.size, class == classWeak, e.isAbs()
	s.shndx, s.value = r.shndx, e.value
	if s.flags &^= isUnique; r.bind() == elf.STB_GNU_UNIQUE {
		s.flags |= isUnique
	}
	if class == classCommon {
		s.kind, s.value = symCommon, max(e.value, 1)
	}
	return false
}

func (s *symbol) resolveShared(d *shared, k uint32) {
	e := d.sym(d.syms[k])
	if !e.Defined() {
		s.flags |= refShared
		return
	}
	s.flags |= defShared
	if s.kind == symCommon && e.Bind() != elf.STB_WEAK {
		// GNU ld's rule: a definition in a library is better than a common symbol, which then is a reference to it.
		s.rank, s.flags = 0, s.flags|refObject|refStrong
	}
	if rank := rankOf(classShared, d.pos); s.rank == 0 || rank < s.rank {
		s.rank, s.kind, s.file, s.idx = rank, symShared, d.index, d.syms[k]
		s.typ, s.size, s.abs = e.Type(), e.Size, false
	}
}

// dedupShared keeps one of several libraries of the same soname.
func (l *linker) dedupShared() {
	seen := map[string]*shared{}
	l.dsos = slices.DeleteFunc(l.dsos, func(d *shared) bool {
		if first := seen[d.soname]; first != nil {
			first.asNeeded = first.asNeeded && d.asNeeded
			return true
		}
		seen[d.soname] = d
		return false
	})
}

// chooseGroups keeps the first group of each signature and drops the sections of the others.
func (l *linker) chooseGroups() {
	l.par(len(l.objs), func(i int) {
		o := l.objs[i]
		for gi := range o.groups {
			g := &o.groups[gi]
			if g.id = 0; g.sym >= o.first {
				g.id = o.names.ids[g.sym-o.first]
			} else {
				g.id = l.syms.find(g.name) // the name counts, and in another file the symbol is global
			}
			if g.id != 0 && !g.lost {
				l.syms.at(g.id).claimGroup(o.index + 1)
			}
		}
	})
	// Groups and sections .gnu.linkonce whose signature is no global symbol are few.
	named := map[string]int32{}
	for _, o := range l.objs {
		for gi := range o.groups {
			if g := &o.groups[gi]; g.id == 0 && !g.lost {
				if g.lost = named[g.name] != 0; !g.lost {
					named[g.name] = o.index + 1
				}
			}
		}
		for _, i := range o.linkOnce {
			name := o.secName(i)
			if owner := named[name]; owner == 0 {
				named[name] = o.index + 1
			} else if owner != o.index+1 {
				o.loseSection(i)
			}
		}
	}
	l.par(len(l.objs), func(i int) {
		o := l.objs[i]
		for gi := range o.groups {
			g := &o.groups[gi]
			g.lost = g.lost || g.id != 0 && !l.syms.at(g.id).takeGroup(o.index+1)
			if g.lost {
				for m := g.members; len(m) > 0; m = m[4:] {
					o.loseSection(le.Uint32(m))
				}
			}
		}
		for k := range o.names.refs {
			if r := &o.names.refs[k]; r.shndx != 0 && r.shndx < shnBase {
				r.lost = o.secs[r.shndx].state == secGroup
			}
		}
	})
}

// claimGroup has the group of this signature be that of an object, or of one before it. Objects are counted from 1.
func (s *symbol) claimGroup(object int32) {
	for {
		owner := atomic.LoadInt32(&s.comdat)
		if owner != 0 && owner <= object || atomic.CompareAndSwapInt32(&s.comdat, owner, object) {
			return
		}
	}
}

// takeGroup reports whether a group of an object is the one that is linked. A second one of the signature in the same object is not.
func (s *symbol) takeGroup(object int32) bool {
	return atomic.CompareAndSwapInt32(&s.comdat, object, -object)
}

// loseSection drops a section because another file has given its group.
func (o *object) loseSection(i uint32) {
	if s := &o.secs[i]; s.state == secLive {
		s.state = secGroup
	}
}

// A duplicate is the second strong definition of a symbol: global symbol k of an object.
type duplicate struct {
	id symID
	o  *object
	k  uint32
}

// reportDuplicates makes the errors for symbols with two strong definitions.
func (l *linker) reportDuplicates(list []duplicate) error {
	var errs errorList
	slices.SortFunc(list, func(a, b duplicate) int { return cmp.Compare(l.syms.at(a.id).name, l.syms.at(b.id).name) })
	for i, d := range list {
		if n := l.opt.ErrorLimit; n > 0 && i == n {
			errs.more(len(list)-n, "duplicate symbols")
			break
		}
		s := l.syms.at(d.id)
		errs.add(&DuplicateError{
			Symbol: strings.Clone(s.name), First: l.objs[s.file].ref(s.idx), Second: d.o.ref(d.o.first + d.k), Mangled: l.opt.NoDemangle,
		})
	}
	return errs.err()
}

// ref says where a symbol is defined.
func (o *object) ref(i uint32) Ref {
	e := o.sym(i)
	r := newRef(o.name, "", 0, "")
	if e.shndx < uint32(len(o.secs)) {
		r = newRef(o.name, o.secName(e.shndx), e.value, "")
	}
	r.Source = o.sourceOf(i)
	return r
}

// markNeeded finds the shared libraries that the output needs.
func (l *linker) markNeeded() {
	for _, d := range l.dsos {
		d.needed = d.needed || !d.asNeeded
	}
	var byShard [nShards][]*symbol // what libraries define, by shard
	l.par(nShards, func(n int) {
		for i := range l.syms.shards[n].syms {
			if s := &l.syms.shards[n].syms[i]; s.kind == symShared {
				byShard[n] = append(byShard[n], s)
			}
		}
	})
	all := slices.Concat(byShard[:]...)
	for _, s := range all {
		if s.flags&refStrong != 0 && !s.hidden() {
			l.dsos[s.file].needed = true
		}
	}
	// What a needed library refers to and none that it needs defines.
	for changed := true; changed; {
		changed = false
		for _, d := range l.dsos {
			if !d.needed {
				continue
			}
			for k, id := range d.names.ids {
				s := l.syms.at(id)
				if s.kind != symShared || l.dsos[s.file].needed || d.sym(d.syms[k]).Defined() || d.sym(d.syms[k]).Bind() == elf.STB_WEAK {
					continue
				}
				from := l.dsos[s.file]
				if !slices.ContainsFunc(l.dsos, func(x *shared) bool { return x.needed && x.needs(from.soname) }) {
					from.needed, changed = true, true
				}
			}
		}
	}
	// Weak references do not make a library needed; if nothing else does they stay undefined.
	for _, s := range all {
		if !l.dsos[s.file].needed {
			s.kind, s.file, s.idx, s.size, s.abs = symUndef, -1, 0, 0, false
		}
	}
	count := len(l.dsos)
	l.dsos = slices.DeleteFunc(l.dsos, func(d *shared) bool { return !d.needed })
	if len(l.dsos) < count {
		l.forgetShared()
	}
	renumber := make(map[int32]int32, len(l.dsos))
	for i, d := range l.dsos {
		renumber[d.index] = int32(i)
		d.index = int32(i)
	}
	for _, s := range all {
		if s.kind == symShared {
			s.file = renumber[s.file]
		}
	}
}

// forgetShared finds anew which symbols shared libraries refer to and define, now that some are not needed: what only those know is not
// exported for their sake.
func (l *linker) forgetShared() {
	l.par(nShards, func(n int) {
		sh := &l.syms.shards[n]
		for i := range sh.syms {
			s := &sh.syms[i]
			if s.flags&defShared != 0 {
				s.flags |= defDropped
			}
			s.flags &^= refShared | defShared
		}
		for _, d := range l.dsos {
			for _, r := range d.names.of(n) {
				flag := defShared
				if !d.sym(d.syms[r.k]).Defined() {
					flag = refShared
				}
				sh.syms[r.id&idMask].flags |= flag
			}
		}
	})
}
