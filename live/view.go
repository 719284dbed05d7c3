package live

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"weld/internal/rtld"
	"weld/native"
)

// view is what debuggers are shown of an object that has many symbols, while one watches. A debugger reads all of a file whose
// symbols have changed, so that one small commit after the other would take time by the square of their number. Hence the
// object is shown as parts: ranges of its addresses, each with a file of its own that has all the symbols there, and descriptions.
// A commit makes those anew in which something has changed. What comes behind all others is a new part; with the one before it
// is made into one as long as that has no more symbols. So a symbol is read again only when there are twice as many around it,
// and a part with maxPart symbols is made anew only for what changes in it.
// When nobody watches any more the object is shown as itself again.
type view struct {
	on    bool
	head  *file // what the object itself is shown by
	parts [numKinds][]*part
	again []span // of text that debuggers are to read anew, nil for all
}

const (
	// fewShown is the number of symbols up to which an object is shown as itself, but to lldb.
	fewShown = 1 << 10
	// A part is made into one with what comes behind it until it has growth times as many symbols.
	growth = 16
	// A part is cut where it has more symbols than maxPart, or maxPartShare of all, or more bytes than maxPartBytes.
	maxPart      = 1 << 13
	maxPartShare = 32
	maxPartBytes = 1 << 20
)

// part is a range of addresses.
type part struct {
	from, to uint64
	n        int            // symbols
	shown    *rtld.LivePart // nil if it is not yet, or has nothing to show
	file     *file
	stale    bool
}

// partFile makes a file beside the object's, for debuggers to read.
func (o *Object) partFile(data []byte) (*file, error) {
	if o.file.name == "" {
		fd, err := native.MemFile(o.name+".so", data)
		if err != nil {
			return nil, err
		}
		return &file{fd: fd, path: native.FileName(fd)}, nil
	}
	start, err := startTime("self")
	if err != nil {
		return nil, err
	}
	n := fileCount.Add(1)
	path := filepath.Join(filepath.Dir(o.file.name), fileName(strconv.Itoa(int(n))+"."+o.name, os.Getpid(), start, n))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	made := &file{fd: -1, path: path, name: path, pid: os.Getpid()}
	named.add(made)
	_, err = f.Write(data)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		made.close()
		return nil, err
	}
	return made, nil
}

// remove closes the file of a part, if it has one.
func (p *part) remove() {
	if p.file != nil {
		p.file.close()
		p.file = nil
	}
}

// close removes the files.
func (v *view) close() {
	if v.head != nil {
		v.head.close()
	}
	for _, list := range v.parts {
		for _, p := range list {
			p.remove()
		}
	}
	*v = view{}
}

// shown returns the ranges of text that debuggers are to read anew.
func (o *Object) shown() []span {
	if o.display.again != nil {
		return o.display.again
	}
	var all []span
	for _, c := range o.regions[Text].chunks {
		all = append(all, span{c.at, c.at + c.mapped})
	}
	return all
}

// show tells debuggers of the commit that is in work: as what it makes of the parts, or, if nobody watches or there are few symbols,
// as the object being another. If a part cannot be made they are shown the object too.
func (o *Object) show(obj *rtld.Object) error {
	v := &o.display
	watched, always := obj.Watched()
	if !watched || !v.on && o.tab.len() <= fewShown && !always {
		return o.showWhole(obj)
	}
	shows := rtld.LiveView{}
	was := v.parts
	gone, err := o.showParts(obj.NewPart, &shows)
	if err != nil {
		for _, p := range shows.Come {
			p.Free()
		}
		for _, list := range v.parts {
			for _, p := range list {
				if slices.Contains(shows.Come, p.shown) {
					p.remove()
				}
			}
		}
		v.parts = was
		return o.showWhole(obj)
	}
	err = obj.ShowLive(shows)
	v.again = nil
	for _, p := range gone {
		p.remove()
	}
	return err
}

// showWhole shows the object as itself.
func (o *Object) showWhole(obj *rtld.Object) error {
	v := &o.display
	shows := rtld.LiveView{}
	for _, list := range v.parts {
		for _, p := range list {
			if p.shown != nil {
				shows.Gone = append(shows.Gone, p.shown)
			}
		}
	}
	v.again = nil
	err := obj.ShowLive(shows)
	if v.on {
		v.close()
	}
	return err
}

// showParts makes the parts that a commit changes, and returns those that they replace.
func (o *Object) showParts(add func(path string) (*rtld.LivePart, error), shows *rtld.LiveView) (gone []*part, err error) {
	v := &o.display
	v.again = nil
	all := o.shown()
	v.again = []span{}
	if !v.on {
		if v.head, err = o.partFile(o.partImage(nil, 0)); err != nil {
			return nil, err
		}
		v.on = true
		v.again = append(v.again, all...)
		for k := range numKinds {
			r := &o.regions[k]
			v.parts[k] = []*part{{from: r.off, to: r.off, stale: true}}
		}
	} else {
		v.markStale(o)
	}
	shows.Head = v.head.path
	for k := range numKinds {
		was := v.parts[k]
		now := o.replan(k, slices.Clone(was))
		for _, p := range was {
			if p.shown != nil && !slices.Contains(now, p) {
				shows.Gone, gone = append(shows.Gone, p.shown), append(gone, p)
				if k == Text {
					v.again = append(v.again, span{p.from, p.to})
				}
			}
		}
		v.parts[k] = now
		for _, p := range now {
			if !p.stale {
				continue
			}
			p.stale = false
			image := o.partImage(p, k)
			if image == nil {
				continue
			}
			if p.file, err = o.partFile(image); err != nil {
				return gone, err
			}
			if p.shown, err = add(p.file.path); err != nil {
				p.remove()
				return gone, err
			}
			shows.Come = append(shows.Come, p.shown)
		}
	}
	return gone, nil
}

// partOf returns the part that an address is in, nil if it is behind all.
func (v *view) partOf(at uint64) *part {
	for _, list := range v.parts {
		if n := len(list); n == 0 || at < list[0].from || at >= list[n-1].to {
			continue
		}
		i, found := slices.BinarySearchFunc(list, at, func(p *part, at uint64) int { return cmp.Compare(p.from, at) })
		if !found {
			i--
		}
		return list[i]
	}
	return nil
}

// markStale notes the parts in which a commit changes something.
func (v *view) markStale(o *Object) {
	mark := func(at uint64) {
		if p := v.partOf(at); p != nil {
			p.stale = true
		}
	}
	w := &o.work
	for e := range o.each(w.list) {
		c := e.change()
		if c.was != nil {
			mark(uint64(c.was.at))
		}
		if c.now != nil {
			mark(uint64(c.now.at))
		}
	}
	for i := range w.eh.list {
		mark(uint64(w.eh.list[i].start))
	}
	for _, f := range w.debug.list {
		mark(f.vaddr())
	}
}

// replan returns the parts of a kind of memory as they are to be: those that stay are the same, those to be made are stale.
func (o *Object) replan(k Kind, list []*part) []*part {
	most := max(maxPart, o.tab.len()/maxPartShare)
	for i, p := range list {
		if p.stale { // it is another one, so that the old is seen to go
			list[i] = &part{from: p.from, to: p.to, n: o.count(p.from, p.to), stale: true}
		}
	}
	last := list[len(list)-1]
	if top := o.regions[k].top(); top > last.to {
		list = append(list, &part{from: last.to, to: top, n: o.count(last.to, top), stale: true})
	}
	for n := len(list); n > 1; n = len(list) {
		a, b := list[n-2], list[n-1]
		if !b.stale || a.n > growth*b.n || a.n+b.n > most {
			break
		}
		list = append(list[:n-2], &part{from: a.from, to: b.to, n: a.n + b.n, stale: true})
	}
	now := make([]*part, 0, len(list))
	for _, p := range list {
		if p.stale && (p.n > most+most/2 || p.to-p.from > maxPartBytes && p.n > 1) {
			now = o.cut(now, p, most)
			continue
		}
		now = append(now, p)
	}
	return now
}

func (o *Object) count(from, to uint64) (n int) {
	o.addrs.within(from, to, func(*sym) { n++ })
	return n
}

// cut appends what a part is cut into: where no symbol goes across.
func (o *Object) cut(list []*part, p *part, most int) []*part {
	next := &part{from: p.from, stale: true}
	reach := uint64(0)
	o.addrs.within(p.from, p.to, func(s *sym) {
		at := uint64(s.at)
		if (next.n >= most || at-next.from >= maxPartBytes) && at >= reach && next.n > 0 {
			next.to = at
			list = append(list, next)
			next = &part{from: at, stale: true}
		}
		next.n++
		reach = max(reach, uint64(s.end()))
	})
	next.to = p.to
	return append(list, next)
}
