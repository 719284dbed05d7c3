package link

import (
	"fmt"
	"slices"
	"sync/atomic"

	"weld/image/elf"
)

// A scanner goes through the relocations of one object.
type scanner struct {
	l      *linker
	o      *object
	sec    uint32
	s      *section
	data   []byte
	errs   errorList
	found  []symID           // symbols that have got their first flag here
	locals map[uint32]uint32 // flags of local symbols
	plain  []bool            // of symbols: their address is known here, and they are no indirect functions
	undef  []undefRef
}

// An undefRef is a reference to an undefined symbol.
type undefRef struct {
	sym symID
	sec uint32
	off uint64
}

// A target is what a relocation refers to.
type target struct {
	id    symID // 0 for a local symbol
	g     *symbol
	local uint32 // index of a local symbol
	e     esym   // of a local symbol
	typ   elf.SymType
}

// imported reports whether the run-time linker finds the address.
func (t *target) imported() bool { return t.g != nil && t.g.has(isImported) }

// isAbs reports whether the value does not move with the load address.
func (t *target) isAbs() bool {
	if t.g == nil {
		return t.e.isAbs()
	}
	return t.g.kind == symUndef && !t.g.has(isImported) || t.g.abs
}

// ifunc reports whether the symbol is an indirect function whose resolver is linked here.
func (t *target) ifunc() bool {
	return t.typ == elf.STT_GNU_IFUNC && (t.g == nil || t.g.kind == symObject)
}

func (sc *scanner) target(sym uint32) target {
	if sym < sc.o.first {
		e := sc.o.sym(sym)
		return target{local: sym, e: e, typ: e.typ()}
	}
	id := sc.o.names.ids[sym-sc.o.first]
	g := sc.l.syms.at(id)
	return target{id: id, g: g, typ: g.typ}
}

// need notes what a symbol needs.
func (sc *scanner) need(t *target, flags uint32) {
	if t.g == nil {
		if sc.locals == nil {
			sc.locals = map[uint32]uint32{}
		}
		sc.locals[t.local] |= flags
		return
	}
	if old := atomic.LoadUint32(&t.g.flags); old&flags == flags {
		return
	}
	if old := atomic.OrUint32(&t.g.flags, flags); old&needTables == 0 {
		sc.found = append(sc.found, t.id)
	}
}

// scanObject goes through all relocations of sections that are loaded. room is memory for plain.
func (sc *scanner) scanObject(room *[]bool) {
	o := sc.o
	for k := range o.secs {
		s := &o.secs[k]
		if s.state != secLive || !s.alloc() || s.kind == secFolded || s.rel == 0 && s.kind != secEh {
			continue
		}
		if sc.plain == nil && sc.l.mi.values {
			sc.findPlain(room)
		}
		sc.scan(uint32(k))
	}
	sc.plain = nil
}

// findPlain fills in plain.
func (sc *scanner) findPlain(room *[]bool) {
	o := sc.o
	*room = slices.Grow((*room)[:0], int(o.nsyms))
	sc.plain = (*room)[:o.nsyms]
	for k := range o.first {
		shndx, typ := o.symPlace(k)
		sc.plain[k] = shndx != 0 && shndx < shnBase && o.secs[shndx].state == secLive && typ != elf.STT_GNU_IFUNC
	}
	for k, id := range o.names.ids {
		g := sc.l.syms.at(id)
		sc.plain[int(o.first)+k] = g.kind != symUndef && !g.abs && g.typ != elf.STT_GNU_IFUNC && !g.has(isImported)
	}
}

// scan goes through the relocations of a section that is loaded.
func (sc *scanner) scan(sec uint32) {
	sc.sec, sc.s = sec, &sc.o.secs[sec]
	sc.data = sc.o.bytes(sec)
	rels := sc.o.relas(sec)
	sc.s.dynAt, sc.s.relAt = sc.o.ndyn, sc.o.nrelative
	if sc.s.kind == secEh {
		for _, r := range sc.o.ehs[sc.s.extra].recs {
			if r.live {
				sc.l.mach.scan(sc, rels[r.relLo*relaSize:r.relHi*relaSize])
			}
		}
	} else {
		sc.l.mach.scan(sc, rels)
	}
}

func (sc *scanner) err(r rela, format string, args ...any) {
	if len(sc.errs) < 20 {
		sc.errs.add(sc.l.relocErr(sc.o, sc.sec, r, format, args...))
	}
}

// relocErr makes an error about a relocation.
func (l *linker) relocErr(o *object, sec uint32, r rela, format string, args ...any) error {
	name := fmt.Sprintf("symbol %d", r.sym)
	if r.sym < o.nsyms {
		name = o.symName(r.sym)
	}
	place := fmt.Sprintf("(%s+%#x)", o.secName(sec), r.off)
	if fn := o.function(sec, r.off); fn != "" {
		place += " in " + fn
	}
	if src := o.sourceLine(sec, r.off); src != "" {
		place = src + ": " + place
	}
	return o.err(ErrReloc, place, "relocation %s against %s: %s", l.mach.relocName(r.typ), name, fmt.Sprintf(format, args...))
}

// begin checks a relocation of a loaded section and returns what it refers to; false if there is nothing more to do for it.
// size is what the machine's relocSize returns for it.
func (sc *scanner) begin(r *rela, size uint64, known bool) (target, bool) {
	if r.sym >= sc.o.nsyms {
		sc.err(*r, "symbol %d of %d", r.sym, sc.o.nsyms)
		return target{}, false
	}
	if !known {
		sc.err(*r, "relocations of type %s are not known in objects", sc.l.mach.relocName(r.typ))
		return target{}, false
	}
	if !inRange(r.off, size, sc.s.size) || sc.s.typ == shtNobits {
		sc.err(*r, "the place is outside the section of %#x bytes", sc.s.size)
		return target{}, false
	}
	t := sc.target(r.sym)
	if t.g == nil && sc.lost(&t) {
		sc.err(*r, "the symbol is local to %s, of which the group in another file was taken", sc.o.place(t.e.shndx))
		return t, false
	}
	if t.g != nil && t.g.kind == symUndef && t.g.has(refStrong) && !t.g.has(isImported) {
		sc.undef = append(sc.undef, undefRef{t.id, sc.sec, r.off})
		return t, sc.l.leavesUndefined()
	}
	return t, true
}

// lost reports whether a local symbol went with its section, as another file has a group of the same signature, and the section that
// refers to it ought not to. Tables of exceptions have places of all functions of the file.
func (sc *scanner) lost(t *target) bool {
	shndx := t.e.shndx
	return shndx != 0 && shndx < shnBase && sc.o.secs[shndx].state == secGroup && sc.s.kind != secEh &&
		!hasPart(sc.o.secName(sc.sec), ".gcc_except_table")
}

// got decides on a relocation that needs an entry of .got.
func (sc *scanner) got(t *target) { sc.need(t, needGOT) }

// branch decides on a call or jump.
func (sc *scanner) branch(t *target) {
	if t.imported() || t.ifunc() {
		sc.need(t, needPLT)
	}
}

// relative decides on the distance to a symbol. The address of an indirect function is that of its stub wherever it is taken, so
// that it is the same everywhere.
func (sc *scanner) relative(r *rela, t *target) {
	switch {
	case t.imported():
		sc.direct(*r, t)
	case t.ifunc():
		sc.need(t, needPLT|needCanonical)
	}
}

// narrow decides on an address that is stored in less than a word.
func (sc *scanner) narrow(r *rela, t *target) {
	switch {
	case t.isAbs():
	case sc.l.pic:
		sc.err(*r, "%s needs an address that is known when linking; compile it with -fPIC", sc.l.modeName())
	default:
		sc.relative(r, t)
	}
}

// tlsSymbol reports whether a relocation of thread-local storage is against a thread-local variable, or anything where it is for
// the module.
func (sc *scanner) tlsSymbol(r *rela, t *target, module bool) bool {
	if t.typ != elf.STT_TLS && t.typ != elf.STT_SECTION && !(t.g != nil && t.g.kind == symUndef) && !module {
		sc.err(*r, "the symbol is no thread-local variable")
		return false
	}
	return true
}

// localExec decides on an offset from the thread pointer that has to be known when linking.
func (sc *scanner) localExec(r *rela, t *target) {
	switch {
	case sc.l.opt.Mode == Shared:
		sc.err(*r, "a shared library does not know where its thread-local variables are; compile it with -fPIC")
	case t.imported():
		sc.err(*r, "the thread-local variable is in a shared library; compile with -fPIE")
	}
}

// absolute decides on an address of a word.
func (sc *scanner) absolute(r rela, t *target) {
	l := sc.l
	switch {
	case t.imported():
		writable := sc.s.flags&shfWrite != 0
		if l.pic || writable && !l.opt.Static {
			if l.opt.Mode != Shared && !writable && !l.opt.NoText {
				sc.direct(r, t)
				if l.pic {
					sc.dynamic(r, true)
				}
				return
			}
			sc.dynamic(r, false)
			sc.need(t, needDynsym)
			return
		}
		sc.direct(r, t)
	case t.ifunc():
		sc.need(t, needPLT|needCanonical)
		if l.pic {
			sc.dynamic(r, true)
		}
	case t.isAbs():
	case l.pic:
		sc.dynamic(r, true)
	}
}

// dynamic counts a dynamic relocation of the section.
func (sc *scanner) dynamic(r rela, relative bool) {
	if sc.s.flags&shfWrite == 0 {
		if !sc.l.opt.NoText {
			sc.err(r, "it needs a run-time relocation in read-only %s; compile the object with -fPIC", sc.o.secName(sc.sec))
			return
		}
		sc.l.textrel.Store(true)
	}
	switch {
	case relative && sc.l.packable(sc.s, r.off):
		sc.o.relrs = append(sc.o.relrs, relrRef{sc.sec, r.off})
	case relative:
		sc.o.nrelative++
	default:
		sc.o.ndyn++
	}
}

// direct decides on a relocation that needs the address of an imported symbol when linking: a function gets a stub that is its
// address in the whole program, a variable is copied into the program.
func (sc *scanner) direct(r rela, t *target) {
	l := sc.l
	g := t.g
	switch {
	case l.opt.Mode == Shared:
		if g.kind != symShared && t.typ == elf.STT_FUNC || g.kind == symUndef && !g.has(refStrong) {
			sc.err(r, "the symbol can be taken over by another file, so its address is not known; compile with -fPIC or make it hidden")
			return
		}
		sc.err(r, "a shared library cannot refer directly to a symbol that another file can define; compile with -fPIC")
	case g.kind == symUndef:
		// An undefined weak symbol, or one that the run-time linker may find: 0 where the address has to be known now.
	case t.typ == elf.STT_FUNC || t.typ == elf.STT_GNU_IFUNC || t.typ == elf.STT_NOTYPE && g.size == 0:
		sc.need(t, needPLT|needCanonical|needDynsym)
	case t.typ == elf.STT_TLS:
		sc.err(r, "a thread-local variable of a shared library is used as if it were none")
	case l.opt.NoCopyReloc:
		sc.err(r, "it needs a copy of the variable, which -z nocopyreloc forbids; compile with -fPIE")
	default:
		d := l.dsos[g.file]
		if d.sym(g.idx).Visibility() == elf.STV_PROTECTED {
			sc.err(r, "the variable is protected in %s and cannot be copied; compile with -fPIC", d.name)
			return
		}
		if size := d.sym(g.idx).Size; size > maxSection {
			sc.err(r, "the variable of %#x bytes is too large to be copied from %s", size, d.name)
			return
		}
		sc.need(t, needCopy|needDynsym)
	}
}

// modeName says in messages what is made.
func (l *linker) modeName() string {
	switch l.opt.Mode {
	case Shared:
		return "a shared library"
	case PIE:
		return "a position-independent executable"
	}
	return "an executable"
}

// tlsModel is what becomes of TLS code.
type tlsModel uint8

const (
	tlsKeep tlsModel = iota
	tlsIE            // the offset from the thread pointer is loaded from the GOT
	tlsLE            // it is in the instruction
)

// tlsModel returns what becomes of code of the general dynamic model. Where there is no run-time linker it has to be rewritten. (gcc says
// -static as -Bstatic for some processors, so it is also to be seen from there being no libraries.)
func (l *linker) tlsModel(t *target) tlsModel {
	switch {
	case l.opt.Mode == Shared || l.opt.NoRelax && !l.opt.Static && len(l.dsos) > 0:
		return tlsKeep
	case t.imported():
		return tlsIE
	}
	return tlsLE
}
