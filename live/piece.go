package live

import "slices"

// Where functions begin inside of others, unwinders find one description for an address only: that of the function that
// begins last before it. So such functions are described in pieces, each by the innermost function that has it. A
// function that is inside of one described by CFI, and says nothing itself, is part of that. Behind one that does, nothing is known of
// the outer one's frame: instructions are not looked into.

// nested returns the blocks with something to describe in which functions overlap: known are those that are known to be such, each
// any number of times.
func (t *ehTable) nested(p *ehPlan, known []*Block) (blocks []*Block) {
	add := func(b *Block) {
		b.nested = true
		if !slices.Contains(blocks, b) {
			blocks = append(blocks, b)
		}
	}
	for _, b := range known {
		add(b)
	}
	last := uint32(0) // end of what the table has
	if k := t.rows.n; k > 0 {
		r := t.rows.at(k - 1)
		last = r.start + 1
		if r.fde != 0 {
			last = r.start + r.f.size
		}
	}
	for i := range p.list {
		n := &p.list[i]
		end := n.start + n.size
		if i+1 < len(p.list) && p.list[i+1].start < end {
			add(n.f.b)
		}
		if n.start >= last {
			continue
		}
		k := t.at(n.start)
		if k > 0 {
			if r := t.rows.at(k - 1); r.fde != 0 && r.start+r.f.size > n.start {
				add(n.f.b)
			}
		}
		if k < t.rows.n && t.rows.at(k).start == n.start {
			k++
		}
		for k < t.rows.n && t.rows.at(k).fde == 0 && t.rows.at(k).start < end { // no row of what is there has such in it
			k++
		}
		if k < t.rows.n && t.rows.at(k).start < end {
			add(n.f.b)
		}
	}
	return blocks
}

// addPieces has the pieces of a block described that are not yet.
func (t *ehTable) addPieces(o *Object, p *ehPlan, b *Block) {
	old := b.pieces
	if old == nil {
		for f := b.fns; f != nil; f = f.next {
			if f.fde != 0 {
				old = append(old, f)
			}
		}
	}
	list := b.flatten()
	for i, f := range list {
		for _, was := range old {
			if was.of == f.of && was.off == f.off && was.size == f.size {
				list[i] = was
			}
		}
		t.add(o, p, list[i])
	}
	for _, was := range old {
		if !slices.Contains(list, was) {
			was.doomed = true
			p.gone = append(p.gone, was)
		}
	}
	if p.kept == nil {
		p.kept = map[*Block][]*function{}
	}
	p.kept[b] = list
}

// flatten returns the pieces, by address.
func (b *Block) flatten() (list []*function) {
	var fns []*function
	for f := b.fns; f != nil; f = f.next {
		fns = append(fns, f)
	}
	slices.SortFunc(fns, func(f, g *function) int { return int(f.off) - int(g.off) })
	var open []*function // that have the place, the innermost last
	at := uint32(0)
	piece := func(f *function, end uint32) {
		raw := f.unwind != nil && f.unwind.mode == byRaw
		if at < end && (at == f.off || !raw) {
			list = append(list, &function{b: b, of: f, off: at, size: end - at})
		}
		at = max(at, end)
	}
	leave := func(end uint32) {
		for len(open) > 0 {
			f := open[len(open)-1]
			if f.off+f.size > end {
				return
			}
			piece(f, f.off+f.size)
			open = open[:len(open)-1]
		}
	}
	for _, f := range fns {
		leave(f.off)
		if n := len(open); n > 0 {
			if u := open[n-1].unwind; u != nil && u.mode == byRaw && f.unwind == nil {
				if f.off+f.size > open[n-1].off+open[n-1].size { // what is behind that one is its own
					open = slices.Insert(open, n-1, f)
				}
				continue
			}
			piece(open[n-1], f.off)
		}
		at = max(at, f.off)
		open = append(open, f)
	}
	leave(^uint32(0))
	return list
}
