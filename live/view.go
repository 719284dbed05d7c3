package live

import (
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
// A commit makes those anew in which something has changed, see ranges.go.
// When nobody watches any more the object is shown as itself again.
type view struct {
	on      bool
	head    *file // what the object itself is shown by
	parts   [numKinds][]*part
	ends    [numKinds]uint64 // of what comes behind the parts
	commits uint64           // that were shown as parts
	again   []span           // of text that debuggers are to read anew, nil for all
}

// fewShown is the number of symbols up to which an object is shown as itself, but to lldb.
const fewShown = 1 << 7

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
		v.begin(o)
	} else {
		v.markStale(o)
	}
	v.commits++
	shows.Head = v.head.path
	for k := range numKinds {
		was := v.parts[k]
		now := o.replan(k)
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

// begin has all that there is made into parts.
func (v *view) begin(o *Object) {
	v.commits = 0
	for k := range numKinds {
		r := &o.regions[k]
		v.parts[k] = []*part{{from: r.off, to: r.off}}
		v.ends[k] = 0
		o.addrs.within(r.off, r.top(), func(s *sym) { v.ends[k] = max(v.ends[k], uint64(s.end())) })
	}
	for i := range o.eh.rows.n {
		if r := o.eh.rows.at(i); r.fde != 0 {
			v.ends[Text] = max(v.ends[Text], uint64(r.start+r.f.size))
		}
	}
}

// markStale notes where a commit changes something.
func (v *view) markStale(o *Object) {
	v.ends = [numKinds]uint64{}
	w := &o.work
	for e := range o.each(w.list) {
		c := e.change()
		for _, s := range [...]*sym{c.was, c.now} {
			if s != nil {
				v.change(s.b.Kind(), uint64(s.at), uint64(s.end()))
			}
		}
	}
	for i := range w.eh.list {
		n := &w.eh.list[i]
		v.change(Text, uint64(n.start), uint64(n.start+n.size))
	}
	for _, f := range w.debug.list {
		v.change(Text, f.vaddr(), f.vaddr()+uint64(f.size))
	}
}
