package link

import (
	"cmp"
	"strings"

	"weld/image/elf"
)

// A symtab is .symtab and .strtab. Each object has a share of the local and of the global symbols, so that they are written in
// parallel.
type symtab struct {
	tab, str   *synth
	locals     []symShare
	nLocal     uint32
	globals    []symID
	globalName []uint32
	shstr      strTable
}

// A symShare is the local symbols of an object.
type symShare struct {
	syms  []keptSym
	at    uint32
	strAt uint32
	bytes uint64
}

// A keptSym is a local symbol of an object that is in the output's symbol table.
type keptSym struct {
	sym  uint32
	size uint32 // of its name
}

// keepLocal reports whether a local symbol of an object is in the output's symbol table.
func (l *linker) keepLocal(o *object, e *esym) bool {
	switch e.typ() {
	case elf.STT_SECTION:
		return false
	case elf.STT_FILE:
		return !l.opt.DiscardAll && l.retain == nil
	}
	if l.opt.DiscardAll || e.shndx == 0 || l.retain != nil && !l.retain[viewString(o.strName(e.name))] {
		return false
	}
	if e.shndx < shnBase {
		s := &o.secs[e.shndx]
		if s.state != secLive || s.out < 0 {
			return false
		}
		if name := o.strName(e.name); (l.opt.DiscardLocals || s.kind == secMerge) && strings.HasPrefix(viewString(name), ".L") {
			return false
		}
	}
	return e.name != 0
}

// makeSymtab sizes the symbol table.
func (l *linker) makeSymtab() error {
	if l.opt.Strip == StripAll {
		return nil
	}
	t := &l.symtab
	if l.opt.RetainSymbols != nil {
		l.retain = map[string]bool{}
		for _, name := range l.opt.RetainSymbols {
			l.retain[name] = true
		}
	}
	t.locals = make([]symShare, len(l.objs))
	err := l.parErr(len(l.objs), func(i int) error {
		o := l.objs[i]
		s := &t.locals[i]
		left := o.maxNames()
		s.syms = tableOf[keptSym](&l.mem, int(o.first))[:0]
		for k := uint32(1); k < o.first; k++ {
			if e := o.sym(k); l.keepLocal(o, &e) {
				n := len(o.strName(e.name))
				s.syms = append(s.syms, keptSym{k, uint32(n)})
				s.bytes += uint64(n) + 1
				if left -= int64(n); left < 0 {
					return o.errNames()
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	at, strAt := 1+l.emitSections(), uint64(1)
	for i := range t.locals {
		s := &t.locals[i]
		s.at, s.strAt = at, uint32(strAt)
		at += uint32(len(s.syms))
		strAt += s.bytes
	}
	hidden, visible := l.globalSymbols()
	t.nLocal = at + uint32(len(hidden))
	t.globals = append(hidden, visible...)
	t.globalName = make([]uint32, len(t.globals))
	for i, id := range t.globals {
		t.globalName[i] = uint32(strAt)
		strAt += uint64(len(l.symtabName(l.syms.at(id)))) + 1
	}
	if strAt > 1<<32-1 {
		return fileErr(ErrTooLarge, cmp.Or(l.opt.Output, "the output"), "section .strtab", "%d bytes of symbol names", strAt)
	}
	t.tab = l.synthSection(".symtab", shtSymtab, 0, l.class.word)
	t.tab.out.entsize = l.class.sym
	t.tab.size = l.class.sym * (uint64(at) + uint64(len(t.globals)))
	t.tab.out.info = func() uint32 { return t.nLocal }
	t.str = l.synthSection(".strtab", shtStrtab, 0, 1)
	t.str.size = strAt
	t.tab.out.link = t.str.out
	t.tab.write = l.writeSymtab
	l.numberEmitted(at)
	return nil
}

// globalSymbols returns the global symbols of the symbol table in the order of the objects that define them: those that other files
// cannot see, which become local, and the others, with what no object defines at the end.
func (l *linker) globalSymbols() (hidden, visible []symID) {
	lists := make([][2][]symID, len(l.objs)+nShards)
	add := func(i int, id symID, s *symbol) {
		if l.retain != nil && s.defined() && !l.retain[s.name] {
			return
		}
		k := 1
		if s.hidden() && s.defined() {
			k = 0
		}
		lists[i][k] = append(lists[i][k], id)
	}
	l.par(len(l.objs), func(i int) {
		o := l.objs[i]
		for k, id := range o.names.ids {
			s := l.syms.at(id)
			if (s.kind == symObject || s.kind == symCommon) && s.file == o.index && s.idx == o.first+uint32(k) && l.inOutput(s) {
				add(i, id, s)
			}
		}
	})
	l.par(nShards, func(n int) {
		for i := 1; i < len(l.syms.shards[n].syms); i++ {
			s := &l.syms.shards[n].syms[i]
			if s.kind == symLinker || !s.defined() && s.flags&(needTables|isExported) != 0 || s.kind == symUndef && s.flags&refObject != 0 && !s.hidden() {
				add(len(l.objs)+n, symID(uint32(n)<<idBits|uint32(i)), s)
			}
		}
	})
	for _, list := range lists {
		hidden = append(hidden, list[0]...)
		visible = append(visible, list[1]...)
	}
	return hidden, visible
}

// inOutput reports whether a symbol's section is in the output.
func (l *linker) inOutput(s *symbol) bool {
	if s.kind != symObject {
		return true
	}
	if s.shndx >= shnBase {
		return true
	}
	sec := &l.objs[s.file].secs[s.shndx]
	return sec.out >= 0 && sec.state == secLive
}

// symtabName returns the name of a symbol in .symtab, where its version is part of it.
func (l *linker) symtabName(s *symbol) string {
	if s.kind == symShared {
		d := l.dsos[s.file]
		if v := d.f.SymVersion(s.idx); v != nil {
			return s.bare() + "@" + v.Name
		}
	}
	return s.name
}

func (l *linker) writeSymtab(buf []byte) error {
	t := &l.symtab
	strs := l.synthBytes(t.str)
	l.writeSectionSymbols(buf)
	l.par(len(l.objs), func(i int) {
		o := l.objs[i]
		at, strAt := t.locals[i].at, t.locals[i].strAt
		for _, kept := range t.locals[i].syms {
			e := o.sym(kept.sym)
			copy(strs[strAt:], o.strtab[min(uint64(e.name), uint64(len(o.strtab))):][:kept.size])
			shndx, value := elf.SHN_ABS, e.value
			if e.shndx < shnBase && e.typ() != elf.STT_FILE {
				s := &o.secs[e.shndx]
				shndx = l.shndx(l.outs[s.out])
				if s.kind == secMerge {
					value = o.mergeAddr(s, e.value)
				} else {
					value = o.addrIn(s, e.value)
				}
				if e.typ() == elf.STT_TLS {
					value -= l.tlsStart
				}
			}
			// It is local whatever it says.
			l.class.putSym(buf[uint64(at)*l.class.sym:], strAt, e.info&15, e.other, shndx, value, o.sizeIn(e.shndx, e.value, e.size))
			at++
			strAt += kept.size + 1
		}
	})
	base := t.nLocal
	for _, id := range t.globals {
		if l.syms.at(id).hidden() && l.syms.at(id).defined() {
			base--
		}
	}
	l.par((len(t.globals)+1023)/1024, func(i int) {
		for k := i * 1024; k < min((i+1)*1024, len(t.globals)); k++ {
			s := l.syms.at(t.globals[k])
			copy(strs[t.globalName[k]:], l.symtabName(s))
			l.putSym(buf[(uint64(base)+uint64(k))*l.class.sym:], s, t.globalName[k], s.hidden() && s.defined())
		}
	})
	return nil
}
