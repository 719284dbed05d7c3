package live

import (
	"math/bits"

	"weld/image/elf"
)

// dynTable is what dlsym reads: .dynsym, .dynstr, the hash tables, the versions, and .dynamic, which leads to them.
//
// DT_GNU_HASH wants the symbols in the order of their buckets, so a symbol more means a new table. That is what a commit
// makes if there are few symbols or it brings many. For a few that come to many, making all anew would take time by the
// square of their number; they go to the end of .dynsym and into DT_HASH, which has no order, and DT_GNU_HASH is
// taken out of .dynamic until a table is made again. So each reader finds all symbols at any time, and a symbol costs the
// same however many there are.
// Imports are undefined symbols before all others, which no hash table has; there is a new table when one comes.
// A name that is unbound leaves an undefined symbol without a name, until then.
type dynTable struct {
	dynamic, syms, vers, hash, gnu, strs, defs, reqs, rela *extent

	strUsed  uint64
	strDead  uint64
	verNames []uint32 // where in .dynstr
	imports  []uint32 // the same, of imports
	needs    []uint32 // and of what is needed
	wants    []uint32 // and of versions of imports
	n        uint32   // entries of .dynsym, the first, null one included
	dead     uint32   // of them
	added    uint32   // since DT_GNU_HASH was made
	buckets  uint32   // of DT_HASH
	nbloom   uint32
	gbuckets uint32
	sorted   bool   // DT_GNU_HASH is there
	resort   bool   // a new table is asked for
	strszAt  uint64 // where in .dynamic
	gnuAt    uint64

	wantFiles, wantsUsed uint64 // DT_VERNEED has
}

const (
	symSize  = 24
	dynSize  = 16
	relaSize = 24
	// few is the number of symbols for which a table is made by each commit.
	few = 256
	// shareGone is the part of those that stay that have to go to have a table made anew.
	shareGone = 2
)

// dynPlan is what a commit does to the table.
type dynPlan struct {
	counts
	stay    uint32 // symbols that say something else
	fresh   dynTable
	remake  bool
	strs    *extent // if they have to move
	compact bool    // and are written anew
}

// Whether a symbol comes to .dynsym, goes, or stays and says something else.
func (c *change) comes() bool { return c.now.exported() && !c.was.exported() }
func (c *change) goes() bool  { return !c.now.exported() && c.was.exported() }
func (c *change) stays() bool { return c.now.exported() && c.was.exported() }

func (t *dynTable) plan(x *tx, p *dynPlan) (err error) {
	o := x.o
	versions := *o.versionList.Load()
	need, gone := p.bytes, p.gone
	for _, v := range versions[len(t.verNames):] {
		need += uint64(len(v)) + 1
	}
	imports := o.imports.list
	for _, m := range imports[len(t.imports):] {
		need += uint64(len(m.name)) + 1
	}
	for _, s := range o.needs[len(t.needs):] {
		need += uint64(len(s)) + 1
	}
	for _, w := range o.imports.wants[len(t.wants):] {
		need += uint64(len(w.version)) + 1
	}
	added, live := p.added, t.n-t.dead
	n := live + added + uint32(len(imports)-len(t.imports))
	p.compact = t.strDead > t.strUsed/2 && t.strDead > page
	moved := t.strs == nil || t.strs.size < t.strUsed+need
	dead := t.dead + gone
	switch {
	case t.syms == nil || t.resort || moved || p.compact || len(versions) > len(t.verNames) || len(imports) > len(t.imports):
		p.remake = true
	case added == 0 && gone == 0:
	case uint64(t.n+added)*symSize > t.syms.size, dead > live/shareGone, added > 0 && n <= few:
		p.remake = true
	}
	if !p.remake {
		if added > 0 {
			x.use(t.strs, t.strUsed+need)
			x.use(t.syms, uint64(t.n+added)*symSize)
			x.use(t.hash, 8+4*(uint64(t.buckets)+uint64(t.n+added)))
			if t.vers != nil {
				x.use(t.vers, 2*uint64(t.n+added))
			}
		}
		return nil
	}
	if !moved && !p.compact {
		x.use(t.strs, t.strUsed+need)
	}
	take := func(e **extent, size, more uint64) { // to be written, and to have room for
		if err == nil {
			*e, err = x.take(meta, size+more, size)
		}
	}
	if moved || p.compact {
		total := uint64(len(o.name)) + 2 + t.strUsed + need
		if p.compact {
			total -= t.strDead
			for _, v := range versions {
				total += uint64(len(v)) + 1
			}
			for _, m := range imports {
				total += uint64(len(m.name)) + 1
			}
			for _, s := range o.needs {
				total += uint64(len(s)) + 1
			}
			for _, w := range o.imports.wants {
				total += uint64(len(w.version)) + 1
			}
		}
		take(&p.strs, total, o.spare(total)+512)
	}
	more := o.spare(uint64(n)*symSize)/symSize + 16
	f := &p.fresh
	f.buckets = (n+uint32(more))/2 | 1
	f.gbuckets = n/2 | 1
	f.nbloom = 1 << bits.Len32(n/8)
	take(&f.dynamic, dynSize*uint64(18+len(o.needs)), 0)
	if len(imports) > 0 {
		take(&f.rela, relaSize*uint64(len(imports)), 0)
	}
	take(&f.syms, uint64(n)*symSize, more*symSize)
	take(&f.hash, 8+4*(uint64(f.buckets)+uint64(n)), 4*more)
	take(&f.gnu, gnuSize(f, n+1), 0)
	if len(versions) > 0 || len(o.imports.wants) > 0 {
		take(&f.vers, 2*uint64(n), 2*more)
	}
	if len(o.imports.wants) > 0 {
		take(&f.reqs, o.wantsSize(), 0)
	}
	if len(versions) > 0 {
		take(&f.defs, uint64(len(versions)+1)*(verdefSize+verdauxSize), 0)
	}
	return err
}

// apply does what was planned.
func (t *dynTable) apply(x *tx, p *dynPlan, list entryList) {
	o := x.o
	if p.gone+p.stay > 0 {
		for e := range o.each(list) {
			switch c := e.change(); {
			case c.goes():
				t.drop(o, &c)
			case c.stays():
				if i, _ := t.find(o, &c); i != 0 {
					t.rewrite(o, i, e.str, c.now)
				}
			}
		}
	}
	if p.remake {
		t.remake(x, p, list)
		return
	}
	if p.added == 0 {
		return
	}
	t.unsort(o)
	t.extend(o, p, list)
	t.added += p.added
}

// unsort takes DT_GNU_HASH away: it is the last entry of .dynamic.
func (t *dynTable) unsort(o *Object) {
	if t.sorted {
		o.put64(t.gnuAt, uint64(elf.DT_NULL))
		t.sorted = false
	}
}

// name puts a name into .dynstr.
func (t *dynTable) name(o *Object, e *entry, name string) {
	e.str = uint32(t.strUsed)
	t.putName(o, name)
}

func (t *dynTable) putName(o *Object, s string) {
	copy(o.bytes(t.strs.off+t.strUsed, uint64(len(s))), s)
	t.strUsed += uint64(len(s)) + 1
}

// putSym writes an entry of .dynsym or .symtab.
func putSym(b []byte, name uint32, s *sym) {
	le.PutUint32(b, name)
	b[4] = byte(s.bind)<<4 | byte(s.typ)
	b[5] = byte(s.vis)
	le.PutUint16(b[6:], s.b.ext.chunk.sec)
	le.PutUint64(b[8:], uint64(s.at))
	le.PutUint64(b[16:], uint64(s.size))
}

// extend puts symbols at the end of .dynsym, and into DT_HASH once they are there, and their number is.
func (t *dynTable) extend(o *Object, p *dynPlan, list entryList) {
	first := t.n
	syms := o.bytes(t.syms.off+uint64(first)*symSize, uint64(p.added)*symSize)
	for e := range o.each(list) {
		c := e.change()
		if !c.comes() {
			continue
		}
		t.name(o, e, c.now.name())
		putSym(syms[:symSize], e.str, c.now)
		syms = syms[symSize:]
		if t.vers != nil {
			le.PutUint16(o.bytes(t.vers.off+2*uint64(t.n), 2), versym(c.now))
		}
		t.n++
	}
	clear(o.bytes(t.chain(first), 4*uint64(p.added))) // nobody goes there yet
	o.put64(t.strszAt, t.strUsed)
	o.put32(t.hash.off+4, t.n)
	i := first
	for e := range o.each(list) {
		c := e.change()
		if !c.comes() {
			continue
		}
		// At the end of its chain: who has read how many symbols there are stops at one that is beyond.
		at := t.bucket(c.now)
		for j := o.get32(at); j != 0; j = o.get32(at) {
			at = t.chain(j)
		}
		o.put32(at, i)
		i++
	}
}

// bucket and chain return where the words of DT_HASH are.
func (t *dynTable) bucket(s *sym) uint64 {
	return t.hash.off + 8 + 4*uint64(elf.SysVHash(s.name())%t.buckets)
}

func (t *dynTable) chain(i uint32) uint64 {
	return t.hash.off + 8 + 4*(uint64(t.buckets)+uint64(i))
}

// find returns the index of the symbol of an entry that changes, and which word of DT_HASH leads there. Each has a place of its own
// in .dynstr.
func (t *dynTable) find(o *Object, c *change) (i uint32, at uint64) {
	e := c.e
	if t.n == 0 || e.str == 0 {
		return 0, 0
	}
	at = t.bucket(c.was)
	for i = o.get32(at); i != 0 && o.get32(t.syms.off+uint64(i)*symSize) != e.str; i = o.get32(at) {
		at = t.chain(i)
	}
	return i, at
}

// rewrite makes a symbol's entry say what it is bound to now.
func (t *dynTable) rewrite(o *Object, i, name uint32, s *sym) {
	at := t.syms.off + uint64(i)*symSize
	var b [symSize]byte
	putSym(b[:], name, s)
	o.put64(at+16, le.Uint64(b[16:]))
	o.put64(at, le.Uint64(b[:]))
	o.put64(at+8, le.Uint64(b[8:]))
	if t.vers != nil {
		le.PutUint16(o.bytes(t.vers.off+2*uint64(i), 2), versym(s))
	}
}

// drop takes a symbol away. Readers that are at it go on.
func (t *dynTable) drop(o *Object, c *change) {
	i, at := t.find(o, c)
	if i == 0 {
		return
	}
	o.put32(at, o.get32(t.chain(i)))
	at = t.syms.off + uint64(i)*symSize
	const weak = uint64(elf.STB_WEAK) << (4 + 32) // local ones come first, and others would be missed
	o.put64(at, weak)
	o.put64(at+8, 0)
	o.put64(at+16, 0)
	if t.vers != nil {
		le.PutUint16(o.bytes(t.vers.off+2*uint64(i), 2), 0)
	}
	t.strDead += uint64(len(c.was.name())) + 1
	c.e.str = 0
	t.dead++
}

// remake makes new tables of what there is and what is added, in the order of the buckets of DT_GNU_HASH.
func (t *dynTable) remake(x *tx, p *dynPlan, list entryList) {
	o := x.o
	f := &p.fresh
	f.strs, f.strUsed, f.strDead, f.verNames, f.imports, f.needs, f.wants = t.strs, t.strUsed, t.strDead, t.verNames, t.imports, t.needs, t.wants
	if p.strs != nil {
		x.replace(t.strs)
		f.moveNames(o, t, p)
	}
	for _, v := range (*o.versionList.Load())[len(f.verNames):] {
		f.verNames = append(f.verNames, uint32(f.strUsed))
		f.putName(o, v)
	}
	for _, m := range o.imports.list[len(f.imports):] {
		f.imports = append(f.imports, uint32(f.strUsed))
		f.putName(o, m.name)
	}
	for _, s := range o.needs[len(f.needs):] {
		f.needs = append(f.needs, uint32(f.strUsed))
		f.putName(o, s)
	}
	for _, w := range o.imports.wants[len(f.wants):] {
		f.wants = append(f.wants, uint32(f.strUsed))
		f.putName(o, w.version)
	}

	f.n = max(t.n-t.dead, 1) + p.added + uint32(len(f.imports)-len(t.imports))
	for e := range o.each(list) {
		if c := e.change(); c.comes() {
			f.name(o, e, c.now.name())
		}
	}
	f.writeSymbols(o)
	f.writeVersions(o)
	f.writeWants(o)
	f.writeDynamic(o)
	for _, e := range []*extent{t.dynamic, t.syms, t.vers, t.hash, t.gnu, t.defs, t.reqs, t.rela} {
		x.replace(e)
	}
	*t = *f
}

// writeSymbols writes .dynsym, DT_VERSYM and the hash tables, of all entries that have a name in .dynstr.
func (t *dynTable) writeSymbols(o *Object) {
	syms := o.bytes(t.syms.off, uint64(t.n)*symSize)
	var vers []byte
	if t.vers != nil {
		vers = o.bytes(t.vers.off, 2*uint64(t.n))
	}
	t.writeImports(o, syms, vers)
	g, h := t.beginGNUHash(o), t.beginHash(o)
	for e := range o.entries.all {
		if e.str != 0 {
			g.count(e.gnu)
		}
	}
	g.begin()
	for e := range o.entries.all {
		if e.str == 0 {
			continue
		}
		s := e.bound()
		i := g.put(e.gnu)
		h.put(i, elf.SysVHash(s.name()))
		putSym(syms[uint64(i)*symSize:], e.str, s)
		if vers != nil {
			le.PutUint16(vers[2*uint64(i):], versym(s))
		}
	}
	g.end()
	t.sorted = true
}

// first returns the index of the first symbol that is defined.
func (t *dynTable) first() uint32 { return 1 + uint32(len(t.imports)) }

// writeImports writes the symbols of imports, and DT_RELA: a word for each that gets its address (R_X86_64_GLOB_DAT).
func (t *dynTable) writeImports(o *Object, syms, vers []byte) {
	for i, m := range o.imports.list {
		bind := elf.STB_GLOBAL
		if m.weak {
			bind = elf.STB_WEAK
		}
		to := syms[(i+1)*symSize:][:symSize]
		clear(to)
		le.PutUint32(to, t.imports[i])
		to[4] = byte(bind) << 4
		if vers != nil {
			le.PutUint16(vers[2*(i+1):], t.wantSym(o, m))
		}
		r := o.bytes(t.rela.off+uint64(i)*relaSize, relaSize)
		le.PutUint64(r, uint64(m.Slot()-o.base))
		le.PutUint64(r[8:], uint64(i+1)<<32|uint64(elf.R_X86_64_GLOB_DAT))
	}
}

// moveNames makes a new .dynstr of the old one.
func (f *dynTable) moveNames(o *Object, t *dynTable, p *dynPlan) {
	f.strs = p.strs
	if !p.compact && t.strs != nil {
		copy(o.bytes(f.strs.off, t.strUsed), o.bytes(t.strs.off, t.strUsed))
		return
	}
	f.strUsed, f.strDead, f.verNames, f.imports, f.needs, f.wants = 1, 0, nil, nil, nil, nil
	f.putName(o, o.name) // DT_SONAME, at 1
	for e := range o.entries.all {
		if e.str != 0 {
			f.name(o, e, e.name())
		}
	}
}
