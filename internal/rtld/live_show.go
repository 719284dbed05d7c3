package rtld

import (
	"weld/debug"
	"weld/native"
)

// What debuggers are shown of a live object: its file, or, so that they need not read all of that when little has changed, parts
// of its symbols, each as a file of its own and as an object of its own in their list.

// LivePart is a part of an object, as debuggers see it.
type LivePart struct {
	m uintptr // its link_map
}

// NewPart makes a part of the object, of a file with addresses like those of the object's. ShowLive has it seen.
func (o *Object) NewPart(path string) (*LivePart, error) {
	m, err := debug.NewLinkMap(o.Mapping.Bias, path, o.live.layout.Load().Dynamic)
	if err != nil {
		return nil, err
	}
	return &LivePart{m}, nil
}

// Free gives back a part that was not shown.
func (p *LivePart) Free() { debug.FreeLinkMap(p.m) }

// LiveView is what becomes of what debuggers are shown.
type LiveView struct {
	// Head is the file that the object itself is shown by, which has nothing in it: all is in parts then. "" is its own file.
	Head       string
	Gone, Come []*LivePart
}

// Watched reports whether a debugger is told of what becomes of the object, and whether it is one that must be shown parts, as it
// does not read a file again. The caller holds LockLive.
func (o *Object) Watched() (yes, parts bool) {
	r := o.Space.rendezvous()
	yes = r.Watched()
	return yes, yes && r.Strict()
}

// ShowLive tells debuggers of a commit. With no other view than before, of parts, they have nothing new to read if none comes or
// goes. The caller holds LockLive.
func (o *Object) ShowLive(v LiveView) error {
	l := o.live
	name := l.names[l.turn]
	was := l.head
	again := true // its symbols are to be read anew
	switch {
	case v.Head == "":
		l.turn ^= 1
		name = l.names[l.turn]
		l.head = 0
	case was != 0 && native.String(was) == v.Head:
		name, again = was, false
	default:
		head, err := native.NewString(v.Head)
		if err != nil {
			return err
		}
		name, l.head = head, head
	}
	var gone, come []uintptr
	for _, p := range v.Gone {
		gone = append(gone, p.m)
		delete(l.parts, p)
	}
	for _, p := range v.Come {
		come = append(come, p.m)
		if l.parts == nil {
			l.parts = map[*LivePart]bool{}
		}
		l.parts[p] = true
	}
	r := o.Space.rendezvous()
	rename := func() { debug.Rename(o.LinkMap, name, l.layout.Load().Dynamic) }
	switch {
	case !again && gone == nil && come == nil:
		rename()
	case r.Watched() && (again || gone != nil) && l.Marked():
		if again {
			gone, come = append([]uintptr{o.LinkMap}, gone...), append([]uintptr{o.LinkMap}, come...)
		}
		r.Replace(gone, come, rename, l.Unmark, l.Remark)
	default:
		r.Exchange(gone, come, rename)
	}
	for _, p := range v.Gone {
		p.Free()
	}
	if was != 0 && was != l.head {
		native.FreeString(was, native.String(was))
	}
	return nil
}

// hideParts takes the parts of an object out of the list that is to go itself. linker.mu is held.
func (o *Object) hideParts() {
	if len(o.live.parts) == 0 {
		return
	}
	var gone []uintptr
	for p := range o.live.parts {
		gone = append(gone, p.m)
	}
	o.Space.rendezvous().Exchange(gone, nil, func() {})
	for p := range o.live.parts {
		p.Free()
	}
	o.live.parts = nil
}
