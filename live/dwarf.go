package live

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Line says which line of source the code from an offset in the function on is made from.
type Line struct {
	Offset int    // in bytes
	File   string // "" is that of the entry before
	Line   int    // 0 is none
	Column int    // 0 is none
}

// checkLines tells what is wrong with the line table of a function of size bytes.
func checkLines(list []Line, size int) string {
	for i, l := range list {
		switch {
		case i > 0 && l.Offset <= list[i-1].Offset:
			return fmt.Sprintf("entry %d is not behind the one before", i)
		case l.Offset < 0 || l.Offset >= size:
			return fmt.Sprintf("entry %d is at %d of a function of %d bytes", i, l.Offset, size)
		case l.File == "" && i == 0:
			return "the first entry names no file"
		case len(l.File) > maxName || strings.IndexByte(l.File, 0) >= 0:
			return fmt.Sprintf("entry %d: the name of the file is too long or has a NUL", i)
		case l.Line < 0 || l.Column < 0:
			return fmt.Sprintf("entry %d: line %d, column %d", i, l.Line, l.Column)
		}
	}
	return ""
}

// debugSource is what debuggers are told of a function beside its name and its frame. It does not change, so that what was
// written of it can be found.
type debugSource struct {
	name    string
	lines   []Line
	was     *debugSource // what it replaces, and is to be taken away
	written bool
	// Where what is changed to take it away is, in the sections.
	high, address, span, arange uint64
}

func (d *debugSource) replace(name string, lines []Line) *debugSource {
	n := &debugSource{name: name, lines: slices.Clone(lines)}
	if d != nil {
		if n.was = d; !d.written {
			n.was = d.was
		}
	}
	return n
}

// dwarfTable is the sections .debug_*, of functions with lines (DWARF 4, which readers of old know). A commit adds a unit for
// each file that functions of it are from; what is no more is made one of no code. When that has become half, or
// units many, all is made anew with a unit for each file.
type dwarfTable struct {
	abbrev, info, line, ranges, aranges, str list

	rows    []dwarfRow // also some that are no more
	dead    int        // of them
	units   int
	fresh   int // functions since all was made anew
	files   map[string]uint32
	dir     string
	started bool
}

// dwarfRow is a function as it was described.
type dwarfRow struct {
	f *function
	d *debugSource
}

func (r dwarfRow) live() bool { return r.f.b != nil && r.f.source == r.d && r.d.written }

// debugPlan is what a commit does to the table.
type debugPlan struct {
	list   []*function // to describe
	remake bool
	b      dwarfBuilder
	to     dwarfTable // the new lists, if all is made anew
}

// dwarfBuilder collects what is to be appended to the sections.
type dwarfBuilder struct {
	info, line, ranges, aranges, str []byte
	// Where they will be.
	infoAt, lineAt, rangesAt, arangesAt, strAt uint64
	files                                      map[string]uint32 // strings of .debug_str
	added                                      map[string]uint32
	fixes                                      []dwarfFix
	units                                      int
}

// dwarfFix is where the parts of a description are.
type dwarfFix struct {
	d                           *debugSource
	high, address, span, arange uint64
}

func (t *dwarfTable) plan(x *tx, p *debugPlan, fresh functionList) error {
	*p = debugPlan{list: emptied(p.list)}
	if !fresh.lines {
		return nil
	}
	for f := range fresh.all {
		if f.b != nil && f.source != nil && !f.source.written {
			p.list = append(p.list, f)
		}
	}
	if len(p.list) == 0 {
		return nil
	}
	if !t.started {
		t.dir, _ = os.Getwd()
	}
	live := len(t.rows) - t.dead
	n := live + len(p.list)
	const few = 64
	p.remake = t.dead > live+few || t.units > few && t.fresh+len(p.list) > n/2 && len(p.list) < n
	all := p.list
	if p.remake || !t.started {
		p.remake = true
		p.b.files = map[string]uint32{}
		p.b.str = []byte{0}
		all = make([]*function, 0, n)
		for _, r := range t.rows {
			if r.live() {
				all = append(all, r.f)
			}
		}
		all = append(all, p.list...)
	} else {
		p.b = dwarfBuilder{infoAt: t.info.used, lineAt: t.line.used, rangesAt: t.ranges.used, arangesAt: t.aranges.used, strAt: t.str.used, files: t.files}
	}
	p.b.added = map[string]uint32{}
	p.b.build(all, t.dir)

	lists := t
	if p.remake {
		lists = &p.to
		if err := lists.abbrev.room(x, uint64(len(abbrevs))); err != nil {
			return err
		}
	}
	err := error(nil)
	room := func(l *list, b []byte) {
		if err == nil {
			err = l.room(x, uint64(len(b)))
		}
	}
	room(&lists.info, p.b.info)
	room(&lists.line, p.b.line)
	room(&lists.ranges, p.b.ranges)
	room(&lists.aranges, p.b.aranges)
	room(&lists.str, p.b.str)
	return err
}

// apply does what was planned.
func (t *dwarfTable) apply(x *tx, p *debugPlan) {
	o := x.o
	if len(p.list) == 0 {
		return
	}
	for _, f := range p.list {
		if was := f.source.was; was != nil && was.written {
			t.bury(o, was)
		}
		f.source.was = nil
	}
	if p.remake {
		for _, l := range []*list{&t.abbrev, &t.info, &t.line, &t.ranges, &t.aranges, &t.str} {
			if l.e != nil {
				x.spare = append(x.spare, l.e)
			}
		}
		live := make([]dwarfRow, 0, len(t.rows)-t.dead+len(p.list))
		for _, r := range t.rows {
			if r.live() {
				live = append(live, r)
			}
		}
		*t = dwarfTable{
			abbrev: p.to.abbrev, info: p.to.info, line: p.to.line, ranges: p.to.ranges, aranges: p.to.aranges, str: p.to.str,
			rows: live, files: map[string]uint32{}, dir: t.dir, started: true,
		}
		t.abbrev.add(o, abbrevs)
	}
	t.info.add(o, p.b.info)
	t.line.add(o, p.b.line)
	t.ranges.add(o, p.b.ranges)
	t.aranges.add(o, p.b.aranges)
	t.str.add(o, p.b.str)
	for s, at := range p.b.added {
		t.files[s] = at
	}
	for _, fix := range p.b.fixes {
		d := fix.d
		d.written, d.high, d.address, d.span, d.arange = true, fix.high, fix.address, fix.span, fix.arange
	}
	for _, f := range p.list {
		t.rows = append(t.rows, dwarfRow{f, f.source})
	}
	t.units += p.b.units
	if !p.remake {
		t.fresh += len(p.list)
	}
}

// kill takes away what is said of a function that is no more.
func (t *dwarfTable) kill(o *Object, f *function) {
	for d := f.source; d != nil; d = d.was {
		if d.written {
			t.bury(o, d)
		}
	}
}

// bury makes a description one of no code: a function of no length and an empty range are passed over by readers, and what is
// at 0, or lines at the last address, is code that was left out (as linkers mark it).
func (t *dwarfTable) bury(o *Object, d *debugSource) {
	le.PutUint64(o.bytes(t.info.e.off+d.high, 8), 0)
	le.PutUint64(o.bytes(t.line.e.off+d.address, 8), ^uint64(0))
	span := o.bytes(t.ranges.e.off+d.span, 16)
	copy(span[8:], span[:8])
	le.PutUint64(o.bytes(t.aranges.e.off+d.arange, 8), 0)
	d.written = false
	t.dead++
}
