package link

import (
	"cmp"
	"path/filepath"
	"slices"

	"weld/image/elf"
)

// A member of an archive is linked when something that is linked wants a symbol that it defines. All members that are wanted by then
// are read at a time, in the order of the command line, and what they want is looked at next.

// memberObject makes an object of a member of an archive.
func (l *linker) memberObject(lb *lib, m *member) (*object, error) {
	lb.pulled[m.off] = true
	if o := lb.parsed[m.off]; o != nil {
		return o, nil
	}
	o := &object{name: lb.name + "(" + m.name + ")", data: m.data, pos: lb.pos | m.off&(1<<memberBits-1), lib: lb.base}
	if lb.thin {
		src, err := l.open(lb.thinPath(m.name))
		if err != nil {
			return nil, err
		}
		l.sources = append(l.sources, src)
		o.data = src.data
	}
	return o, nil
}

// lazyObject makes an archive of one object.
func (l *linker) lazyObject(o *object) *lib {
	return &lib{
		archive: &archive{name: o.name},
		base:    filepath.Base(o.name), pos: o.pos,
		pulled: map[uint64]bool{}, parsed: map[uint64]*object{0: o},
	}
}

// addMembers adds the members of archives that are linked whole to the objects of a batch.
func (l *linker) addMembers(b *batch) error {
	lists := make([][]member, len(b.whole))
	err := l.parErr(len(b.whole), func(i int) (err error) {
		lists[i], err = b.whole[i].members()
		return err
	})
	if err != nil {
		return err
	}
	for i, list := range lists {
		for k := range list {
			o, err := l.memberObject(b.whole[i], &list[k])
			if err != nil {
				return err
			}
			b.objs = append(b.objs, o)
		}
	}
	return nil
}

// index makes the symbol index of an archive that has none.
func (l *linker) index(lb *lib) error {
	if lb.hasIndex || lb.symNames != nil {
		return nil
	}
	if lb.parsed == nil {
		members, err := lb.members()
		if err != nil {
			return err
		}
		lb.parsed = map[uint64]*object{}
		for i := range members {
			o, err := l.memberObject(lb, &members[i])
			if err != nil {
				return err
			}
			delete(lb.pulled, members[i].off)
			lb.parsed[members[i].off] = o
		}
	}
	offs := make([]uint64, 0, len(lb.parsed))
	for off := range lb.parsed {
		offs = append(offs, off)
	}
	slices.Sort(offs)
	if err := l.parErr(len(offs), func(i int) error { return lb.parsed[offs[i]].parse(l) }); err != nil {
		return err
	}
	for _, off := range offs {
		if err := l.claim([]*object{lb.parsed[off]}); err != nil {
			return err
		}
	}
	for _, off := range offs {
		o := lb.parsed[off]
		for k := range o.nsyms - o.first {
			if e := o.sym(o.first + k); e.shndx != 0 && e.bind() != elf.STB_LOCAL {
				lb.symNames = append(lb.symNames, o.globalName(k))
				lb.symOffs = append(lb.symOffs, off)
			}
		}
	}
	return nil
}

// A want is a member of an archive that is to be linked.
type want struct {
	lib *lib
	off uint64
}

// pull returns the members of archives that define what has become wanted.
func (l *linker) pull() (batch, error) {
	var wants []want
	var lists [nShards][]uint32 // of each shard, symbols that archives define and something wants
	l.par(nShards, func(n int) {
		sh := &l.syms.shards[n]
		for _, i := range sh.touched {
			if s := &sh.syms[i]; s.kind == symLazy && s.flags&(refStrong|refCommon) != 0 {
				lists[n] = append(lists[n], i)
			}
		}
		sh.touched = sh.touched[:0]
	})
	for n, list := range lists {
		for _, i := range list {
			s := &l.syms.shards[n].syms[i]
			lb := l.libs[s.file]
			off := lb.symOffs[s.idx]
			if lb.pulled[off] {
				continue
			}
			if s.flags&refStrong == 0 {
				if ok, err := l.betterThanCommon(lb, off, s.name); err != nil {
					return batch{}, err
				} else if !ok {
					l.lateCommons = append(l.lateCommons, s.name)
					continue
				}
			}
			lb.pulled[off] = true
			wants = append(wants, want{lb, off})
		}
	}
	if len(wants) == 0 {
		var err error
		if wants, err = l.pullForCommons(); err != nil {
			return batch{}, err
		}
	}
	slices.SortFunc(wants, func(a, b want) int {
		return cmp.Or(cmp.Compare(a.lib.pos, b.lib.pos), cmp.Compare(a.off, b.off))
	})
	var b batch
	for _, w := range wants {
		m := member{off: w.off}
		if w.lib.parsed[w.off] == nil {
			var err error
			if m, _, err = w.lib.member(w.off); err != nil {
				return b, err
			}
		}
		o, err := l.memberObject(w.lib, &m)
		if err != nil {
			return b, err
		}
		b.objs = append(b.objs, o)
	}
	return b, nil
}

// pullForCommons finds what defines the symbols that are common in objects and whose first definition in an archive is not better:
// the first member, in the order of the command line, that is.
func (l *linker) pullForCommons() ([]want, error) {
	names := map[string]bool{}
	for _, n := range l.lateCommons {
		if s := l.syms.at(l.syms.find(n)); s.kind == symLazy && s.flags&refStrong == 0 {
			names[n] = true
		}
	}
	l.lateCommons = l.lateCommons[:0]
	if len(names) == 0 {
		return nil, nil
	}
	libs := slices.Clone(l.libs)
	slices.SortStableFunc(libs, func(a, b *lib) int { return cmp.Compare(a.pos, b.pos) })
	var wants []want
	for _, lb := range libs {
		for k, n := range lb.symNames {
			off := lb.symOffs[k]
			if !names[n] || lb.pulled[off] && lb.parsed[off] == nil { // what was linked before defines nothing better
				continue
			}
			if ok, err := l.betterThanCommon(lb, off, n); err != nil {
				return nil, err
			} else if ok {
				delete(names, n)
				if lb.pulled[off] { // for another name
					continue
				}
				lb.pulled[off] = true
				wants = append(wants, want{lb, off})
			}
		}
	}
	return wants, nil
}

// betterThanCommon reports whether a member of an archive has a definition of a symbol that is neither weak nor common itself: only
// for such a one is it linked where objects have a common symbol.
func (l *linker) betterThanCommon(lb *lib, off uint64, name string) (bool, error) {
	o := lb.parsed[off]
	if o == nil {
		m, _, err := lb.member(off)
		if err != nil {
			return false, err
		}
		if o, err = l.memberObject(lb, &m); err != nil {
			return false, err
		}
		delete(lb.pulled, off)
		if err := o.parse(l); err != nil {
			return false, err
		}
		if lb.parsed == nil {
			lb.parsed = map[uint64]*object{}
		}
		lb.parsed[off] = o
	}
	for k := range o.nsyms - o.first {
		if e := o.sym(o.first + k); e.shndx != 0 && !e.isCommon() && e.bind() != elf.STB_LOCAL && e.bind() != elf.STB_WEAK && o.globalName(k) == name {
			return true, nil
		}
	}
	return false, nil
}
