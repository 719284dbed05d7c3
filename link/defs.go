package link

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"weld/image/elf"
)

// A place is where a symbol that the linker defines gets its value from.
type place struct {
	id    symID
	value func() (uint64, *outSection)
}

// defineSymbols defines what options and the layout of the output define, where objects refer to it and do not define it
// themselves. The values follow after the layout.
func (l *linker) defineSymbols() {
	for _, d := range l.opt.Defsyms {
		id := l.syms.intern(d.Name)
		s := l.define(id)
		s.vis = elf.STV_DEFAULT
		if d.Alias == "" {
			s.abs = true
			l.defsyms = append(l.defsyms, place{id, func() (uint64, *outSection) { return d.Value, nil }})
			continue
		}
		alias := l.syms.find(d.Alias)
		l.syms.at(alias).flags |= refObject | refStrong
		l.defsyms = append(l.defsyms, place{id, func() (uint64, *outSection) {
			a := l.syms.at(alias)
			return a.value + d.Value, l.sectionOf(a)
		}})
	}
	// An alias may be of one that comes later.
	for range l.opt.Defsyms {
		changed := false
		for _, d := range l.opt.Defsyms {
			s, a := l.syms.at(l.syms.find(d.Name)), l.syms.at(l.syms.find(d.Alias))
			size := a.size
			if d.Value != 0 {
				size = 0 // it begins elsewhere, and who knows where it ends
			}
			if d.Alias != "" && a.defined() && (s.typ != a.typ || s.size != size || s.abs != a.abs) {
				s.typ, s.size, s.abs = a.typ, size, a.abs
				changed = true
			}
		}
		if !changed {
			break
		}
	}
	provide := func(name string, vis elf.SymVis, value func() (uint64, *outSection)) {
		id := l.syms.find(name)
		if id == 0 {
			return
		}
		s := l.syms.at(id)
		if s.flags&refObject == 0 && (s.flags&refShared == 0 || vis != elf.STV_DEFAULT) || s.defined() {
			return
		}
		l.define(id).vis = mergeVis(s.vis, vis)
		l.places = append(l.places, place{id, value})
	}
	hidden, public := elf.STV_HIDDEN, elf.STV_DEFAULT
	headers := func() (uint64, *outSection) { return l.base, l.firstSection() }
	provide("__ehdr_start", hidden, headers)
	provide("__executable_start", hidden, headers)
	provide("_GLOBAL_OFFSET_TABLE_", hidden, func() (uint64, *outSection) {
		s := l.gotStart()
		return s.addr(), s.out
	})
	if l.dynamic {
		provide("_DYNAMIC", hidden, func() (uint64, *outSection) { return l.dyn.dynamic.addr(), l.dyn.dynamic.out })
	}
	if l.mi.em == elf.EM_RISCV {
		provide("__global_pointer$", public, l.defineGP)
	}
	provide("__GNU_EH_FRAME_HDR", hidden, func() (uint64, *outSection) {
		if l.eh == nil || l.eh.hdr == nil {
			return 0, nil
		}
		return l.eh.hdr.addr(), l.eh.hdr.out
	})
	provide("_TLS_MODULE_BASE_", hidden, func() (uint64, *outSection) {
		if l.mi.moduleTP && l.tlsModel(&target{}) != tlsKeep {
			return l.tp, l.tlsSection() // what offsets in rewritten code are from: applier.dtpBase
		}
		return l.tlsStart, l.tlsSection()
	})
	if id := l.syms.find("_TLS_MODULE_BASE_"); id != 0 && l.syms.at(id).kind == symLinker {
		l.syms.at(id).typ = elf.STT_TLS
	}
	for _, n := range []struct {
		name string
		at   *mark
	}{
		{"_end", &l.marks.end}, {"end", &l.marks.end}, {"_edata", &l.marks.edata}, {"edata", &l.marks.edata},
		{"__bss_start", &l.marks.bss}, {"_etext", &l.marks.etext}, {"etext", &l.marks.etext}, {"__etext", &l.marks.etext},
	} {
		provide(n.name, public, func() (uint64, *outSection) { return n.at.addr, n.at.out })
	}
	for _, name := range []string{"preinit_array", "init_array", "fini_array"} {
		l.provideBounds("__"+name+"_start", "__"+name+"_end", "."+name, provide)
	}
	prefix, _ := l.relSection("")
	prefix = "__" + prefix[1:]
	if !l.dynamic {
		iplt := func(end bool) func() (uint64, *outSection) {
			return func() (uint64, *outSection) {
				t := l.got.relaPlt
				if t == nil {
					return 0, nil
				}
				if end {
					return t.addr() + t.size, t.out
				}
				return t.addr(), t.out
			}
		}
		provide(prefix+"_iplt_start", hidden, iplt(false))
		provide(prefix+"_iplt_end", hidden, iplt(true))
	} else if l.opt.Static || len(l.dsos) == 0 {
		nothing := func() (uint64, *outSection) {
			if out := l.firstSection(); out != nil {
				return out.addr, out
			}
			return l.base, nil
		}
		provide(prefix+"_iplt_start", hidden, nothing)
		provide(prefix+"_iplt_end", hidden, nothing)
	}
	l.provideStartStop(provide)
}

// provideBounds defines the two ends of an output section.
func (l *linker) provideBounds(start, end, section string, provide func(string, elf.SymVis, func() (uint64, *outSection))) {
	bound := func(atEnd bool) func() (uint64, *outSection) {
		return func() (uint64, *outSection) {
			out := l.outByName[outKey{section, false}]
			if out == nil || out.index == 0 {
				return l.base, l.firstSection()
			}
			if atEnd {
				return out.addr + out.size, out
			}
			return out.addr, out
		}
	}
	vis := elf.STV_HIDDEN
	if strings.HasPrefix(start, "__start_") {
		switch l.opt.StartStopVisibility {
		case "default":
			vis = elf.STV_DEFAULT
		case "internal":
			vis = elf.STV_INTERNAL
		case "hidden":
		default:
			vis = elf.STV_PROTECTED
		}
	}
	provide(start, vis, bound(false))
	provide(end, vis, bound(true))
}

// provideStartStop defines __start_NAME and __stop_NAME for sections whose name is a C identifier.
func (l *linker) provideStartStop(provide func(string, elf.SymVis, func() (uint64, *outSection))) {
	names := map[string]bool{}
	for _, o := range l.objs {
		for _, i := range o.cNames {
			if o.secs[i].state == secLive {
				names[o.secName(i)] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		l.provideBounds("__start_"+name, "__stop_"+name, name, provide)
	}
}

// define makes the linker define a symbol.
func (l *linker) define(id symID) *symbol {
	s := l.syms.at(id)
	s.kind, s.file, s.idx, s.out, s.weak, s.abs = symLinker, -1, 0, outNone, false, false
	s.size, s.typ, s.rank, s.value = 0, elf.STT_NOTYPE, rankOf(classStrong, 0), 0
	return s
}

// sectionOf returns the output section that a symbol is in, or nil.
func (l *linker) sectionOf(s *symbol) *outSection {
	switch s.kind {
	case symObject:
		o := l.objs[s.file]
		if s.shndx != 0 && s.shndx < shnBase && o.secs[s.shndx].out >= 0 {
			return l.outs[o.secs[s.shndx].out]
		}
	case symCommon, symLinker:
		if s.out >= 0 {
			return l.outs[s.out]
		}
	}
	return nil
}

func (l *linker) firstSection() *outSection {
	for _, out := range l.order {
		if out.flags&shfAlloc != 0 {
			return out
		}
	}
	return nil
}

func (l *linker) tlsSection() *outSection {
	for _, out := range l.order {
		if out.flags&shfTLS != 0 {
			return out
		}
	}
	return nil
}

// allocateCommons gives common symbols their room in .bss, in the order of the files.
func (l *linker) allocateCommons() {
	var list []*symbol
	for n := range l.syms.shards[:nShards] {
		for i := range l.syms.shards[n].syms {
			if s := &l.syms.shards[n].syms[i]; s.kind == symCommon {
				list = append(list, s)
			}
		}
	}
	slices.SortFunc(list, func(a, b *symbol) int { return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.idx, b.idx)) })
	if l.opt.SortCommon != CommonByFile {
		slices.SortStableFunc(list, func(a, b *symbol) int {
			if l.opt.SortCommon == CommonAscending {
				a, b = b, a
			}
			return cmp.Compare(b.value, a.value)
		})
	}
	var parts [2]*synth
	for _, s := range list {
		k := 0
		if s.typ == elf.STT_TLS {
			k = 1
		}
		if parts[k] == nil {
			name, flags := ".bss", shfAlloc|shfWrite
			if k == 1 {
				name, flags = ".tbss", flags|shfTLS
			}
			parts[k] = l.synthSection(name, shtNobits, flags, 1)
		}
		p := parts[k]
		align := s.value
		p.align = max(p.align, align)
		s.value = alignUp(p.size, align)
		s.out = int32(p.out.order)
		p.size = s.value + s.size
		l.commons, l.commonOffs = append(l.commons, s), append(l.commonOffs, s.value)
	}
	l.commonParts = parts
}

// A mark is an address that the layout finds.
type mark struct {
	addr uint64
	out  *outSection
}

// finishSymbols gives all symbols their address.
func (l *linker) finishSymbols() error {
	l.par(len(l.objs), func(i int) {
		o := l.objs[i]
		for k := range o.secs {
			s := &o.secs[k]
			if s.out < 0 {
				continue
			}
			if s.kind == secMerge {
				continue
			}
			out := l.outs[s.out]
			if s.kind == secEh {
				s.addr = l.eh.addr() + s.outOff
			} else {
				s.addr = out.addr + s.outOff
			}
		}
	})
	for i, s := range l.commons {
		p := l.commonParts[0]
		if s.typ == elf.STT_TLS {
			p = l.commonParts[1]
		}
		s.value = p.addr() + l.commonOffs[i]
	}
	l.par(nShards+1, func(n int) {
		for i := range l.syms.shards[n].syms {
			l.finishSymbol(&l.syms.shards[n].syms[i])
		}
	})
	define := func(list []place) (changed bool) {
		for _, p := range list {
			s := l.syms.at(p.id)
			v, out := p.value()
			place := int32(outNone)
			if out != nil {
				place = int32(out.order)
			}
			changed = changed || s.value != v || s.out != place
			s.value, s.out = v, place
		}
		return changed
	}
	define(l.places)
	for range l.defsyms { // an alias may be of one that comes later
		if !define(l.defsyms) {
			break
		}
	}
	return l.ctx.Err()
}

func (l *linker) finishSymbol(s *symbol) {
	switch s.kind {
	case symObject:
		o := l.objs[s.file]
		if s.flags&isPlaced != 0 {
			s.value = o.sym(s.idx).value // code has become shorter since
		}
		s.flags |= isPlaced
		if s.shndx < shnBase {
			switch sec := &o.secs[s.shndx]; {
			case sec.kind == secMerge:
				s.value = o.mergeAddr(sec, s.value)
			case sec.out >= 0:
				s.value = o.addrIn(sec, s.value)
			default:
				s.value = 0
			}
		}
		if s.typ == elf.STT_GNU_IFUNC && s.flags&needCanonical != 0 && s.flags&isImported == 0 {
			s.value = l.pltAddr(&l.aux[s.aux-1])
		}
	case symUndef, symLazy:
		s.value = 0
	case symShared:
		s.value = 0
		switch {
		case s.flags&needCopy != 0:
			s.value = l.copyAddr(&l.aux[s.aux-1])
		case s.flags&needCanonical != 0:
			s.value = l.pltAddr(&l.aux[s.aux-1])
		}
	}
}
