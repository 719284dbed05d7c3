package live

import (
	"weld/image/elf"
)

// Versions (LSB, "Symbol Versioning"): DT_VERSYM has an index for each symbol, 1 for one without a version; DT_VERDEF
// names the indices from 2 on, and 1 as that of the object itself.
const (
	verGlobal   = 1
	verHidden   = 0x8000
	verdefSize  = 20
	verdauxSize = 8
)

func versym(s *sym) uint16 {
	v := s.version + verGlobal
	if s.old() {
		v |= verHidden
	}
	return v
}

// writeVersions writes DT_VERDEF.
func (t *dynTable) writeVersions(o *Object) {
	if t.defs == nil {
		return
	}
	names := append([]string{o.name}, *o.versionList.Load()...)
	const each = verdefSize + verdauxSize
	b := o.bytes(t.defs.off, uint64(len(names))*each)
	for i, name := range names {
		str, flags, next := uint32(1), uint16(elf.VER_FLG_BASE), uint32(each)
		if i > 0 {
			str, flags = t.verNames[i-1], 0
		}
		if i == len(names)-1 {
			next = 0
		}
		d := b[i*each:]
		le.PutUint16(d, 1) // vd_version
		le.PutUint16(d[2:], flags)
		le.PutUint16(d[4:], uint16(verGlobal+i))
		le.PutUint16(d[6:], 1) // vd_cnt: no parents
		le.PutUint32(d[8:], elf.SysVHash(name))
		le.PutUint32(d[12:], verdefSize)
		le.PutUint32(d[16:], next)
		le.PutUint32(d[20:], str)
	}
}

// bloomShift is the shift for the second bit of DT_GNU_HASH's Bloom filter.
const bloomShift = 26

// gnuSize returns the bytes of DT_GNU_HASH for n symbols, the null one included.
func gnuSize(t *dynTable, n uint32) uint64 {
	return 16 + 8*uint64(t.nbloom) + 4*(uint64(t.gbuckets)+uint64(n))
}

// gnuHash is DT_GNU_HASH while it is made. The symbols of a bucket follow each other, so they are counted first. Then a bucket
// has the index of its next symbol, and in the end, where the one before has ended, that of its first.
type gnuHash struct {
	bloom, buckets, chain []byte
	words, n              uint32 // of the filter, and buckets
	first                 uint32 // symbol
}

func (t *dynTable) beginGNUHash(o *Object) gnuHash {
	first := t.first()
	b := o.bytes(t.gnu.off, gnuSize(t, t.n-first))
	le.PutUint32(b, t.gbuckets)
	le.PutUint32(b[4:], first)
	le.PutUint32(b[8:], t.nbloom)
	le.PutUint32(b[12:], bloomShift)
	b = b[16:]
	filter, counts := 8*t.nbloom, 4*t.gbuckets
	return gnuHash{b[:filter], b[filter:][:counts], b[filter+counts:], t.nbloom, t.gbuckets, first}
}

func (g *gnuHash) bucket(i uint32) []byte { return g.buckets[4*i:][:4] }

func (g *gnuHash) count(h uint32) {
	b := g.bucket(h % g.n)
	le.PutUint32(b, le.Uint32(b)+1)
}

func (g *gnuHash) begin() {
	at := g.first
	for i := range g.n {
		b := g.bucket(i)
		n := le.Uint32(b)
		le.PutUint32(b, at)
		at += n
	}
}

// put returns the index that a symbol gets.
func (g *gnuHash) put(h uint32) uint32 {
	b := g.bucket(h % g.n)
	i := le.Uint32(b)
	le.PutUint32(b, i+1)
	w := g.bloom[8*(h/64&(g.words-1)):]
	le.PutUint64(w, le.Uint64(w)|1<<(h%64)|1<<(h>>bloomShift%64))
	le.PutUint32(g.chain[4*(i-g.first):], h&^1)
	return i
}

func (g *gnuHash) end() {
	at := g.first
	for i := range g.n {
		b := g.bucket(i)
		end := le.Uint32(b)
		if end == at {
			le.PutUint32(b, 0)
			continue
		}
		le.PutUint32(b, at)
		c := g.chain[4*(end-1-g.first):]
		le.PutUint32(c, le.Uint32(c)|1)
		at = end
	}
}

// sysvHash is DT_HASH while it is made.
type sysvHash struct {
	buckets, chain []byte
	n              uint32
}

func (t *dynTable) beginHash(o *Object) sysvHash {
	b := o.bytes(t.hash.off, t.hash.size)
	le.PutUint32(b, t.buckets)
	le.PutUint32(b[4:], t.n)
	return sysvHash{b[8:][:4*t.buckets], b[8+4*t.buckets:], t.buckets}
}

func (t *sysvHash) put(i, h uint32) {
	b := t.buckets[4*(h%t.n):][:4]
	copy(t.chain[4*i:][:4], b)
	le.PutUint32(b, i)
}

// writeDynamic writes .dynamic.
func (t *dynTable) writeDynamic(o *Object) {
	at := t.dynamic.off
	put := func(tag elf.DynTag, v uint64) {
		b := o.bytes(at, dynSize)
		le.PutUint64(b, uint64(tag))
		le.PutUint64(b[8:], v)
		at += dynSize
	}
	for _, s := range t.needs {
		put(elf.DT_NEEDED, uint64(s))
	}
	put(elf.DT_SONAME, 1)
	put(elf.DT_SYMTAB, t.syms.off)
	put(elf.DT_SYMENT, symSize)
	put(elf.DT_STRTAB, t.strs.off)
	t.strszAt = at + 8
	put(elf.DT_STRSZ, t.strUsed)
	put(elf.DT_HASH, t.hash.off)
	if t.vers != nil {
		put(elf.DT_VERSYM, t.vers.off)
	}
	if t.reqs != nil {
		put(elf.DT_VERNEED, t.reqs.off)
		put(elf.DT_VERNEEDNUM, t.wantFiles)
	}
	if t.defs != nil {
		put(elf.DT_VERDEF, t.defs.off)
		put(elf.DT_VERDEFNUM, uint64(len(t.verNames))+1)
	}
	if t.rela != nil {
		put(elf.DT_RELA, t.rela.off)
		put(elf.DT_RELASZ, relaSize*uint64(len(t.imports)))
		put(elf.DT_RELAENT, relaSize)
	}
	t.gnuAt = at
	put(elf.DT_GNU_HASH, t.gnu.off)
	put(elf.DT_NULL, 0)
}
