package link

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"weld/image/elf"
)

// A symAux is where a symbol has its places in the tables of the output: indices, -1 for none.
type symAux struct {
	got    int32 // word of .got with the address
	irel   int32 // word of .got that the resolver of an indirect function fills in
	gottp  int32
	gd     int32 // first of two words
	desc   int32 // first of two words
	plt    int32 // entry of .plt
	stub   int32 // entry of .plt.got
	dynsym uint32
	copyAt uint64 // offset in the part for copies
	copyRO bool   // which of the two parts
}

// Kinds of GOT entries.
const (
	gotAddr uint8 = iota
	gotIrel
	gotTP
	gotGD
	gotLD
	gotDesc
)

// A gotEntry is an entry of .got.
type gotEntry struct {
	kind uint8
	word int32
	sym  symID
}

// A gotTable is the tables that relocations lead through.
type gotTable struct {
	entries []gotEntry
	words   int32
	plt     []symID // entries of .plt, each with a slot in .got.plt
	stubs   []gotEntry
	copies  []symID
	tlsld   int32

	got, gotPlt, pltSec, pltMain, pltGot *synth
	relaDyn, relaPlt                     *synth
	copyBSS, copyRO                      *synth
	// relative, other and irelative relocations of .rela.dyn, in this order.
	nRelative, nOther, nIrel uint32
	irelPlt                  bool // IRELATIVE relocations are in .rela.plt, where a static executable finds them
	// Sizes of the first entry of .plt, which is for lazy binding and may be missing, of the others, and of those of .plt.got.
	pltHead, pltEntry, stubSize uint64
}

// noPlaces is what symbols without places have.
var noPlaces = symAux{got: -1, irel: -1, gottp: -1, gd: -1, desc: -1, plt: -1, stub: -1}

// auxAt returns the places of a symbol, which are not to be changed.
func (l *linker) auxAt(s *symbol) *symAux {
	if s.aux == 0 {
		return &noPlaces
	}
	return &l.aux[s.aux-1]
}

// auxOf returns the places of a symbol, making room for them. It is not for concurrent use.
func (l *linker) auxOf(s *symbol) *symAux {
	if s.aux == 0 {
		l.aux = append(l.aux, noPlaces)
		s.aux = int32(len(l.aux))
	}
	return &l.aux[s.aux-1]
}

// reserveAux makes room for the places of n more symbols.
func (l *linker) reserveAux(n int) {
	if n += len(l.aux); n > cap(l.aux) {
		l.aux = append(tableOf[symAux](&l.mem, n)[:0], l.aux...)
	}
}

// scanRelocations finds what relocations need, and the symbols that are undefined.
func (l *linker) scanRelocations() error {
	scanners := make([]scanner, len(l.objs))
	var rooms sync.Pool
	err := l.parErr(len(l.objs), func(i int) error {
		o := l.objs[i]
		sc := &scanners[i]
		sc.l, sc.o = l, o
		room, _ := rooms.Get().(*[]bool)
		if room == nil {
			room = new([]bool)
		}
		sc.scanObject(room)
		rooms.Put(room)
		return sc.errs.err()
	})
	if e := l.reportUndefined(scanners); e != nil {
		var errs errorList
		errs.add(e)
		errs.add(err)
		return errs.err()
	}
	if err != nil {
		return err
	}
	var found []symID
	for i := range scanners {
		sc := &scanners[i]
		found = append(found, sc.found...)
		for _, k := range slices.Sorted(maps.Keys(sc.locals)) {
			e := sc.o.sym(k)
			id := l.syms.anonymous(symbol{
				name: sc.o.symName(k), kind: symObject, file: sc.o.index, idx: k, typ: e.typ(), size: e.size,
				flags: sc.locals[k] | isLocalized, abs: e.isAbs(), out: outNone, shndx: e.shndx, value: e.value,
			})
			if sc.o.localIDs == nil {
				sc.o.localIDs = map[uint32]symID{}
			}
			sc.o.localIDs[k] = id
			found = append(found, id)
		}
	}
	l.allocate(found)
	return nil
}

// allocate gives the symbols their places.
func (l *linker) allocate(found []symID) {
	type keyed struct {
		key uint64
		id  symID
	}
	list := make([]keyed, len(found))
	l.par((len(found)+1023)/1024, func(i int) {
		for k := i * 1024; k < min((i+1)*1024, len(found)); k++ {
			s := l.syms.at(found[k])
			list[k] = keyed{uint64(uint32(s.file))<<32 | uint64(s.idx), found[k]}
		}
	})
	slices.SortFunc(list, func(a, b keyed) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.id, b.id)) })
	for k := range list {
		found[k] = list[k].id
	}
	l.reserveAux(len(found))
	t := &l.got
	t.tlsld = -1
	t.words = int32(l.mi.gotHeader)
	word := func(kind uint8, n int32, id symID) int32 {
		w := t.words
		t.entries = append(t.entries, gotEntry{kind, w, id})
		t.words += n
		return w
	}
	for _, id := range found {
		s := l.syms.at(id)
		a := l.auxOf(s)
		ifunc := s.typ == elf.STT_GNU_IFUNC && s.kind == symObject && s.flags&isImported == 0
		switch {
		case ifunc && s.flags&needCanonical != 0:
			a.irel = word(gotIrel, 1, id)
			if s.flags&needGOT != 0 {
				a.got = word(gotAddr, 1, id)
			}
		case ifunc && s.flags&(needGOT|needPLT) != 0:
			a.irel = word(gotIrel, 1, id)
			a.got = a.irel
		case s.flags&needGOT != 0:
			a.got = word(gotAddr, 1, id)
		}
		if s.flags&needPLT != 0 {
			switch {
			case ifunc:
				a.stub = int32(len(t.stubs))
				t.stubs = append(t.stubs, gotEntry{gotIrel, a.irel, id})
			case s.flags&needCanonical == 0 && a.got >= 0:
				a.stub = int32(len(t.stubs))
				t.stubs = append(t.stubs, gotEntry{gotAddr, a.got, id})
			default:
				a.plt = int32(len(t.plt))
				t.plt = append(t.plt, id)
			}
		}
		if s.flags&needGOTTP != 0 {
			a.gottp = word(gotTP, 1, id)
		}
		if s.flags&needTLSGD != 0 {
			a.gd = word(gotGD, 2, id)
		}
		if s.flags&needTLSDesc != 0 {
			a.desc = word(gotDesc, 2, id)
		}
		if s.flags&needCopy != 0 {
			t.copies = append(t.copies, id)
		}
		if s.flags&isImported != 0 {
			s.flags |= needDynsym
		}
	}
	if l.needTLSLD.Load() {
		t.tlsld = word(gotLD, 2, 0)
	}
}

// gotRela says what an entry of .got needs of the run-time linker: up to two relocations, of types that are 0 for none.
func (l *linker) gotRela(e gotEntry) (first, second uint32) {
	dyn := &l.mi.dyn
	var s *symbol
	if e.sym != 0 {
		s = l.syms.at(e.sym)
	}
	imported := s != nil && s.flags&isImported != 0
	switch e.kind {
	case gotAddr:
		switch {
		case imported && s.flags&(needCopy|needCanonical) != 0 && l.opt.Mode != Shared && !l.pic:
			return 0, 0 // the address is that of the copy or the stub, which is here
		case imported:
			return dyn.globDat, 0
		case l.gotRelative(e) && !l.opt.PackRelative:
			return dyn.relative, 0
		}
	case gotIrel:
		return dyn.irelative, 0
	case gotTP:
		if imported || l.opt.Mode == Shared {
			return dyn.tpoff, 0
		}
	case gotGD:
		switch {
		case imported:
			return dyn.dtpmod, dyn.dtpoff
		case l.opt.Mode == Shared:
			return dyn.dtpmod, 0
		}
	case gotLD:
		if l.opt.Mode == Shared {
			return dyn.dtpmod, 0
		}
	case gotDesc:
		return dyn.tlsdesc, 0
	}
	return 0, 0
}

// makeTables makes the sections of the tables and sizes them.
func (l *linker) makeTables() {
	t := &l.got
	for _, o := range l.objs {
		o.relBase, o.dynBase = t.nRelative, t.nOther
		t.nRelative += o.nrelative
		t.nOther += o.ndyn
	}
	for _, e := range t.entries {
		first, second := l.gotRela(e)
		for _, r := range [2]uint32{first, second} {
			switch r {
			case 0:
			case l.mi.dyn.relative:
				t.nRelative++
			case l.mi.dyn.irelative:
				t.nIrel++
			default:
				t.nOther++
			}
		}
	}
	l.makeCopies()
	word := l.class.word
	relPlt, relType := l.relSection(".plt")
	relDyn, _ := l.relSection(".dyn")
	t.pltHead, t.pltEntry, t.stubSize = l.mach.pltSizes(l)
	ro, rw, rx := shfAlloc, shfAlloc|shfWrite, shfAlloc|shfExec
	gotPlt := l.synthSection(".got.plt", shtProgbits, rw, word)
	gotPlt.out.entsize = word
	t.gotPlt = gotPlt
	inGot := l.mi.gotHeader > 0 // _GLOBAL_OFFSET_TABLE_ is in .got
	if len(t.plt) > 0 || !inGot && (l.dynamic || l.gotUsed()) {
		gotPlt.size = word * (l.mi.gotPltHeader + uint64(len(t.plt)))
		gotPlt.out.keep = true
		gotPlt.write = l.writeGotPlt
	}
	if uint64(t.words) > l.mi.gotHeader || inGot && (l.dynamic || l.gotUsed()) {
		t.got = l.synthSection(".got", shtProgbits, rw, word)
		t.got.size = word * uint64(t.words)
		t.got.out.entsize = word
	}
	if len(t.plt) > 0 {
		l.makePlt(rx)
		t.relaPlt = l.synthSection(relPlt, relType, ro|shfInfoLink, word)
		t.relaPlt.size = l.relSize * uint64(len(t.plt))
	}
	if len(t.stubs) > 0 {
		t.pltGot = l.synthSection(".plt.got", shtProgbits, rx, 16)
		t.pltGot.size = uint64(len(t.stubs)) * t.stubSize
		t.pltGot.out.entsize = t.stubSize
		t.pltGot.write = func(buf []byte) error { return l.mach.writeStubs(l, buf) }
	}
	t.irelPlt = !l.dynamic
	if t.irelPlt && t.nIrel > 0 {
		if t.relaPlt == nil {
			t.relaPlt = l.synthSection(relPlt, relType, ro|shfInfoLink, word)
		}
		t.relaPlt.size += l.relSize * uint64(t.nIrel)
	}
	if t.relaPlt != nil {
		t.relaPlt.out.entsize = l.relSize
	}
	l.makeRelr()
	n := t.nRelative + t.nOther
	if !t.irelPlt {
		n += t.nIrel
	}
	if n > 0 {
		t.relaDyn = l.synthSection(relDyn, relType, ro, word)
		t.relaDyn.size = l.relSize * uint64(n)
		t.relaDyn.out.entsize = l.relSize
	}
}

// gotUsed reports whether an object refers to the table itself.
func (l *linker) gotUsed() bool {
	id := l.syms.find("_GLOBAL_OFFSET_TABLE_")
	return id != 0 && l.syms.at(id).flags&refObject != 0
}

// synthSection makes an output section with one part that the linker makes.
func (l *linker) synthSection(name string, typ, flags uint32, align uint64) *synth {
	return l.addSynth(l.output(name, typ, flags), align)
}

// makeCopies makes room for copies of variables of shared libraries (psABI, R_X86_64_COPY). Other names of the same variable in
// its library become names of the copy, so that the library finds that by each of them.
func (l *linker) makeCopies() {
	t := &l.got
	type place struct {
		file  int32
		value uint64
	}
	done := map[place]*symAux{}
	for _, id := range slices.Clone(t.copies) {
		s := l.syms.at(id)
		d := l.dsos[s.file]
		e := d.sym(s.idx)
		a := l.auxOf(s)
		if first := done[place{s.file, e.Value}]; first != nil {
			a.copyAt, a.copyRO = first.copyAt, first.copyRO
			t.copies = slices.DeleteFunc(t.copies, func(x symID) bool { return x == id })
			continue
		}
		part := &t.copyBSS
		name, typ := ".bss", shtNobits
		if d.readOnly(e.Value) && !l.opt.NoRelro {
			part, name, typ = &t.copyRO, ".data.rel.ro", shtProgbits
			a.copyRO = true
		}
		if *part == nil {
			*part = l.synthSection(name, typ, shfAlloc|shfWrite, 1)
		}
		p := *part
		align := d.align(e.Value)
		p.align = max(p.align, align)
		a.copyAt = alignUp(p.size, align)
		p.size = a.copyAt + e.Size
		t.nOther++
		where := *a
		done[place{s.file, e.Value}] = &where
		for _, k := range d.aliases(s.idx) {
			other := l.syms.find(d.f.SymName(d.sym(k)))
			if other == 0 || other == id {
				continue
			}
			if x := l.syms.at(other); x.kind == symShared && x.file == s.file && x.idx == k {
				x.flags |= needCopy | needDynsym
				b := l.auxOf(x)
				b.copyAt, b.copyRO = where.copyAt, where.copyRO
			}
		}
	}
}

// copyAddr returns the address of the copy of a variable.
func (l *linker) copyAddr(a *symAux) uint64 {
	if a.copyRO {
		return l.got.copyRO.addr() + a.copyAt
	}
	return l.got.copyBSS.addr() + a.copyAt
}
