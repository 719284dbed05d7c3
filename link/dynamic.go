package link

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"weld/image/elf"
)

// A strTable is a string table that holds each string once.
type strTable struct {
	data []byte
	at   map[string]uint32
}

func (t *strTable) add(s string) uint32 {
	if t.at == nil {
		t.at = map[string]uint32{"": 0}
		t.data = append(t.data, 0)
	}
	off, ok := t.at[s]
	if !ok {
		off = uint32(len(t.data))
		t.at[s] = off
		t.data = append(append(t.data, s...), 0)
	}
	return off
}

// A dynEntry is an entry of .dynamic whose value may be known only after the layout.
type dynEntry struct {
	tag elf.DynTag
	val func() uint64
}

// A dynTables is what the run-time linker reads.
type dynTables struct {
	strs    strTable
	syms    []dynSym // the null symbol not included
	local   int      // the number of those that are not in the GNU hash table
	entries []dynEntry

	dynamic, dynsym, dynstr, hash, gnuHash *synth
	versym, verdef, verneed                *synth
	buckets                                uint32 // of the GNU hash table
}

// A dynSym is a dynamic symbol.
type dynSym struct {
	id   symID
	name uint32
	hash uint32 // GNU hash
	// What they are sorted by: the bucket of the hash table plus 1, or 0, and the place of the definition.
	bucket uint32
	place  uint64
}

// bare returns the name of a symbol without a version.
func (s *symbol) bare() string {
	if s.flags&isVersioned != 0 {
		if at := strings.IndexByte(s.name, '@'); at > 0 {
			return s.name[:at]
		}
	}
	return s.name
}

// makeDynamic makes the tables of a dynamic output; the symbols are final.
func (l *linker) makeDynamic() error {
	if l.opt.Interpreter != "" && l.dynamic && l.opt.Mode != Shared {
		path := l.opt.Interpreter
		if path == DefaultInterpreter {
			path = l.mi.interpreter
		}
		s := l.synthSection(".interp", shtProgbits, shfAlloc, 1)
		s.size = uint64(len(path)) + 1
		s.write = func(buf []byte) error { copy(buf, path); return nil }
	}
	if !l.dynamic {
		return nil
	}
	d := &l.dyn
	d.strs.add("")
	l.collectDynsyms()
	d.dynsym = l.synthSection(".dynsym", shtDynsym, shfAlloc, l.class.word)
	d.dynsym.out.entsize = l.class.sym
	d.dynsym.size = l.class.sym * uint64(len(d.syms)+1)
	d.dynsym.write = l.writeDynsym
	d.dynsym.out.info = func() uint32 { return 1 }
	l.makeHash()
	if err := l.makeVersions(); err != nil {
		return err
	}
	l.makeEntries()
	d.dynstr = l.synthSection(".dynstr", shtStrtab, shfAlloc, 1)
	d.dynstr.size = uint64(len(d.strs.data))
	d.dynstr.write = func(buf []byte) error { copy(buf, d.strs.data); return nil }
	d.dynsym.out.link = d.dynstr.out
	d.dynamic.out.link = d.dynstr.out
	for _, s := range []*synth{d.hash, d.gnuHash, d.versym} {
		if s != nil {
			s.out.link = d.dynsym.out
		}
	}
	for _, s := range []*synth{d.verdef, d.verneed} {
		if s != nil {
			s.out.link = d.dynstr.out
		}
	}
	return nil
}

// collectDynsyms finds the dynamic symbols and sorts them: those that nothing is to be found by first, the others by the bucket
// of the GNU hash table.
func (l *linker) collectDynsyms() {
	d := &l.dyn
	parts := make([][]dynSym, len(l.syms.shards))
	sizes := make([]int, len(parts)) // of the names
	l.par(len(parts), func(n int) {
		for i := range l.syms.shards[n].syms {
			s := &l.syms.shards[n].syms[i]
			if s.flags&(needDynsym|isExported) == 0 || s.flags&isLocalized != 0 {
				continue
			}
			name := s.bare()
			x := dynSym{id: symID(uint32(n)<<idBits | uint32(i)), name: uint32(sizes[n]), hash: elf.GNUHash(name), place: uint64(uint32(s.file))<<32 | uint64(s.idx)}
			if l.hashed(s) {
				x.bucket = 1
			}
			sizes[n] += len(name) + 1
			parts[n] = append(parts[n], x)
		}
	})
	hashed, total, size := 0, 0, len(d.strs.data)
	starts := make([]int, len(parts)) // of the names in the string table
	for n, part := range parts {
		for i := range part {
			hashed += int(part[i].bucket)
		}
		total += len(part)
		starts[n] = size
		size += sizes[n]
	}
	// The names of symbols are not looked up: each is there once as it is.
	d.strs.data = append(d.strs.data, make([]byte, size-len(d.strs.data))...)
	d.buckets = uint32(max(1, hashed/4))
	l.par(len(parts), func(n int) {
		for i := range parts[n] {
			x := &parts[n][i]
			x.name += uint32(starts[n])
			x.bucket *= 1 + x.hash%d.buckets
			copy(d.strs.data[x.name:], l.syms.at(x.id).bare())
		}
	})
	// First by buckets, then each bucket.
	ends := make([]int, d.buckets+2)
	for _, part := range parts {
		for i := range part {
			ends[part[i].bucket+1]++
		}
	}
	for i := range ends[1:] {
		ends[i+1] += ends[i]
	}
	d.syms = tableOf[dynSym](&l.mem, total)
	for _, part := range parts {
		for i := range part {
			b := part[i].bucket
			d.syms[ends[b]] = part[i]
			ends[b]++
		}
	}
	first := 0
	for _, end := range ends[:d.buckets+1] {
		slices.SortFunc(d.syms[first:end], func(a, b dynSym) int {
			return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.id, b.id))
		})
		first = end
	}
	d.local = len(d.syms) - hashed
	l.reserveAux(len(d.syms))
	for i := range d.syms {
		l.auxOf(l.syms.at(d.syms[i].id)).dynsym = uint32(i + 1)
	}
}

// hashed reports whether lookups find a dynamic symbol here: it is defined, or is a function whose address is its stub here.
func (l *linker) hashed(s *symbol) bool {
	return s.defined() || s.flags&(needCopy|needCanonical) != 0 && l.opt.Mode != Shared
}

func (l *linker) writeDynsym(buf []byte) error {
	for i := range l.dyn.syms {
		x := &l.dyn.syms[i]
		s := l.syms.at(x.id)
		b := buf[uint64(i+1)*l.class.sym:]
		l.putSym(b, s, x.name, false)
	}
	return nil
}

// putSym writes a global symbol as it stands in the output, where it may have become local.
func (l *linker) putSym(b []byte, s *symbol, name uint32, local bool) {
	bind := elf.STB_GLOBAL
	typ, value, size, shndx, vis := s.typ, s.value, s.size, uint16(0), s.vis
	switch s.kind {
	case symObject:
		o := l.objs[s.file]
		switch {
		case s.weak:
			bind = elf.STB_WEAK
		case s.flags&isUnique != 0 && !l.opt.NoGNUUnique:
			bind = elf.STB_GNU_UNIQUE
		}
		shndx = elf.SHN_ABS
		if s.shndx < shnBase {
			sec := &o.secs[s.shndx]
			if sec.out >= 0 {
				shndx = l.shndx(l.outs[sec.out])
			}
			if sec.kind == secRelax {
				size = o.sizeIn(s.shndx, o.sym(s.idx).value, size)
			}
		}
		if typ == elf.STT_GNU_IFUNC && s.flags&needCanonical != 0 && s.flags&isImported == 0 {
			typ, size = elf.STT_FUNC, 0
			shndx = l.shndx(l.stubSection(l.auxAt(s)))
		} else if typ == elf.STT_GNU_IFUNC {
			value = l.resolverAddr(s)
		}
	case symCommon, symLinker:
		if s.weak {
			bind = elf.STB_WEAK
		}
		if typ == elf.STT_COMMON {
			typ = elf.STT_OBJECT
		}
		shndx = elf.SHN_ABS
		if s.out >= 0 {
			shndx = l.shndx(l.outs[s.out])
		}
	case symShared, symUndef:
		if s.flags&refStrong == 0 {
			bind = elf.STB_WEAK
		}
		vis = elf.STV_DEFAULT
		switch a := l.auxAt(s); {
		case s.flags&needCopy != 0:
			part := l.got.copyBSS
			if a.copyRO {
				part = l.got.copyRO
			}
			shndx = l.shndx(part.out)
			if d := l.dsos[s.file].sym(s.idx); d.Bind() == elf.STB_WEAK {
				bind = elf.STB_WEAK
			}
		case s.flags&needCanonical != 0 && l.opt.Mode != Shared:
			typ, size = elf.STT_FUNC, 0 // undefined with a value: psABI, "Function Addresses"
		default:
			value, size = 0, 0
			if typ == elf.STT_GNU_IFUNC {
				typ = elf.STT_FUNC
			}
		}
	}
	if typ == elf.STT_TLS && shndx != 0 && shndx != elf.SHN_ABS {
		value -= l.tlsStart
	}
	if bind == elf.STB_GNU_UNIQUE || typ == elf.STT_GNU_IFUNC {
		l.hasGNU.Store(true)
	}
	if local {
		bind = elf.STB_LOCAL
	}
	other := uint8(vis)
	if s.flags&isVariant != 0 {
		other |= stoVariant
	}
	l.class.putSym(b, name, uint8(bind)<<4|uint8(typ), other, shndx, value, size)
}

func (l *linker) stubSection(a *symAux) *outSection {
	if a.stub >= 0 {
		return l.got.pltGot.out
	}
	return l.got.pltMain.out
}

// shndx returns the section index for a symbol. One in a section that is not in the output is in the one before, or absolute.
func (l *linker) shndx(out *outSection) uint16 {
	switch {
	case out.index != 0:
		return uint16(out.index)
	case out.beside != nil:
		return uint16(out.beside.index)
	}
	return elf.SHN_ABS
}

// makeEntries lists .dynamic.
func (l *linker) makeEntries() {
	d := &l.dyn
	opt := l.opt
	add := func(tag elf.DynTag, v uint64) {
		d.entries = append(d.entries, dynEntry{tag, func() uint64 { return v }})
	}
	str := func(tag elf.DynTag, s string) { add(tag, uint64(d.strs.add(s))) }
	addr := func(tag elf.DynTag, s *synth) {
		if s != nil {
			d.entries = append(d.entries, dynEntry{tag, s.addr})
		}
	}
	size := func(tag elf.DynTag, s *synth) {
		if s != nil {
			d.entries = append(d.entries, dynEntry{tag, func() uint64 { return s.size }})
		}
	}
	for _, s := range l.dsos {
		str(elf.DT_NEEDED, s.soname)
	}
	for _, f := range opt.Filter {
		str(elf.DT_FILTER, f)
	}
	for _, f := range opt.Auxiliary {
		str(elf.DT_AUXILIARY, f)
	}
	if opt.Soname != "" && opt.Mode == Shared {
		str(elf.DT_SONAME, opt.Soname)
	}
	if len(opt.Rpath) > 0 {
		tag := elf.DT_RUNPATH
		if opt.OldDtags {
			tag = elf.DT_RPATH
		}
		str(tag, strings.Join(opt.Rpath, ":"))
	}
	for _, f := range []struct {
		tag  elf.DynTag
		name string
	}{{elf.DT_INIT, cmp.Or(opt.Init, "_init")}, {elf.DT_FINI, cmp.Or(opt.Fini, "_fini")}} {
		if id := l.syms.find(f.name); id != 0 {
			if s := l.syms.at(id); s.defined() {
				d.entries = append(d.entries, dynEntry{f.tag, func() uint64 { return s.value }})
			}
		}
	}
	for _, a := range []struct {
		name      string
		tag, size elf.DynTag
	}{{".preinit_array", elf.DT_PREINIT_ARRAY, elf.DT_PREINIT_ARRAYSZ}, {".init_array", elf.DT_INIT_ARRAY, elf.DT_INIT_ARRAYSZ}, {".fini_array", elf.DT_FINI_ARRAY, elf.DT_FINI_ARRAYSZ}} {
		if out := l.outByName[outKey{a.name, false}]; out != nil && len(out.members) > 0 && (opt.Mode != Shared || a.tag != elf.DT_PREINIT_ARRAY) {
			d.entries = append(d.entries, dynEntry{a.tag, func() uint64 { return out.addr }}, dynEntry{a.size, func() uint64 { return out.size }})
		}
	}
	addr(elf.DT_HASH, d.hash)
	addr(elf.DT_GNU_HASH, d.gnuHash)
	d.entries = append(d.entries, dynEntry{elf.DT_STRTAB, func() uint64 { return d.dynstr.addr() }})
	addr(elf.DT_SYMTAB, d.dynsym)
	d.entries = append(d.entries, dynEntry{elf.DT_STRSZ, func() uint64 { return d.dynstr.size }})
	add(elf.DT_SYMENT, l.class.sym)
	if opt.Mode != Shared {
		add(elf.DT_DEBUG, 0)
	}
	rel, relSz, relEnt, relCount := elf.DT_RELA, elf.DT_RELASZ, elf.DT_RELAENT, elf.DT_RELACOUNT
	if l.mi.rel {
		rel, relSz, relEnt, relCount = elf.DT_REL, elf.DT_RELSZ, elf.DT_RELENT, elf.DT_RELCOUNT
	}
	if l.got.relaPlt != nil && len(l.got.plt) > 0 {
		addr(elf.DT_PLTGOT, l.got.gotPlt)
		size(elf.DT_PLTRELSZ, l.got.relaPlt)
		add(elf.DT_PLTREL, uint64(rel))
		addr(elf.DT_JMPREL, l.got.relaPlt)
	}
	if l.got.relaDyn != nil {
		addr(rel, l.got.relaDyn)
		size(relSz, l.got.relaDyn)
		add(relEnt, l.relSize)
		if l.got.nRelative > 0 {
			add(relCount, uint64(l.got.nRelative))
		}
	}
	if l.relr != nil {
		addr(elf.DT_RELR, l.relr)
		size(elf.DT_RELRSZ, l.relr)
		add(elf.DT_RELRENT, l.class.word)
	}
	l.flagEntries(add)
	if m, ok := l.mach.(dynamicAdder); ok {
		m.dynamicEntries(l, add)
	}
	addr(elf.DT_VERSYM, d.versym)
	if d.verdef != nil {
		addr(elf.DT_VERDEF, d.verdef)
		add(elf.DT_VERDEFNUM, uint64(d.verdef.out.info()))
	}
	if d.verneed != nil {
		addr(elf.DT_VERNEED, d.verneed)
		add(elf.DT_VERNEEDNUM, uint64(d.verneed.out.info()))
	}
	add(elf.DT_NULL, 0)
	flags := shfAlloc | shfWrite
	if opt.ReadOnlyDynamic {
		flags = shfAlloc
	}
	d.dynamic = l.synthSection(".dynamic", shtDynamic, flags, l.class.word)
	d.dynamic.out.entsize = l.class.dyn
	d.dynamic.size = l.class.dyn * uint64(len(d.entries))
	d.dynamic.write = func(buf []byte) error {
		for i, e := range d.entries {
			b := buf[uint64(i)*l.class.dyn:]
			l.class.putWord(b, uint64(e.tag))
			l.class.putWord(b[l.class.word:], e.val())
		}
		return nil
	}
}

// flagEntries adds DT_FLAGS, DT_FLAGS_1 and what goes with them.
func (l *linker) flagEntries(add func(elf.DynTag, uint64)) {
	opt := l.opt
	var flags elf.DynFlag
	var flags1 elf.DynFlag1
	set := func(on bool, f elf.DynFlag, f1 elf.DynFlag1) {
		if on {
			flags |= f
			flags1 |= f1
		}
	}
	set(opt.Now, elf.DF_BIND_NOW, elf.DF_1_NOW)
	set(opt.Origin, elf.DF_ORIGIN, elf.DF_1_ORIGIN)
	set(opt.Symbolic && opt.Mode == Shared, elf.DF_SYMBOLIC, 0)
	set(l.textrel.Load(), elf.DF_TEXTREL, 0)
	set(l.staticTLS.Load() && opt.Mode == Shared, elf.DF_STATIC_TLS, 0)
	set(opt.NoDelete, 0, elf.DF_1_NODELETE)
	set(opt.NoOpen, 0, elf.DF_1_NOOPEN)
	set(opt.InitFirst, 0, elf.DF_1_INITFIRST)
	set(opt.Interpose, 0, elf.DF_1_INTERPOSE)
	set(opt.NoDefaultLib, 0, elf.DF_1_NODEFLIB)
	set(opt.Global, 0, elf.DF_1_GLOBAL)
	set(opt.Mode == PIE, 0, elf.DF_1_PIE)
	if l.textrel.Load() {
		if opt.WarnTextrel {
			l.warn("the output has run-time relocations of read-only sections (DT_TEXTREL)")
		}
		add(elf.DT_TEXTREL, 0)
	}
	if flags&elf.DF_SYMBOLIC != 0 {
		add(elf.DT_SYMBOLIC, 0)
	}
	if flags != 0 {
		add(elf.DT_FLAGS, uint64(flags))
	}
	if flags1 != 0 {
		add(elf.DT_FLAGS_1, uint64(flags1))
	}
}

// sonameOf is what the output is called in version definitions.
func (l *linker) sonameOf() string {
	return cmp.Or(l.opt.Soname, filepath.Base(l.opt.Output))
}
