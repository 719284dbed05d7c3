package live

import (
	"bytes"
	"encoding/binary"
	"slices"
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
	rows   []ehRow
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
	gone  []*function // what is described no more
	kept  map[*Block][]*function
	bytes uint64
	// If they are to be made anew:
	frames, hdr *extent
	rows        []ehRow
}

// ehNew is a function to describe, by the rules at a place in Object.buf.
type ehNew struct {
	start, size uint32
	from, end   uint32
	f           *function
}

func (n *ehNew) rules(o *Object) []byte { return o.buf[n.from:n.end] }

// ruleSize returns the bytes of a description with n bytes of rules.
func ruleSize(n uint32) uint64 { return (fdeRules + uint64(n) + 7) &^ 7 }

func (t *ehTable) plan(x *tx, p *ehPlan, fresh []*function) (err error) {
	o := x.o
	for _, f := range p.gone {
		f.doomed = false // that commit failed
	}
	*p = ehPlan{list: slices.Grow(p.list[:0], len(fresh)), gone: p.gone[:0]}
	o.buf = o.buf[:0]
	for _, f := range fresh {
		if f.b != nil && !f.b.nested {
			t.add(o, p, f)
		}
	}
	p.sort()
	if blocks := t.nested(p, fresh); blocks != nil {
		p.list = slices.DeleteFunc(p.list, func(n ehNew) bool { return n.f.b.nested })
		for _, b := range blocks {
			t.addPieces(o, p, b)
		}
		p.sort()
	}
	for i := range p.list {
		p.bytes += ruleSize(p.list[i].end - p.list[i].from)
	}

	const end = 4
	if t.frames == nil || t.used+p.bytes+end > t.frames.size || t.dead > t.used/2 && t.dead > page {
		live := t.used - t.dead + uint64(len(cie))
		if p.frames, err = x.take(meta, (live+p.bytes)*3/2+1<<10, live+p.bytes); err != nil {
			return err
		}
	}
	if p.frames != nil || !t.inPlace(p) {
		p.rows = t.merge(p)
		n := uint64(len(p.rows))
		if p.hdr, err = x.take(meta, ehHead+8*(n+n/2+16), ehHead+8*n); err != nil {
			return err
		}
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
	from := len(o.buf)
	whole := f
	if f.of != nil {
		whole = f.of
	}
	u := whole.unwind
	if u == nil {
		u = &DefaultFrame
	}
	if f.off == whole.off {
		o.buf = u.append(o.buf, whole.code())
	} else {
		o.buf = u.appendFrom(o.buf, whole.code(), int(f.off-whole.off))
	}
	if f.fde != 0 && t.same(o, f, o.buf[from:]) {
		o.buf = o.buf[:from]
		return
	}
	n := ehNew{uint32(f.vaddr()), f.size, uint32(from), uint32(len(o.buf)), f}
	if k := len(p.list); k > 0 && bytes.Equal(p.list[k-1].rules(o), n.rules(o)) { // as most have
		n.from, n.end = p.list[k-1].from, p.list[k-1].end
		o.buf = o.buf[:from]
	}
	p.list = append(p.list, n)
}

// same reports whether a function is described like that already.
func (t *ehTable) same(o *Object, f *function, rules []byte) bool {
	n := uint64(le.Uint32(o.bytes(uint64(f.fde), 4))) + 4
	fde := o.bytes(uint64(f.fde), n)
	has := fde[fdeRules:]
	return n == ruleSize(uint32(len(rules))) && bytes.HasPrefix(has, rules) && len(bytes.Trim(has[len(rules):], "\x00")) == 0 &&
		le.Uint32(fde[fdeSize:]) == f.size
}

// at returns the first row whose function begins at or behind an address.
func (t *ehTable) at(start uint32) int {
	i, _ := slices.BinarySearchFunc(t.rows, start, func(r ehRow, v uint32) int { return int(r.start) - int(v) })
	return i
}

// inPlace tells whether the new functions can be put into the table as it is.
func (t *ehTable) inPlace(p *ehPlan) bool {
	if t.hdr == nil || len(p.gone) > 0 {
		return false
	}
	added := 0
	for i := range p.list {
		n := &p.list[i]
		if len(t.rows) == 0 || n.start > t.rows[len(t.rows)-1].start {
			added = len(p.list) - i
			break
		}
		k := t.at(n.start)
		if t.rows[k].start != n.start {
			return false
		}
		// An entry inside of the function would hide it.
		if k+1 < len(t.rows) && t.rows[k+1].fde == 0 && t.rows[k+1].start < n.start+n.size {
			return false
		}
	}
	return ehHead+8*uint64(len(t.rows)+added) <= t.hdr.size
}

// merge returns the rows of a new table. Those of new functions have no fde yet.
func (t *ehTable) merge(p *ehPlan) []ehRow {
	rows := make([]ehRow, 0, (len(t.rows)+len(p.list))*5/4+16)
	k := 0
	for _, r := range t.rows {
		for k < len(p.list) && p.list[k].start < r.start {
			rows = append(rows, ehRow{start: p.list[k].start, f: p.list[k].f})
			k++
		}
		if k < len(p.list) && p.list[k].start == r.start {
			r = ehRow{start: r.start, f: p.list[k].f}
			k++
		} else if r.fde == 0 || r.f.doomed {
			continue
		}
		rows = append(rows, r)
	}
	for _, n := range p.list[k:] {
		rows = append(rows, ehRow{start: n.start, f: n.f})
	}
	return rows
}

// apply does what was planned.
func (t *ehTable) apply(x *tx, p *ehPlan) {
	o := x.o
	if p.frames != nil {
		x.replace(t.frames)
		t.move(o, p)
	}
	var dead []uint32
	for i := range p.list {
		n := &p.list[i]
		if n.f.fde != 0 {
			dead = append(dead, n.f.fde)
		}
		n.f.fde = t.put(o, n)
	}
	if p.hdr != nil {
		x.replace(t.hdr)
		t.rows = p.rows
		t.hdr = p.hdr
		t.write(o)
	} else {
		for k := range p.list {
			n := &p.list[k]
			i := len(t.rows)
			if i == 0 || n.start > t.rows[i-1].start {
				t.rows = append(t.rows, ehRow{start: n.start})
			} else {
				i = t.at(n.start)
			}
			t.rows[i].fde, t.rows[i].f = n.f.fde, n.f
			at := t.hdr.off + ehHead + 8*uint64(i)
			o.put32(at+4, n.f.fde-uint32(t.hdr.off))
			o.put32(at, n.start-uint32(t.hdr.off))
		}
		if len(p.list) > 0 {
			o.put32(t.hdr.off+ehCount, uint32(len(t.rows)))
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

// put puts a description at the end of .eh_frame: the length last, as what was there until then is a 0, the end.
func (t *ehTable) put(o *Object, n *ehNew) uint32 {
	rules := n.rules(o)
	size := ruleSize(n.end - n.from)
	at := t.frames.off + t.used
	b := o.bytes(at, size+4)
	clear(b)
	t.link(b, at, n.start)
	le.PutUint32(b[fdeSize:], n.size)
	copy(b[fdeRules:], rules)
	o.put32(at, uint32(size-4))
	t.used += size
	return uint32(at)
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
	for i := range p.rows {
		r := &p.rows[i]
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
	le.PutUint32(b[ehCount:], uint32(len(t.rows)))
	b = b[ehHead:]
	for i := range t.rows {
		r := &t.rows[i]
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
	if i := t.at(uint32(f.vaddr())); i < len(t.rows) && t.rows[i].f == f {
		t.rows[i].fde = 0
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
func (t *ehTable) size() uint64 { return ehHead + 8*uint64(len(t.rows)) }
