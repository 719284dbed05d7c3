package link

import (
	"cmp"
)

// Veneers: where code is larger than a branch can go, the branches to what is too far away go to a veneer near them, which has
// room for a longer way (AAELF64, "Call and Jump relocations"). Pools of them stand after each part of the code.

// poolSpan is about how much code there is between two pools: a branch has to reach the next one.
const poolSpan = 64 << 20

// A veneerTarget is what a branch wants to reach.
type veneerTarget struct {
	global symID
	obj    int32 // of a local symbol
	local  uint32
	addend int64
}

// veneerTarget returns what a relocation of a branch refers to.
func (o *object) veneerTarget(r rela) veneerTarget {
	if r.sym >= o.first {
		return veneerTarget{global: o.names.ids[r.sym-o.first], addend: r.addend}
	}
	return veneerTarget{obj: o.index, local: r.sym, addend: r.addend}
}

// A veneerPool is the veneers for a part of the code.
type veneerPool struct {
	*synth
	at      map[veneerTarget]int
	targets []veneerTarget
}

// A veneerTable is the pools of an output.
type veneerTable struct {
	pools []*veneerPool
	of    map[secRef]*veneerPool // the pool of each section of an object
}

// find returns the address of a veneer that section sec of object obj can reach.
func (t *veneerTable) find(sec uint32, obj int32, to veneerTarget) (uint64, bool) {
	p := t.of[secRef{obj, sec}]
	if p == nil {
		return 0, false
	}
	i, ok := p.at[to]
	return p.addr() + uint64(i)*a64VeneerSize, ok
}

// A relaxer is a machine whose code changes its size once addresses are known.
type relaxer interface {
	// relax changes sizes for the layout that there is, and reports whether anything has changed.
	relax(l *linker) (changed bool, err error)
}

const a64VeneerSize = 12

// relax adds the veneers that are missing. There is at most one for each target in a pool and none is taken back, so that this ends.
func (aarch64) relax(l *linker) (bool, error) {
	var lo, hi uint64
	for _, out := range l.order {
		if out.flags&shfExec != 0 {
			if lo == 0 {
				lo = out.addr
			}
			hi = out.addr + out.size
		}
	}
	if hi-lo < 1<<27 {
		return false, nil
	}
	if l.veneers.of == nil {
		l.makePools()
		return true, nil
	}
	changed := false
	for _, out := range l.order {
		if out.flags&shfExec == 0 {
			continue
		}
		missing := make([][]veneerTarget, len(out.members))
		l.par(len(out.members), func(i int) {
			if m := out.members[i]; m.obj >= 0 {
				missing[i] = l.farBranches(m)
			}
		})
		for i, list := range missing {
			for _, to := range list {
				p := l.veneers.of[out.members[i]]
				if _, ok := p.at[to]; !ok {
					p.at[to] = len(p.targets)
					p.targets = append(p.targets, to)
					p.size += a64VeneerSize
					changed = true
				}
			}
		}
	}
	return changed, l.ctx.Err()
}

// makePools puts pools among the code.
func (l *linker) makePools() {
	l.veneers.of = map[secRef]*veneerPool{}
	for _, out := range l.order {
		if out.flags&shfExec == 0 {
			continue
		}
		var members []secRef
		var part []secRef
		var span uint64
		flush := func() {
			if len(part) == 0 {
				return
			}
			s := &synth{align: 4, out: out}
			l.synths = append(l.synths, s)
			p := &veneerPool{synth: s, at: map[veneerTarget]int{}}
			s.write = func(buf []byte) error { return l.writeVeneers(p, buf) }
			l.veneers.pools = append(l.veneers.pools, p)
			for _, m := range part {
				l.veneers.of[m] = p
			}
			members = append(append(members, part...), secRef{-1, uint32(len(l.synths) - 1)})
			part, span = nil, 0
		}
		for _, m := range out.members {
			size := uint64(0)
			if m.obj >= 0 {
				size = l.objs[m.obj].secs[m.sec].size
			}
			if span+size > poolSpan {
				flush()
			}
			part = append(part, m)
			span += size
		}
		flush()
		out.members = members
	}
}

// farBranches returns what the branches of a section cannot reach.
func (l *linker) farBranches(m secRef) []veneerTarget {
	o := l.objs[m.obj]
	s := &o.secs[m.sec]
	a := applier{l: l, o: o, sec: m.sec, addr: s.addr}
	var list []veneerTarget
	for rels := o.relas(m.sec); len(rels) >= relaSize; rels = rels[relaSize:] {
		r := decodeRela(rels)
		if k := a64Kind(r.typ); k.enc != a64Imm26 || r.sym >= o.nsyms {
			continue
		}
		t, v := a.symbolOf(r)
		if to := a.callee(&t, v); to != 0 && !a64Reaches(to+uint64(r.addend)-(s.addr+r.off)) {
			list = append(list, o.veneerTarget(r))
		}
	}
	return list
}

func (l *linker) writeVeneers(p *veneerPool, buf []byte) error {
	for i, to := range p.targets {
		var v uint64
		if to.global != 0 {
			g := l.syms.at(to.global)
			if v = g.value; g.aux != 0 {
				if x := l.auxAt(g); x.plt >= 0 || x.stub >= 0 {
					v = l.pltAddr(x)
				}
			}
		} else {
			o := l.objs[to.obj]
			a := applier{l: l, o: o}
			t, s := a.symbolOf(rela{sym: to.local, addend: to.addend})
			v = a.callee(&t, s)
		}
		v += uint64(to.addend)
		b := buf[i*a64VeneerSize:]
		at := p.addr() + uint64(i)*a64VeneerSize
		le.PutUint32(b, a64AdrpX|16) // adrp x16, v
		if !(a64Reloc{a64Page, a64Adrp, -33}).put(b, page(v)-page(at)) {
			return fileErr(ErrTooLarge, cmp.Or(l.opt.Output, "the output"), "section "+p.out.name, "code at %#x is more than 4 GiB away", v)
		}
		le.PutUint32(b[4:], 0x91000210) // add x16, x16, :lo12:v
		a64Reloc{a64LO, a64Add, 0}.put(b[4:], v)
		le.PutUint32(b[8:], 0xd61f0200) // br x16
		if l.a64BTI() && l.features&aarch64GCS == 0 {
			// A function that only calls reach need not begin with bti c, which br asks for and ret does not.
			le.PutUint32(b[8:], 0xd65f0200) // ret x16
		}
	}
	return nil
}
