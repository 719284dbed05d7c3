package link

import (
	"strings"
)

// A marker finds what --gc-sections keeps.
type marker struct {
	l    *linker
	work []secRef
	fdes []map[uint32][]int32  // of each object, the FDEs of a section
	link []map[uint32][]uint32 // of each object, what goes with a section
	byC  map[string][]secRef   // sections whose name is a C identifier
}

// gc drops the sections that nothing leads to.
func (l *linker) gc() {
	if !l.opt.GCSections {
		return
	}
	m := &marker{l: l, fdes: make([]map[uint32][]int32, len(l.objs)), link: make([]map[uint32][]uint32, len(l.objs)), byC: map[string][]secRef{}}
	l.par(len(l.objs), func(i int) { m.prepare(i) })
	for oi, o := range l.objs {
		for i := range o.secs {
			s := &o.secs[i]
			if s.state != secLive || !s.alloc() {
				continue
			}
			name := o.secName(uint32(i))
			if cIdentifier(name) {
				m.byC[name] = append(m.byC[name], secRef{int32(oi), uint32(i)})
			}
			if keepSection(s, name) {
				m.mark(int32(oi), uint32(i))
			}
		}
	}
	for _, name := range l.wanted {
		m.markSymbol(l.syms.find(name))
	}
	for _, name := range []string{"_init", "_fini"} {
		if id := l.syms.find(name); id != 0 {
			m.markSymbol(id)
		}
	}
	for n := range l.syms.shards {
		for i := range l.syms.shards[n].syms {
			if l.syms.shards[n].syms[i].flags&isExported != 0 {
				m.markSymbol(symID(uint32(n)<<idBits | uint32(i)))
			}
		}
	}
	m.run()
	for _, o := range l.objs {
		for i := range o.secs {
			s := &o.secs[i]
			if s.state != secLive || !s.alloc() || s.live != 0 || s.kind == secEh {
				continue
			}
			s.state = secGC
			if l.opt.PrintGC {
				l.print("removing unused section %s in file %s", o.secName(uint32(i)), o.name)
			}
		}
	}
}

// keepSection reports whether a section is linked whatever refers to it (the KEEP commands of GNU ld's default script).
func keepSection(s *section, name string) bool {
	switch s.typ {
	case shtInitArray, shtFiniArray, shtPreinitArray, shtNote:
		return true
	}
	if s.flags&shfRetain != 0 {
		return true
	}
	for _, p := range []string{".init", ".fini", ".ctors", ".dtors", ".init_array", ".fini_array", ".preinit_array", ".jcr"} {
		if hasPart(name, p) {
			return true
		}
	}
	return false
}

func (m *marker) prepare(oi int) {
	o := m.l.objs[oi]
	m.fdes[oi] = map[uint32][]int32{}
	for x := range o.ehs {
		e := &o.ehs[x]
		for k := range e.recs {
			if r := &e.recs[k]; r.cie >= 0 {
				if sec, ok := o.fdeTarget(e.sec, r); ok {
					m.fdes[oi][sec] = append(m.fdes[oi][sec], int32(x), int32(k))
				}
			}
		}
	}
	link := func(from, to uint32) {
		if m.link[oi] == nil {
			m.link[oi] = map[uint32][]uint32{}
		}
		m.link[oi][from] = append(m.link[oi][from], to)
	}
	for i := range o.secs {
		if s := &o.secs[i]; s.flags&shfLinkOrder != 0 && s.link != 0 {
			link(s.link, uint32(i))
		}
	}
	for gi := range o.groups { // all of a group is linked or nothing (gABI, "Section Groups"): each leads to the next
		first, last := uint32(0), uint32(0)
		for b := o.groups[gi].members; len(b) > 0; b = b[4:] {
			i := le.Uint32(b)
			if s := &o.secs[i]; s.state != secLive || !s.alloc() {
				continue
			}
			if first == 0 {
				first = i
			} else {
				link(last, i)
			}
			last = i
		}
		if first != last {
			link(last, first)
		}
	}
}

func (m *marker) mark(oi int32, sec uint32) {
	s := &m.l.objs[oi].secs[sec]
	if s.live == 0 && s.state == secLive {
		s.live = 1
		m.work = append(m.work, secRef{oi, sec})
	}
}

func (m *marker) markSymbol(id symID) {
	s := m.l.syms.at(id)
	if s.kind == symObject {
		o := m.l.objs[s.file]
		if e := o.sym(s.idx); e.shndx != 0 && e.shndx < shnBase {
			m.mark(s.file, e.shndx)
		}
		return
	}
	if m.l.opt.StartStopGC {
		return
	}
	for _, p := range []string{"__start_", "__stop_"} {
		if name, ok := strings.CutPrefix(s.name, p); ok {
			for _, r := range m.byC[name] {
				m.mark(r.obj, r.sec)
			}
		}
	}
}

func (m *marker) markRelas(o *object, oi int32, b []byte) {
	for ; len(b) >= relaSize; b = b[relaSize:] {
		i := le.Uint32(b[12:])
		switch {
		case i == 0 || i >= o.nsyms:
		case i >= o.first:
			m.markSymbol(o.names.ids[i-o.first])
		default:
			if e := o.sym(i); e.shndx != 0 && e.shndx < shnBase {
				m.mark(oi, e.shndx)
			}
		}
	}
}

func (m *marker) run() {
	for len(m.work) > 0 {
		r := m.work[len(m.work)-1]
		m.work = m.work[:len(m.work)-1]
		o := m.l.objs[r.obj]
		if s := &o.secs[r.sec]; s.kind == secEh {
			continue
		}
		m.markRelas(o, r.obj, o.relas(r.sec))
		list := m.fdes[r.obj][r.sec]
		for i := 0; i+1 < len(list); i += 2 {
			e := &o.ehs[list[i]]
			fde := &e.recs[list[i+1]]
			rels := o.relas(e.sec)
			m.markRelas(o, r.obj, rels[fde.relLo*relaSize:fde.relHi*relaSize])
			cie := &e.recs[fde.cie]
			m.markRelas(o, r.obj, rels[cie.relLo*relaSize:cie.relHi*relaSize])
		}
		for _, sec := range m.link[r.obj][r.sec] {
			m.mark(r.obj, sec)
		}
	}
}

// cIdentifier reports whether __start_ and __stop_ symbols are made for sections of a name.
func cIdentifier(name string) bool {
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	for _, c := range []byte(name) {
		if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}
