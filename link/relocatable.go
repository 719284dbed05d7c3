package link

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"weld/image/elf"
)

// Combining objects to one (-r). Sections of the same name, type and flags become one, but those of groups stay apart, as one group
// may be dropped later and not another; relocations are kept with new symbols and offsets; nothing has an address.

// A combined is the tables of a combined object.
type combined struct {
	locals  []combinedSym
	globals []symID
	strs    strTable
	first   uint32 // index of the first global symbol
	// localIndex is the new index of the local symbols of each object; section symbols have their section's.
	localIndex [][]uint32
	relas      []*outSection // by output section
	symtab     *synth
}

type combinedSym struct {
	obj  int32
	sym  uint32
	name uint32
}

type combineKey struct {
	name       string
	typ, flags uint32
	entsize    uint32
	group      string // of a section that stays apart, what it belongs to
}

// combine makes a relocatable object of all objects.
func (l *linker) combine() error {
	if len(l.dsos) > 0 {
		return fileErr(ErrFormat, l.dsos[0].name, "", "a shared library cannot be part of a relocatable object")
	}
	c := new(combined)
	l.combineSections()
	if err := l.mergeFiles(); err != nil {
		return err
	}
	l.mergeProperties()
	l.ibt = false
	l.makeNotes()
	l.stackNote()
	if err := l.sizeSections(); err != nil {
		return err
	}
	order := slices.DeleteFunc(slices.Clone(l.outs), func(o *outSection) bool { return len(o.members) == 0 })
	for i, out := range order {
		out.index = i + 1
	}
	if err := l.combineSymbols(c, order); err != nil {
		return err
	}
	groups, err := l.combineGroups(c)
	if err != nil {
		return err
	}
	order = append(order, l.combineRelas(c, order)...)
	order = append(groups, order...)
	c.symtab = l.synthSection(".symtab", shtSymtab, 0, l.class.word)
	c.symtab.out.entsize = l.class.sym
	c.symtab.size = l.class.sym * (uint64(c.first) + uint64(len(c.globals)))
	c.symtab.out.info = func() uint32 { return c.first }
	strtab := l.synthSection(".strtab", shtStrtab, 0, 1)
	strtab.size = uint64(len(c.strs.data))
	strtab.write = func(buf []byte) error { copy(buf, c.strs.data); return nil }
	c.symtab.out.link = strtab.out
	c.symtab.write = func(buf []byte) error { l.writeCombinedSymbols(c, buf); return nil }
	order = append(order, c.symtab.out, strtab.out)
	if err := l.sizeSections(); err != nil {
		return err
	}
	for _, out := range order {
		if out.typ == l.relType() || out.typ == shtGroup {
			out.link = c.symtab.out
		}
	}
	return l.layoutCombined(order)
}

// combineSections assigns the sections of all objects to sections of the output.
func (l *linker) combineSections() {
	byKey := map[combineKey]*outSection{}
	for oi, o := range l.objs {
		inGroup := map[uint32]string{}
		for gi := range o.groups {
			g := &o.groups[gi]
			for m := g.members; len(m) > 0; m = m[4:] {
				inGroup[le.Uint32(m)] = fmt.Sprintf("%d.%d", oi, gi)
			}
		}
		for i := range o.secs {
			s := &o.secs[i]
			if s.state != secLive {
				continue
			}
			key := combineKey{o.secName(uint32(i)), s.typ, s.flags &^ shfInfoLink, s.entsize, inGroup[uint32(i)]}
			if key.group == "" {
				key.flags &^= shfGroup
			}
			if s.flags&shfLinkOrder != 0 {
				key.group += fmt.Sprintf("/%d.%d", oi, i)
			}
			out := byKey[key]
			if out == nil {
				out = &outSection{name: key.name, typ: s.typ, flags: key.flags, order: len(l.outs), align: 1, entsize: uint64(s.entsize)}
				byKey[key] = out
				l.outs = append(l.outs, out)
			}
			s.out = int32(out.order)
			out.members = append(out.members, secRef{int32(oi), uint32(i)})
		}
	}
	for _, o := range l.objs {
		for i := range o.secs {
			if s := &o.secs[i]; s.out >= 0 && s.flags&shfLinkOrder != 0 && s.link < uint32(len(o.secs)) && o.secs[s.link].out >= 0 {
				l.outs[s.out].link = l.outs[o.secs[s.link].out]
			}
		}
	}
}

// stackNote makes .note.GNU-stack, if all objects have it.
func (l *linker) stackNote() {
	flags := uint32(0)
	for _, o := range l.objs {
		if !o.stackNote {
			return
		}
		if o.execStack {
			flags = shfExec
		}
	}
	l.synthSection(".note.GNU-stack", shtProgbits, flags, 1)
}

// combineSymbols numbers the symbols: sections, local symbols by object, global ones.
func (l *linker) combineSymbols(c *combined, order []*outSection) error {
	c.strs.add("")
	next := uint32(1 + len(order))
	c.localIndex = make([][]uint32, len(l.objs))
	for oi, o := range l.objs {
		c.localIndex[oi] = make([]uint32, o.first)
		left := o.maxNames()
		for k := uint32(1); k < o.first; k++ {
			e := o.sym(k)
			section := e.shndx < shnBase && e.shndx != 0
			if section && o.secs[e.shndx].out < 0 && !o.keptGroup(e.shndx) {
				continue
			}
			if section && e.typ() == elf.STT_SECTION && o.secs[e.shndx].out >= 0 {
				c.localIndex[oi][k] = uint32(l.outs[o.secs[e.shndx].out].index)
				continue
			}
			// Section symbols come first, in the order of the sections: their index does not change when tables are put before these.
			c.localIndex[oi][k] = next
			name := string(o.strName(e.name))
			if left -= int64(len(name)); left < 0 {
				return o.errNames()
			}
			c.locals = append(c.locals, combinedSym{int32(oi), k, c.strs.add(name)})
			next++
		}
	}
	c.first = next
	for _, o := range l.objs {
		for _, id := range o.names.ids {
			if s := l.syms.at(id); s.aux == 0 {
				s.aux = int32(next)
				next++
				c.globals = append(c.globals, id)
				c.strs.add(l.combinedName(s))
			}
		}
	}
	if uint64(len(c.strs.data)) > math.MaxUint32 {
		return fileErr(ErrTooLarge, cmp.Or(l.opt.Output, "the output"), "section .strtab", "%d bytes of symbol names", len(c.strs.data))
	}
	return nil
}

// combineGroups makes the sections of the groups that are kept.
func (l *linker) combineGroups(c *combined) ([]*outSection, error) {
	var groups []*outSection
	for oi, o := range l.objs {
		for gi := range o.groups {
			g := &o.groups[gi]
			var members []*outSection
			for m := g.members; len(m) > 0; m = m[4:] {
				if s := &o.secs[le.Uint32(m)]; s.out >= 0 && !slices.Contains(members, l.outs[s.out]) {
					members = append(members, l.outs[s.out])
				}
			}
			if len(members) == 0 {
				continue
			}
			sym := c.newIndex(l, int32(oi), g.sym)
			out := &outSection{name: ".group", typ: shtGroup, order: len(l.outs), align: 4, entsize: 4, info: func() uint32 { return sym }}
			g.out = out
			l.outs = append(l.outs, out)
			p := l.addSynth(out, 4)
			p.size = 4
			for _, m := range members {
				p.size += 4
				if l.hasRelas(m) {
					p.size += 4
				}
			}
			p.write = func(buf []byte) error {
				le.PutUint32(buf, grpComdat)
				buf = buf[4:]
				for _, m := range members {
					le.PutUint32(buf, uint32(m.index))
					buf = buf[4:]
					if r := c.relas[m.order]; r != nil {
						le.PutUint32(buf, uint32(r.index))
						buf = buf[4:]
					}
				}
				return nil
			}
			groups = append(groups, out)
		}
	}
	return groups, nil
}

// keptGroup reports whether section sec lists a group that is kept.
func (o *object) keptGroup(sec uint32) bool {
	for gi := range o.groups {
		g := &o.groups[gi]
		if g.sec != sec {
			continue
		}
		for m := g.members; len(m) > 0; m = m[4:] {
			if o.secs[le.Uint32(m)].out >= 0 {
				return true
			}
		}
	}
	return false
}

func (l *linker) hasRelas(out *outSection) bool {
	return slices.ContainsFunc(out.members, func(m secRef) bool { return m.obj >= 0 && len(l.objs[m.obj].relas(m.sec)) > 0 })
}

// newIndex returns the index in the output of a symbol of an object.
func (c *combined) newIndex(l *linker, oi int32, sym uint32) uint32 {
	o := l.objs[oi]
	switch {
	case sym >= o.nsyms:
		return 0
	case sym < o.first:
		return c.localIndex[oi][sym]
	}
	return uint32(l.syms.at(o.names.ids[sym-o.first]).aux)
}

// lost reports whether a symbol of an object is in a section that is not in the output.
func (c *combined) lost(l *linker, oi int32, sym uint32) bool {
	return sym != 0 && c.newIndex(l, oi, sym) == 0
}

// combineRelas makes the sections of relocations.
func (l *linker) combineRelas(c *combined, order []*outSection) []*outSection {
	c.relas = make([]*outSection, len(l.outs))
	var list []*outSection
	for _, out := range order {
		if !l.hasRelas(out) {
			continue
		}
		name, typ := l.relSection(out.name)
		r := &outSection{
			name: name, typ: typ, flags: shfInfoLink | out.flags&shfGroup, order: len(l.outs), align: l.class.word, entsize: l.relSize,
			info: func() uint32 { return uint32(out.index) },
		}
		l.outs = append(l.outs, r)
		c.relas[out.order] = r
		p := l.addSynth(r, l.class.word)
		for _, m := range out.members {
			if m.obj < 0 {
				continue
			}
			for b := l.objs[m.obj].relas(m.sec); len(b) >= relaSize; b = b[relaSize:] {
				if out.flags&shfAlloc != 0 || !c.lost(l, m.obj, le.Uint32(b[12:])) {
					p.size += l.relSize
				}
			}
		}
		p.write = func(buf []byte) error { l.writeCombinedRelas(c, out, buf); return nil }
		list = append(list, r)
	}
	return list
}

// writeCombinedRelas writes the relocations of a section.
func (l *linker) writeCombinedRelas(c *combined, out *outSection, buf []byte) {
	for _, m := range out.members {
		if m.obj < 0 {
			continue
		}
		o := l.objs[m.obj]
		at := o.secs[m.sec].outOff
		for b := o.relas(m.sec); len(b) >= relaSize; b = b[relaSize:] {
			r := decodeRela(b)
			sym := c.newIndex(l, m.obj, r.sym)
			if c.lost(l, m.obj, r.sym) {
				if out.flags&shfAlloc == 0 {
					continue
				}
				r.typ, r.addend = 0, 0 // by this linkers know FDEs of code that is gone
			} else if r.sym != 0 && r.sym < o.first {
				if e := o.sym(r.sym); e.typ() == elf.STT_SECTION && e.shndx < shnBase {
					r.addend += int64(o.secs[e.shndx].outOff)
				}
			}
			l.putRel(buf, r.off+at, r.typ, sym, r.addend)
			buf = buf[l.relSize:]
		}
	}
}

// writeCombinedSymbols writes the symbol table.
func (l *linker) writeCombinedSymbols(c *combined, buf []byte) {
	put := func(i uint32, name uint32, info, other uint8, shndx uint16, value, size uint64) {
		if elf.SymBind(info>>4) == elf.STB_GNU_UNIQUE || elf.SymType(info&15) == elf.STT_GNU_IFUNC {
			l.hasGNU.Store(true)
		}
		l.class.putSym(buf[uint64(i)*l.class.sym:], name, info, other, shndx, value, size)
	}
	// where returns the section and value of a symbol in the output.
	where := func(o *object, e *esym) (uint16, uint64) {
		if e.shndx >= shnBase {
			return uint16(e.shndx), e.value
		}
		s := &o.secs[e.shndx]
		for gi := range o.groups {
			if g := &o.groups[gi]; s.typ == shtGroup && g.sec == e.shndx && g.out != nil {
				return uint16(g.out.index), e.value // the signature of a group may be a local symbol in it
			}
		}
		if e.shndx == 0 || s.out < 0 {
			return 0, 0
		}
		return uint16(l.outs[s.out].index), e.value + s.outOff
	}
	n := uint32(1)
	for _, out := range l.order {
		if out.typ != l.relType() && out.typ != shtGroup && out.typ != shtSymtab && out.typ != shtStrtab {
			put(n, 0, uint8(elf.STT_SECTION), 0, uint16(out.index), 0, 0)
			n++
		}
	}
	for _, x := range c.locals {
		o := l.objs[x.obj]
		e := o.sym(x.sym)
		shndx, value := where(o, &e)
		put(n, x.name, e.info&15, e.other, shndx, value, e.size)
		n++
	}
	for i, id := range c.globals {
		s := l.syms.at(id)
		name := c.strs.at[l.combinedName(s)]
		info, shndx, value := uint8(elf.STB_GLOBAL)<<4|uint8(s.typ), uint16(0), uint64(0)
		switch {
		case s.kind == symObject:
			o := l.objs[s.file]
			e := o.sym(s.idx)
			info = e.info
			shndx, value = where(o, &e)
		case s.kind == symCommon:
			info, shndx, value = uint8(elf.STB_GLOBAL)<<4|uint8(s.typ), elf.SHN_COMMON, s.value
		case s.flags&refStrong == 0:
			info = uint8(elf.STB_WEAK)<<4 | uint8(s.typ)
		}
		put(c.first+uint32(i), name, info, uint8(s.vis), shndx, value, s.size)
	}
}

// combinedName returns the name of a symbol, with the version that it is defined with.
func (l *linker) combinedName(s *symbol) string {
	if s.kind == symObject && strings.IndexByte(s.name, '@') < 0 {
		o := l.objs[s.file]
		if v, ok := o.versions[s.idx-o.first]; ok {
			return s.name + "@@" + v
		}
	}
	return s.name
}

// layoutCombined gives sections their offsets and numbers.
func (l *linker) layoutCombined(order []*outSection) error {
	if len(order) >= 0xff00-1 {
		return fileErr(ErrTooLarge, cmp.Or(l.opt.Output, "the output"), "", "it has %d sections, and a symbol can say only %d", len(order), 0xff00)
	}
	off := l.class.ehdr
	for i, out := range order {
		out.index = i + 1
		out.nameOff = l.symtab.shstr.add(out.name)
		off = alignUp(off, out.align)
		out.off = off
		if out.typ != shtNobits {
			off += out.size
		}
	}
	l.order = order
	l.symtab.shstr.add(".shstrtab")
	l.shstrOff = off
	l.shoff = alignUp(off+uint64(len(l.symtab.shstr.data)), 8)
	l.fileSize = l.shoff + l.class.shdr*uint64(len(order)+2)
	return l.checkSize()
}
