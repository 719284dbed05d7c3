package link

import (
	"slices"
	"strings"
	"sync/atomic"
)

// A marker finds what --gc-sections keeps. Several goroutines follow references at the same time; what is kept does not depend on the
// order.
type marker struct {
	l    *linker
	fdes []sectionFDEs         // of each object
	link []map[uint32][]uint32 // of each object, what goes with a section
	byC  map[string][]secRef   // sections whose name is a C identifier
}

// sectionFDEs are the FDEs of an object by the section that they describe code of.
type sectionFDEs struct {
	first []int32 // of each section, an index in list plus 1
	list  []sectionFDE
}

type sectionFDE struct {
	eh, rec int32 // in object.ehs and its records
	next    int32 // another one of the section: an index in list plus 1
}

// A markWorker is a goroutine's part of the marking.
type markWorker struct {
	*marker
	work []secRef
}

// markSteps is how many sections a worker goes through before it shares what is left.
const markSteps = 1 << 12

// gc drops the sections that nothing leads to.
func (l *linker) gc() {
	if !l.opt.GCSections {
		return
	}
	m := &marker{l: l, fdes: make([]sectionFDEs, len(l.objs)), link: make([]map[uint32][]uint32, len(l.objs)), byC: map[string][]secRef{}}
	for oi, o := range l.objs {
		for _, i := range o.cNames {
			if o.secs[i].state == secLive {
				name := o.secName(i)
				m.byC[name] = append(m.byC[name], secRef{int32(oi), i})
			}
		}
	}
	roots := make([][]secRef, len(l.objs)+nShards+1)
	l.par(len(l.objs), func(i int) {
		w := markWorker{marker: m}
		w.prepare(i)
		roots[i] = w.work
	})
	l.par(nShards, func(n int) {
		w := markWorker{marker: m}
		for i := range l.syms.shards[n].syms {
			if l.syms.shards[n].syms[i].flags&isExported != 0 {
				w.markSymbol(symID(uint32(n)<<idBits | uint32(i)))
			}
		}
		roots[len(l.objs)+n] = w.work
	})
	w := markWorker{marker: m}
	for _, name := range l.wanted {
		w.markSymbol(l.syms.find(name))
	}
	for _, name := range []string{"_init", "_fini"} {
		if id := l.syms.find(name); id != 0 {
			w.markSymbol(id)
		}
	}
	roots[len(l.objs)+nShards] = w.work
	m.run(slices.Concat(roots...))
	dropped := make([][]uint32, len(l.objs))
	l.par(len(l.objs), func(oi int) {
		o := l.objs[oi]
		for i := range o.secs {
			if s := &o.secs[i]; s.state == secLive && s.alloc() && s.live == 0 && s.kind != secEh {
				s.state = secGC
				if l.opt.PrintGC {
					dropped[oi] = append(dropped[oi], uint32(i))
				}
			}
		}
	})
	for oi, list := range dropped {
		for _, i := range list {
			l.print("removing unused section %s in file %s", l.objs[oi].secName(i), l.objs[oi].name)
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

// prepare finds what goes with the sections of an object, and marks those that are linked whatever refers to them.
func (m *markWorker) prepare(oi int) {
	o := m.l.objs[oi]
	f := &m.fdes[oi]
	if len(o.ehs) > 0 {
		f.first = make([]int32, len(o.secs))
	}
	for x := range o.ehs {
		e := &o.ehs[x]
		f.list = slices.Grow(f.list, len(e.recs))
		for k := range e.recs {
			if r := &e.recs[k]; r.cie >= 0 {
				if sec, ok := o.fdeTarget(e.sec, r); ok {
					f.list = append(f.list, sectionFDE{int32(x), int32(k), f.first[sec]})
					f.first[sec] = int32(len(f.list))
				}
			}
		}
	}
	for i := range o.secs {
		if s := &o.secs[i]; s.state == secLive && s.alloc() && keepSection(s, o.secName(uint32(i))) {
			m.mark(int32(oi), uint32(i))
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

func (m *markWorker) mark(oi int32, sec uint32) {
	s := &m.l.objs[oi].secs[sec]
	if s.state == secLive && atomic.LoadUint32(&s.live) == 0 && atomic.CompareAndSwapUint32(&s.live, 0, 1) {
		m.work = append(m.work, secRef{oi, sec})
	}
}

func (m *markWorker) markSymbol(id symID) {
	s := m.l.syms.at(id)
	if s.kind == symObject {
		if s.shndx != 0 && s.shndx < shnBase {
			m.mark(s.file, s.shndx)
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

func (m *markWorker) markRelas(o *object, oi int32, b []byte) {
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

// run follows the references of sections, and of all that they lead to.
func (m *marker) run(work []secRef) {
	for len(work) > 0 {
		const share = 64
		next := make([][]secRef, (len(work)+share-1)/share)
		m.l.par(len(next), func(i int) {
			w := markWorker{m, slices.Clone(work[i*share : min((i+1)*share, len(work))])}
			for n := 0; n < markSteps && len(w.work) > 0; n++ {
				r := w.work[len(w.work)-1]
				w.work = w.work[:len(w.work)-1]
				w.follow(r)
			}
			next[i] = w.work
		})
		if m.l.ctx.Err() != nil {
			return
		}
		work = slices.Concat(next...)
	}
}

// follow marks what a section refers to.
func (m *markWorker) follow(r secRef) {
	o := m.l.objs[r.obj]
	if o.secs[r.sec].kind == secEh {
		return
	}
	m.markRelas(o, r.obj, o.relas(r.sec))
	if f := &m.fdes[r.obj]; len(f.first) > 0 {
		for k := f.first[r.sec]; k != 0; k = f.list[k-1].next {
			e := &o.ehs[f.list[k-1].eh]
			rels := o.relas(e.sec)
			fde := &e.recs[f.list[k-1].rec]
			m.markRelas(o, r.obj, rels[fde.relLo*relaSize:fde.relHi*relaSize])
			cie := &e.recs[fde.cie]
			m.markRelas(o, r.obj, rels[cie.relLo*relaSize:cie.relHi*relaSize])
		}
	}
	for _, sec := range m.link[r.obj][r.sec] {
		m.mark(r.obj, sec)
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
