package link

import (
	"crypto/sha256"
	"hash"
	"slices"

	"weld/image/elf"
)

// Identical code folding: functions in sections of their own whose code, relocations and unwind information are the same become
// one. Sections begin in classes by what does not depend on other candidates. A class is split as long as its members refer to
// members of different classes; what is left is identical.
//
// Two functions that become one have the same address, which a program may notice that compares pointers. ICFSafe folds only what no
// object says it takes the address of (.llvm_addrsig, which clang writes), and nothing that others can refer to.

// An icfDigest stands for a class: a part of the SHA-256 of what its members have in common.
type icfDigest [16]byte

// An icfSection is a section that may be folded.
type icfSection struct {
	secRef
	own     icfDigest // of all that does not depend on other candidates
	class   icfDigest
	targets []int32 // the candidates that its relocations refer to, in order
}

// An icf is the state of a run.
type icf struct {
	l    *linker
	list []icfSection
	fdes []map[uint32][]int32 // of each object, the record sections and records of a section
}

// foldIdentical finds identical sections and folds them into the first of each class.
func (l *linker) foldIdentical() {
	if l.opt.ICF == ICFNone {
		return
	}
	c := &icf{l: l, fdes: make([]map[uint32][]int32, len(l.objs))}
	unique := c.uniqueSections()
	for oi, o := range l.objs {
		for i := range o.secs {
			if s := &o.secs[i]; o.foldable(uint32(i)) && !unique[secRef{int32(oi), uint32(i)}] {
				s.extra = int32(len(c.list))
				c.list = append(c.list, icfSection{secRef: secRef{int32(oi), uint32(i)}})
			}
		}
	}
	l.par(len(l.objs), func(i int) { c.fdes[i] = l.objs[i].fdesBySection() })
	l.par(len(c.list), func(i int) { c.digest(&c.list[i]) })
	for before := 0; l.ctx.Err() == nil; {
		n := c.classes()
		if n == before {
			break
		}
		before = n
		next := make([]icfDigest, len(c.list))
		l.par(len(c.list), func(i int) { next[i] = c.refine(&c.list[i]) })
		for i := range next {
			c.list[i].class = next[i]
		}
	}
	c.fold()
}

// foldable reports whether a section may be folded if nothing needs its address: it is a function of its own.
func (o *object) foldable(i uint32) bool {
	s := &o.secs[i]
	return s.state == secLive && s.kind == secPlain && s.size > 0 && s.typ == shtProgbits &&
		s.flags&(shfAlloc|shfExec|shfWrite|shfRetain|shfLinkOrder) == shfAlloc|shfExec && hasPart(o.secName(i), ".text")
}

// uniqueSections returns the sections that must keep their address.
func (c *icf) uniqueSections() map[secRef]bool {
	l := c.l
	unique := map[secRef]bool{}
	keep := func(id symID) {
		if s := l.syms.at(id); s.kind == symObject {
			if e := l.objs[s.file].sym(s.idx); e.shndx < shnBase {
				unique[secRef{s.file, e.shndx}] = true
			}
		}
	}
	for _, name := range l.opt.KeepUnique {
		if id := l.syms.find(name); id != 0 {
			keep(id)
		}
	}
	for oi, o := range l.objs {
		for i := range o.secs {
			if s := &o.secs[i]; s.flags&shfLinkOrder != 0 && s.state == secLive {
				unique[secRef{int32(oi), s.link}] = true
			}
		}
	}
	if l.opt.ICF == ICFAll {
		return unique
	}
	for n := range l.syms.shards[:nShards] {
		for i := range l.syms.shards[n].syms {
			if l.syms.shards[n].syms[i].flags&(isExported|refShared) != 0 {
				keep(symID(uint32(n)<<idBits | uint32(i)))
			}
		}
	}
	for oi, o := range l.objs {
		o.addressTaken(func(i uint32) {
			if i >= o.first {
				keep(o.names.ids[i-o.first])
			} else if e := o.sym(i); e.shndx < shnBase {
				unique[secRef{int32(oi), e.shndx}] = true
			}
		})
	}
	return unique
}

// addressTaken calls fn for the symbols whose address the object says it takes: if it does not say so, for all.
func (o *object) addressTaken(fn func(sym uint32)) {
	for i := range o.secs {
		s := &o.secs[i]
		// A tool that does not know the section may have changed the symbol table: then the link is wrong (LLVM, "Extensions").
		if s.typ != shtLLVMAddrsig || s.link >= uint32(len(o.secs)) || o.secs[s.link].typ != shtSymtab {
			continue
		}
		b := o.bytes(uint32(i))
		for len(b) > 0 {
			v, n := uint64(0), 0
			for n < len(b) && n < 9 && b[n]&0x80 != 0 {
				v |= uint64(b[n]&0x7f) << (7 * n)
				n++
			}
			if n == len(b) || n == 9 {
				break
			}
			if v |= uint64(b[n]) << (7 * n); v < uint64(o.nsyms) {
				fn(uint32(v))
			}
			b = b[n+1:]
		}
		return
	}
	for i := range o.nsyms {
		fn(i)
	}
}

// fdesBySection returns the FDEs of each section: pairs of an index in o.ehs and one in its records.
func (o *object) fdesBySection() map[uint32][]int32 {
	list := map[uint32][]int32{}
	for x := range o.ehs {
		e := &o.ehs[x]
		for k := range e.recs {
			if r := &e.recs[k]; r.cie >= 0 {
				if sec, ok := o.fdeTarget(e.sec, r); ok {
					list[sec] = append(list[sec], int32(x), int32(k))
				}
			}
		}
	}
	return list
}

// digest makes the digest of what a section is by itself.
func (c *icf) digest(x *icfSection) {
	o := c.l.objs[x.obj]
	s := &o.secs[x.sec]
	h := sha256.New()
	word(h, uint64(s.flags&^shfGroup), s.size)
	h.Write([]byte(outName(o.secName(x.sec), s.flags)))
	h.Write(o.bytes(x.sec))
	c.relas(h, x, o, o.relas(x.sec), 0)
	list := c.fdes[x.obj][x.sec]
	for i := 0; i+1 < len(list); i += 2 {
		e := &o.ehs[list[i]]
		fde := &e.recs[list[i+1]]
		b, rels := o.bytes(e.sec), o.relas(e.sec)
		h.Write([]byte(c.l.cieKey(o, e.sec, &e.recs[fde.cie])))
		h.Write(b[fde.off+8 : fde.off+fde.size])
		// The first relocation is that of the address of the function.
		for k := fde.relLo; k < fde.relHi; k++ {
			if r := rels[uint64(k)*relaSize:][:relaSize]; le.Uint64(r) != uint64(fde.off)+8 {
				c.relas(h, x, o, r, uint64(fde.off))
			}
		}
	}
	x.own = icfDigest(h.Sum(nil)[:16])
	x.class = x.own
}

// word adds numbers to a hash.
func word(h hash.Hash, list ...uint64) {
	var b [8]byte
	for _, v := range list {
		le.PutUint64(b[:], v)
		h.Write(b[:])
	}
}

// relas adds relocations to a hash, with what they refer to. Candidates are noted instead.
func (c *icf) relas(h hash.Hash, x *icfSection, o *object, b []byte, base uint64) {
	l := c.l
	for ; len(b) >= relaSize; b = b[relaSize:] {
		r := decodeRela(b)
		word(h, r.off-base, uint64(r.typ), uint64(r.addend))
		if r.sym >= o.nsyms {
			continue
		}
		file, e := o.index, o.sym(r.sym)
		if r.sym >= o.first {
			id := o.names.ids[r.sym-o.first]
			s := l.syms.at(id)
			if s.kind != symObject || s.flags&isImported != 0 || s.typ == elf.STT_GNU_IFUNC {
				word(h, 1, uint64(id))
				continue
			}
			file, e = s.file, l.objs[s.file].sym(s.idx)
		}
		to := l.objs[file]
		if e.shndx == 0 || e.shndx >= shnBase {
			word(h, 2, e.value, uint64(e.shndx))
			continue
		}
		switch s := &to.secs[e.shndx]; {
		case s.kind == secPlain && s.extra >= 0 && s.state == secLive && e.typ() != elf.STT_GNU_IFUNC:
			word(h, 3, e.value)
			x.targets = append(x.targets, s.extra)
		case s.kind == secMerge:
			at := e.value
			if e.typ() == elf.STT_SECTION {
				at += uint64(r.addend)
			}
			word(h, 4, at-c.piece(h, to, s, at))
		default:
			word(h, 5, uint64(file), uint64(e.shndx), e.value)
		}
	}
}

// piece adds the piece at an offset of a section that is merged to a hash, and returns where it begins.
func (c *icf) piece(h hash.Hash, o *object, s *section, off uint64) uint64 {
	m := &o.merges[s.extra]
	k, found := slices.BinarySearch(m.starts, uint32(min(off, 1<<32-1)))
	if !found {
		k--
	}
	k = max(k, 0)
	lo, hi, align := m.piece(&o.secs[m.sec], uint32(k))
	b := o.bytes(m.sec)[lo:hi]
	h.Write([]byte(outName(o.secName(m.sec), s.flags)))
	word(h, uint64(len(b)), uint64(align), uint64(s.entsize))
	h.Write(b)
	return uint64(m.starts[k])
}

// refine returns the class of a section by the classes of the sections that it refers to.
func (c *icf) refine(x *icfSection) icfDigest {
	h := sha256.New()
	h.Write(x.own[:])
	for _, t := range x.targets {
		h.Write(c.list[t].class[:])
	}
	return icfDigest(h.Sum(nil)[:16])
}

// classes returns the number of classes.
func (c *icf) classes() int {
	seen := make(map[icfDigest]struct{}, len(c.list))
	for i := range c.list {
		seen[c.list[i].class] = struct{}{}
	}
	return len(seen)
}

// fold folds the members of each class into the first one.
func (c *icf) fold() {
	l := c.l
	first := make(map[icfDigest]int, len(c.list))
	folded := map[int][]secRef{}
	for i := range c.list {
		x := &c.list[i]
		s := &l.objs[x.obj].secs[x.sec]
		s.extra = -1
		k, ok := first[x.class]
		if !ok {
			first[x.class] = i
			continue
		}
		lead := &c.list[k]
		to := &l.objs[lead.obj].secs[lead.sec]
		to.align = max(to.align, s.align)
		s.kind, s.extra = secFolded, int32(len(l.folds))
		l.folds = append(l.folds, lead.secRef)
		folded[k] = append(folded[k], x.secRef)
	}
	if !l.opt.PrintICF {
		return
	}
	name := func(r secRef) string { return l.objs[r.obj].name + ":(" + l.objs[r.obj].secName(r.sec) + ")" }
	for i := range c.list {
		if list := folded[i]; list != nil {
			l.print("selected section %s", name(c.list[i].secRef))
			for _, r := range list {
				l.print("  removing identical section %s", name(r))
			}
		}
	}
}

// placeFolded gives folded sections the place of what they are folded into.
func (l *linker) placeFolded() {
	for _, o := range l.objs {
		for i := range o.secs {
			if s := &o.secs[i]; s.kind == secFolded {
				to := l.folds[s.extra]
				lead := &l.objs[to.obj].secs[to.sec]
				s.out, s.outOff = lead.out, lead.outOff
			}
		}
	}
}
