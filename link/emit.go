package link

import (
	"weld/image/elf"
)

// Relocations that are kept in the output (--emit-relocs): those of the objects as they are, also where code was rewritten, with
// their places as addresses and the symbols of the output. What leads to something that is not in the output becomes a relocation
// of type 0. Sections have symbols of their own then, in front of all others.

// An emitTable says which symbols of the output stand for those of the objects.
type emitTable struct {
	sections []*outSection // those with a symbol, which are symbols 1 and so on
	section  map[*outSection]uint32
	globals  map[symID]uint32
	locals   []map[uint32]uint32 // of each object
}

// emitSections finds the sections that get symbols, and returns the number of those.
func (l *linker) emitSections() uint32 {
	if !l.opt.EmitRelocs {
		return 0
	}
	l.emit = &emitTable{section: map[*outSection]uint32{}, globals: map[symID]uint32{}, locals: make([]map[uint32]uint32, len(l.objs))}
	for _, out := range l.outs {
		if len(out.members) > 0 {
			l.emit.sections = append(l.emit.sections, out)
			l.emit.section[out] = uint32(len(l.emit.sections))
		}
	}
	return uint32(len(l.emit.sections))
}

// numberEmitted notes which symbols have which index, now that the symbol table is sized.
func (l *linker) numberEmitted(firstGlobal uint32) {
	if l.emit == nil {
		return
	}
	for i, o := range l.objs {
		at := l.symtab.locals[i].at
		m := map[uint32]uint32{}
		for k := uint32(1); k < o.first; k++ {
			if e := o.sym(k); l.keepLocal(o, &e) {
				m[k] = at
				at++
			}
		}
		l.emit.locals[i] = m
	}
	for k, id := range l.symtab.globals {
		l.emit.globals[id] = firstGlobal + uint32(k)
	}
}

// writeSectionSymbols writes the symbols of sections.
func (l *linker) writeSectionSymbols(buf []byte) {
	if l.emit == nil {
		return
	}
	for i, out := range l.emit.sections {
		if out.index != 0 {
			l.class.putSym(buf[uint64(i+1)*l.class.sym:], 0, uint8(elf.STT_SECTION), 0, l.shndx(out), out.addr, 0)
		}
	}
}

// makeEmitted makes the sections of relocations.
func (l *linker) makeEmitted() {
	if l.emit == nil {
		return
	}
	for _, out := range l.emit.sections {
		n := 0
		l.eachEmitted(out, func(*object, *section, uint64, []byte) { n++ })
		if n == 0 {
			continue
		}
		name, typ := l.relSection(out.name)
		r := l.synthSection(name, typ, 0, l.class.word)
		r.out.flags |= shfInfoLink
		r.out.entsize = l.relSize
		r.out.link = l.symtab.tab.out
		r.out.info = func() uint32 { return uint32(out.index) }
		r.size = uint64(n) * l.relSize
		r.write = func(buf []byte) error {
			l.eachEmitted(out, func(o *object, s *section, at uint64, b []byte) {
				r := decodeRela(b)
				typ, sym, addend := r.typ, uint32(0), r.addend
				if r.sym != 0 {
					if sym, addend = l.emitSymbol(o, r); sym == 0 {
						typ, addend = 0, 0
					}
				}
				l.putRel(buf, at, typ, sym, addend)
				buf = buf[l.relSize:]
			})
			return nil
		}
	}
}

// eachEmitted calls fn for each relocation of an output section, with its address; that is right once there are addresses.
func (l *linker) eachEmitted(out *outSection, fn func(o *object, s *section, at uint64, b []byte)) {
	for _, m := range out.members {
		if m.obj >= 0 {
			o := l.objs[m.obj]
			s := &o.secs[m.sec]
			flip := o.flipped(m.sec, out, l.class.word)
			for b := o.relas(m.sec); len(b) >= relaSize; b = b[relaSize:] {
				off := le.Uint64(b)
				if flip {
					off = s.size - l.class.word - off
				}
				fn(o, s, o.addrIn(s, off), b)
			}
			continue
		}
		if l.eh == nil || l.synths[m.sec] != l.eh.synth {
			continue
		}
		for _, in := range l.eh.inputs {
			o := l.objs[in.obj]
			s := &o.secs[in.sec]
			rels := o.relas(in.sec)
			for _, r := range o.ehs[s.extra].recs {
				for k := r.relLo; r.live && k < r.relHi; k++ {
					b := rels[uint64(k)*relaSize:][:relaSize]
					fn(o, s, l.eh.addr()+r.out+le.Uint64(b)-uint64(r.off), b)
				}
			}
		}
	}
}

// emitSymbol returns the symbol of the output and the addend of a relocation; 0 if what it refers to is not in the output.
func (l *linker) emitSymbol(o *object, r rela) (uint32, int64) {
	if r.sym >= o.nsyms {
		return 0, 0
	}
	if r.sym >= o.first {
		return l.emit.globals[o.names.ids[r.sym-o.first]], r.addend
	}
	e := o.sym(r.sym)
	if k, ok := l.emit.locals[o.index][r.sym]; ok {
		return k, r.addend
	}
	if e.shndx == 0 || e.shndx >= shnBase {
		return 0, 0
	}
	s := &o.secs[e.shndx]
	if s.state != secLive || s.out < 0 {
		return 0, 0
	}
	out := l.outs[s.out]
	sym := l.emit.section[out]
	switch {
	case s.kind == secEh:
		return 0, 0
	case s.kind == secMerge && e.typ() == elf.STT_SECTION:
		return sym, int64(o.mergeAddr(s, e.value+uint64(r.addend)) - out.addr)
	case s.kind == secMerge:
		return sym, int64(o.mergeAddr(s, e.value)-out.addr) + r.addend
	}
	return sym, int64(o.addrIn(s, e.value)-out.addr) + r.addend
}
