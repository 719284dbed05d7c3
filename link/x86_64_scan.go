package link

import (
	"fmt"
	"sync/atomic"

	"weld/image/elf"
)

// The processor's part, first half: what each relocation of an object asks of the tables of the output (x86-64 psABI, chapter
// "Relocation", and "ELF Handling For Thread-Local Storage" for the relaxations of TLS code).
//
// A relocation needs a GOT entry, a PLT entry, a copy of a library's variable, a dynamic relocation, or nothing. What it needs
// follows from its type and from whether the address is known here: it is for definitions in objects that no other file can
// take the place of (up to a load address in position-independent output), it is not for the rest, which are called imported.

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

// scan goes through the relocations of a section that is loaded.
func (sc *scanner) scan(sec uint32) {
	sc.sec, sc.s = sec, &sc.o.secs[sec]
	sc.data = sc.o.bytes(sec)
	rels := sc.o.relas(sec)
	sc.s.dynAt, sc.s.relAt = sc.o.ndyn, sc.o.nrelative
	if sc.s.kind == secEh {
		for _, r := range sc.o.ehs[sc.s.extra].recs {
			if r.live {
				sc.relas(rels[r.relLo*relaSize : r.relHi*relaSize])
			}
		}
	} else {
		sc.relas(rels)
	}
}

func (sc *scanner) relas(rels []byte) {
	for ; len(rels) >= relaSize; rels = rels[relaSize:] {
		r := decodeRela(rels)
		if r.typ == elf.R_X86_64_NONE {
			continue
		}
		if r.sym >= sc.o.nsyms {
			sc.err(r, "symbol %d of %d", r.sym, sc.o.nsyms)
			return
		}
		size, ok := relocSize(r.typ)
		if !ok {
			sc.err(r, "relocations of type %s are not known in objects", r.typ)
			continue
		}
		if !inRange(r.off, size, sc.s.size) || sc.s.typ == shtNobits {
			sc.err(r, "the place is outside the section of %#x bytes", sc.s.size)
			continue
		}
		t := sc.target(r.sym)
		if t.g != nil && t.g.kind == symUndef && t.g.has(refStrong) && !t.g.has(isImported) {
			sc.undef = append(sc.undef, undefRef{t.id, sc.sec, r.off})
			if !sc.l.leavesUndefined() {
				continue
			}
		}
		if skip := sc.rela(r, &t, rels[relaSize:]); skip {
			rels = rels[relaSize:]
		}
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
	return o.err(ErrReloc, place, "relocation %s against %s: %s", r.typ, name, fmt.Sprintf(format, args...))
}

// rela decides on one relocation. rest are those that follow; skip is set when the first of them belongs to this one.
func (sc *scanner) rela(r rela, t *target, rest []byte) (skip bool) {
	l := sc.l
	if t.ifunc() && !t.imported() {
		sc.ifunc(r, t)
		return false
	}
	switch r.typ {
	case elf.R_X86_64_64:
		sc.absolute(r, t)
	case elf.R_X86_64_32, elf.R_X86_64_32S, elf.R_X86_64_16, elf.R_X86_64_8:
		switch {
		case t.isAbs():
		case l.pic:
			sc.err(r, "%s needs an address that is known when linking; compile it with -fPIC", l.modeName())
		case t.imported():
			sc.direct(r, t)
		}
	case elf.R_X86_64_PC32, elf.R_X86_64_PC64, elf.R_X86_64_PC16, elf.R_X86_64_PC8, elf.R_X86_64_PC32_BND:
		if t.imported() {
			sc.direct(r, t)
		}
	case elf.R_X86_64_PLT32, elf.R_X86_64_PLT32_BND, elf.R_X86_64_PLTOFF64:
		if t.imported() {
			sc.need(t, needPLT)
		}
	case elf.R_X86_64_GOTPCRELX, elf.R_X86_64_REX_GOTPCRELX, elf.R_X86_64_GOTPCREL:
		if !sc.l.relaxGOT(sc.data, r, t) {
			sc.need(t, needGOT)
		}
	case elf.R_X86_64_GOT32, elf.R_X86_64_GOT64, elf.R_X86_64_GOTPCREL64:
		sc.need(t, needGOT)
	case elf.R_X86_64_GOTPLT64:
		sc.need(t, needGOT)
	case elf.R_X86_64_GOTOFF64:
		if t.imported() {
			sc.direct(r, t)
		}
	case elf.R_X86_64_TLSGD, elf.R_X86_64_TLSLD, elf.R_X86_64_GOTPC32_TLSDESC, elf.R_X86_64_TLSDESC_CALL, elf.R_X86_64_GOTTPOFF,
		elf.R_X86_64_TPOFF32, elf.R_X86_64_TPOFF64, elf.R_X86_64_DTPOFF32, elf.R_X86_64_DTPOFF64:
		return sc.tls(r, t, rest)
	}
	return false
}

// ifunc decides on a relocation against an indirect function of this output. Its address is that of its stub wherever it is
// taken, so that it is the same everywhere.
func (sc *scanner) ifunc(r rela, t *target) {
	switch r.typ {
	case elf.R_X86_64_PLT32, elf.R_X86_64_PLT32_BND, elf.R_X86_64_PLTOFF64:
		sc.need(t, needPLT)
	case elf.R_X86_64_GOTPCREL, elf.R_X86_64_GOTPCRELX, elf.R_X86_64_REX_GOTPCRELX, elf.R_X86_64_GOTPCREL64, elf.R_X86_64_GOT32, elf.R_X86_64_GOT64:
		sc.need(t, needGOT)
	case elf.R_X86_64_64:
		sc.need(t, needPLT|needCanonical)
		if sc.l.pic {
			sc.dynamic(r, true)
		}
	case elf.R_X86_64_32, elf.R_X86_64_32S:
		if sc.l.pic {
			sc.err(r, "%s needs an address that is known when linking; compile it with -fPIC", sc.l.modeName())
			return
		}
		fallthrough
	default:
		sc.need(t, needPLT|needCanonical)
	}
}

// absolute decides on a 64-bit address.
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
	if relative {
		sc.o.nrelative++
	} else {
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
		if r.typ == elf.R_X86_64_PC32 && g.kind != symShared && t.typ == elf.STT_FUNC || g.kind == symUndef && !g.has(refStrong) && r.typ == elf.R_X86_64_PC32 {
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

// relaxGOT reports whether a load from the GOT becomes an instruction that has the address itself. It is asked when relocations
// are scanned and again when they are applied.
func (l *linker) relaxGOT(data []byte, r rela, t *target) bool {
	if l.opt.NoRelax || r.typ == elf.R_X86_64_GOTPCREL || t.imported() || t.isAbs() || t.typ == elf.STT_GNU_IFUNC || r.addend != -4 {
		return false
	}
	if r.typ == elf.R_X86_64_REX_GOTPCRELX {
		return r.off >= 3 && data[r.off-2] == 0x8b && data[r.off-1]&0xc7 == 5
	}
	if r.off < 2 {
		return false
	}
	op, modrm := data[r.off-2], data[r.off-1]
	return op == 0x8b && modrm&0xc7 == 5 || op == 0xff && (modrm == 0x15 || modrm == 0x25)
}

// relocSize returns how many bytes a relocation changes, and false for types that are not for objects.
func relocSize(t elf.R_X86_64) (uint64, bool) {
	switch t {
	case elf.R_X86_64_8, elf.R_X86_64_PC8:
		return 1, true
	case elf.R_X86_64_16, elf.R_X86_64_PC16:
		return 2, true
	case elf.R_X86_64_PC32, elf.R_X86_64_GOT32, elf.R_X86_64_PLT32, elf.R_X86_64_GOTPCREL, elf.R_X86_64_32, elf.R_X86_64_32S,
		elf.R_X86_64_TLSGD, elf.R_X86_64_TLSLD, elf.R_X86_64_DTPOFF32, elf.R_X86_64_GOTTPOFF, elf.R_X86_64_TPOFF32,
		elf.R_X86_64_GOTPC32, elf.R_X86_64_SIZE32, elf.R_X86_64_GOTPC32_TLSDESC, elf.R_X86_64_PC32_BND, elf.R_X86_64_PLT32_BND,
		elf.R_X86_64_GOTPCRELX, elf.R_X86_64_REX_GOTPCRELX:
		return 4, true
	case elf.R_X86_64_TLSDESC_CALL:
		return 2, true
	case elf.R_X86_64_64, elf.R_X86_64_PC64, elf.R_X86_64_GOTOFF64, elf.R_X86_64_GOT64, elf.R_X86_64_GOTPCREL64, elf.R_X86_64_GOTPC64,
		elf.R_X86_64_GOTPLT64, elf.R_X86_64_PLTOFF64, elf.R_X86_64_SIZE64, elf.R_X86_64_DTPOFF64, elf.R_X86_64_TPOFF64:
		return 8, true
	}
	return 0, false
}
