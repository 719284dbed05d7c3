package live

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sort"
)

var le = binary.LittleEndian

// ehTable is .eh_frame and .eh_frame_hdr, which unwinders find through PT_GNU_EH_FRAME (LSB, "Exception Frames"). New
// descriptions go to the end of .eh_frame. The table of .eh_frame_hdr is by address; what goes to its end, or has the address of
// an entry that is there, is written in place, and for all else a new table is made.
type ehTable struct {
	frames *extent
	used   uint64 // bytes, the 0 that ends them not included
	dead   uint64 // of them
	hdr    *extent
	rows   rows[ehRow]
	gaps   int // rows of functions that are no more
}

// ehRow is an entry of the table, fde 0 if the function is no more.
type ehRow struct {
	start, fde uint32
	f          *function
}

// Offsets in a description (FDE) and in the header.
const (
	fdeCIE   = 4
	fdeStart = 8
	fdeSize  = 12
	fdeRules = 17
	ehHead   = 12
	ehCount  = 8
)

// The common part of all descriptions (CIE): version 1, "zR", addresses relative to where they stand; the CFA is %rsp+8 and
// the return address right below it.
var cie = []byte{
	20, 0, 0, 0, 0, 0, 0, 0, 1, 'z', 'R', 0, 1, 0x78, byte(returnAddress), 1, 0x1b,
	cfaDefCFA, byte(RSP), 8, cfaOffset | byte(returnAddress), 1, cfaNop, cfaNop,
}

// ehPlan is what a commit does to the table.
type ehPlan struct {
	list  []ehNew     // by address
	rules []ehRules   // of the list
	gone  []*function // what is described no more
	kept  map[*Block][]*function
	bytes uint64
	// If they are to be made anew:
	frames, hdr *extent
	rows        *rows[ehRow] // those of the table then, nil if the new ones go to the end
}

// ehNew is a function to describe.
type ehNew struct {
	start, size uint32
	rules       uint32 // in ehPlan.rules
	f           *function
}

// ehRules are the rules of a description, from a place in Object.buf to another. Functions that follow each other mostly have
// the same ones.
type ehRules struct {
	from, end uint32
	frame     frame // that they are for, if byFrame
	byFrame   bool
}

func (r ehRules) in(o *Object) []byte { return o.buf[r.from:r.end] }

// size returns the bytes of a description.
func (r ehRules) size() uint64 { return fdeSized(r.end - r.from) }

// fdeSized returns the bytes of a description with n bytes of rules.
func fdeSized(n uint32) uint64 { return (fdeRules + uint64(n) + 7) &^ 7 }

func (t *ehTable) plan(x *tx, p *ehPlan, fresh functionList) (err error) {
	o := x.o
	*p = ehPlan{list: slices.Grow(p.list[:0], fresh.n), rules: p.rules[:0], gone: p.gone[:0]}
	o.buf = o.buf[:0]
	var nested []*Block
	for f := range fresh.all {
		switch {
		case f.b == nil:
		case f.b.nested:
			nested = append(nested, f.b)
		default:
			t.add(o, p, f)
		}
	}
	p.sort()
	if blocks := t.nested(p, nested); blocks != nil {
		p.list = slices.DeleteFunc(p.list, func(n ehNew) bool { return n.f.b.nested })
		for _, b := range blocks {
			t.addPieces(o, p, b)
		}
		p.sort()
	}
	for i := range p.list {
		p.bytes += p.rules[p.list[i].rules].size()
	}

	const end = 4
	if t.frames == nil || t.used+p.bytes+end > t.frames.size || t.dead > t.used/2 && t.dead > page {
		live := t.used - t.dead + uint64(len(cie))
		n := live + p.bytes + end
		if p.frames, err = x.take(meta, n+o.spare(n)+1<<10, n); err != nil {
			return err
		}
	} else if p.bytes > 0 {
		x.use(t.frames, t.used+p.bytes+end)
	}
	if p.frames != nil || !t.inPlace(p) {
		n := uint64(t.rows.n + len(p.list))
		if !t.behind(p) {
			p.rows = t.merge(p)
			n = uint64(p.rows.n)
		}
		const most = 4 // as a description takes that much more
		if p.hdr, err = x.take(meta, ehHead+8*(n+16)+o.spare(8*n*most)/most, ehHead+8*n); err != nil {
			return err
		}
	} else if len(p.list) > 0 {
		x.use(t.hdr, ehHead+8*uint64(t.rows.n+len(p.list)))
	}
	return nil
}

func (p *ehPlan) sort() {
	byAddress := func(a, b ehNew) int { return int(a.start) - int(b.start) }
	if !slices.IsSortedFunc(p.list, byAddress) {
		slices.SortFunc(p.list, byAddress)
	}
}

// add has a function described, if it is not described like that already.
func (t *ehTable) add(o *Object, p *ehPlan, f *function) {
	whole := f
	if f.of != nil {
		whole = f.of
	}
	u := whole.unwind
	if u == nil {
		u = &DefaultFrame
	}
	last := len(p.rules) - 1
	r := p.rulesOf(o, u, whole, f.off-whole.off)
	if f.fde != 0 && t.same(o, f, p.rules[r].in(o)) {
		if r > last {
			o.buf, p.rules = o.buf[:p.rules[r].from], p.rules[:r]
		}
		return
	}
	p.list = append(p.list, ehNew{uint32(f.vaddr()), f.size, uint32(r), f})
}

// rulesOf returns the index of the rules for what follows an offset in a function: of those before, or of new ones.
func (p *ehPlan) rulesOf(o *Object, u *Unwind, f *function, off uint32) int {
	code := f.code()
	last := len(p.rules) - 1
	r := ehRules{from: uint32(len(o.buf)), byFrame: u.byFrame() && off == 0}
	if r.byFrame {
		r.frame = u.frameOf(code)
		if last >= 0 && p.rules[last].byFrame && p.rules[last].frame == r.frame {
			return last
		}
	}
	if off == 0 {
		o.buf = u.append(o.buf, code)
	} else {
		o.buf = u.appendFrom(o.buf, code, int(off))
	}
	r.end = uint32(len(o.buf))
	if last >= 0 && bytes.Equal(p.rules[last].in(o), r.in(o)) {
		o.buf = o.buf[:r.from]
		return last
	}
	p.rules = append(p.rules, r)
	return last + 1
}

// same reports whether a function is described like that already.
func (t *ehTable) same(o *Object, f *function, rules []byte) bool {
	n := uint64(le.Uint32(o.bytes(uint64(f.fde), 4))) + 4
	fde := o.bytes(uint64(f.fde), n)
	has := fde[fdeRules:]
	return n == fdeSized(uint32(len(rules))) && bytes.HasPrefix(has, rules) && len(bytes.Trim(has[len(rules):], "\x00")) == 0 &&
		le.Uint32(fde[fdeSize:]) == f.size
}

// at returns the first row whose function begins at or behind an address.
func (t *ehTable) at(start uint32) int {
	return sort.Search(t.rows.n, func(i int) bool { return t.rows.at(i).start >= start })
}

// inPlace tells whether the new functions can be put into the table as it is.
func (t *ehTable) inPlace(p *ehPlan) bool {
	if t.hdr == nil || len(p.gone) > 0 {
		return false
	}
	added := 0
	for i := range p.list {
		n := &p.list[i]
		if t.isLast(n.start) {
			added = len(p.list) - i
			break
		}
		k := t.at(n.start)
		if t.rows.at(k).start != n.start {
			return false
		}
		// An entry inside of the function would hide it.
		if k+1 < t.rows.n {
			if next := t.rows.at(k + 1); next.fde == 0 && next.start < n.start+n.size {
				return false
			}
		}
	}
	return ehHead+8*uint64(t.rows.n+added) <= t.hdr.size
}

// isLast reports whether what begins at an address belongs behind all that the table has.
func (t *ehTable) isLast(start uint32) bool {
	return t.rows.n == 0 || start > t.rows.at(t.rows.n-1).start
}

// behind reports whether all the new functions do, and those that the table has stay. So it is mostly.
func (t *ehTable) behind(p *ehPlan) bool {
	return t.gaps == 0 && len(p.gone) == 0 && (len(p.list) == 0 || t.isLast(p.list[0].start))
}

// merge returns the rows of a new table. Those of new functions have no fde yet.
func (t *ehTable) merge(p *ehPlan) *rows[ehRow] {
	all, k := new(rows[ehRow]), 0
	fresh := func() {
		all.add(ehRow{start: p.list[k].start, f: p.list[k].f})
		k++
	}
	for i := range t.rows.n {
		r := t.rows.at(i)
		for k < len(p.list) && p.list[k].start < r.start {
			fresh()
		}
		if k < len(p.list) && p.list[k].start == r.start {
			fresh()
		} else if r.fde != 0 && !r.f.doomed {
			all.add(*r)
		}
	}
	for k < len(p.list) {
		fresh()
	}
	return all
}

// apply does what was planned.
func (t *ehTable) apply(x *tx, p *ehPlan) {
	o := x.o
	if p.frames != nil {
		x.replace(t.frames)
		t.move(o, p)
	}
	dead := t.put(o, p)
	if p.hdr != nil {
		x.replace(t.hdr)
		t.hdr, t.gaps = p.hdr, 0
		if p.rows != nil {
			t.rows = *p.rows
		} else {
			for i := range p.list {
				t.rows.add(ehRow{start: p.list[i].start, f: p.list[i].f})
			}
		}
		t.write(o)
	} else {
		for k := range p.list {
			n := &p.list[k]
			base := uint32(t.hdr.off)
			if t.isLast(n.start) { // where nobody looks yet
				row := o.bytes(t.hdr.off+t.size(), 8)
				le.PutUint32(row, n.start-base)
				le.PutUint32(row[4:], n.f.fde-base)
				t.rows.add(ehRow{n.start, n.f.fde, n.f})
				continue
			}
			i := t.at(n.start)
			r := t.rows.at(i)
			if r.fde == 0 {
				t.gaps--
			}
			r.fde, r.f = n.f.fde, n.f
			o.put32(t.hdr.off+ehHead+8*uint64(i)+4, n.f.fde-base)
		}
		if len(p.list) > 0 {
			o.put32(t.hdr.off+ehCount, uint32(t.rows.n))
		}
	}
	for _, fde := range dead {
		t.bury(o, fde)
	}
	for _, f := range p.gone {
		if f.fde != 0 && p.frames == nil { // else it was left behind
			t.bury(o, f.fde)
		}
		f.fde, f.doomed = 0, false
	}
	for b, list := range p.kept {
		b.pieces = list
	}
}

// put puts the descriptions at the end of .eh_frame, and returns those that they replace. The length of the first is written last:
// what was there until then is a 0, the end, as it is behind all.
func (t *ehTable) put(o *Object, p *ehPlan) (dead []uint32) {
	if len(p.list) == 0 {
		return nil
	}
	for i := range p.list {
		n := &p.list[i]
		f, r := n.f, &p.rules[n.rules]
		if f.fde != 0 {
			dead = append(dead, f.fde)
		}
		at, size := t.frames.off+t.used, r.size()
		b := o.bytes(at, size)
		t.link(b, at, n.start)
		le.PutUint32(b[fdeSize:], n.size)
		copy(b[fdeRules:], r.in(o))
		if i > 0 {
			le.PutUint32(b, uint32(size-4))
		}
		t.used += size
		f.fde = uint32(at)
	}
	first := &p.list[0]
	o.put32(uint64(first.f.fde), uint32(p.rules[first.rules].size()-4))
	return dead
}

// link sets what depends on where a description lies.
func (t *ehTable) link(fde []byte, at uint64, start uint32) {
	le.PutUint32(fde[fdeCIE:], uint32(at+fdeCIE-t.frames.off))
	le.PutUint32(fde[fdeStart:], start-uint32(at+fdeStart))
}

// move makes .eh_frame anew, of what is of use.
func (t *ehTable) move(o *Object, p *ehPlan) {
	t.frames = p.frames
	copy(o.bytes(t.frames.off, uint64(len(cie))), cie)
	t.used, t.dead = uint64(len(cie)), 0
	all := p.rows
	if all == nil {
		all = &t.rows
	}
	for i := range all.n {
		r := all.at(i)
		if r.fde == 0 {
			r.f.fde = 0
			continue
		}
		n := uint64(le.Uint32(o.bytes(uint64(r.fde), 4))) + 4
		at := t.frames.off + t.used
		b := o.bytes(at, n)
		copy(b, o.bytes(uint64(r.fde), n))
		t.link(b, at, r.start)
		t.used += n
		r.fde = uint32(at)
		r.f.fde = r.fde
	}
}

// write writes the table to a new place.
func (t *ehTable) write(o *Object) {
	at := t.hdr.off
	b := o.bytes(at, t.size())
	copy(b, []byte{1, 0x1b, 0x03, 0x3b}) // version 1; pcrel sdata4, udata4, datarel sdata4
	le.PutUint32(b[4:], uint32(t.frames.off-(at+4)))
	le.PutUint32(b[ehCount:], uint32(t.rows.n))
	b = b[ehHead:]
	for i := range t.rows.n {
		r := t.rows.at(i)
		if r.fde == 0 {
			r.fde = r.f.fde
		}
		le.PutUint32(b, r.start-uint32(at))
		le.PutUint32(b[4:], r.fde-uint32(at))
		b = b[8:]
	}
}

// kill takes away the description of a function.
func (t *ehTable) kill(o *Object, f *function) {
	if f.fde == 0 {
		return
	}
	if i := t.at(uint32(f.vaddr())); i < t.rows.n && t.rows.at(i).f == f {
		t.rows.at(i).fde = 0
		t.gaps++
	}
	t.bury(o, f.fde)
	f.fde = 0
}

// bury makes a description one of no code.
func (t *ehTable) bury(o *Object, fde uint32) {
	t.dead += uint64(le.Uint32(o.bytes(uint64(fde), 4))) + 4
	o.put32(uint64(fde)+fdeSize, 0)
}

// size returns the size of .eh_frame_hdr.
func (t *ehTable) size() uint64 { return ehHead + 8*uint64(t.rows.n) }
