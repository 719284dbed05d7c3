package rtld

import (
	"weld/debug"
	"weld/native"
)

// Every object has a struct link_map in native memory, with the fields of <link.h>: debuggers read the list, loaded
// code gets its address as a handle, GOT[1] holds it.

func makeLinkMap(o *Object) (err error) {
	file := o.Path
	if o.fd >= 0 {
		file = o.object
	}
	o.LinkMap, err = debug.NewLinkMap(o.Mapping.Bias, file, o.addr(o.File.Dynamic.Addr))
	return err
}

func freeLinkMap(o *Object) {
	if o.LinkMap == 0 || o.System {
		return
	}
	debug.FreeLinkMap(o.LinkMap)
	o.LinkMap = 0
}

func mapAt(p uintptr) *debug.LinkMap { return (*debug.LinkMap)(native.Pointer(p)) }

// rendezvous returns where debuggers are told of the namespace. linker.mu is held.
func (ns *Namespace) rendezvous() *debug.Rendezvous { return debug.Space(ns.ID) }

// startMap tells debuggers that the plan is about to map objects, once.
func (p *plan) startMap() {
	if !p.mapping {
		t := tracing()
		t.enter(PhasePublish)
		defer t.leave()
		p.mapping = true
		if p.isProgram {
			p.ns.rendezvous().StartInit()
		} else {
			p.ns.rendezvous().StartMap()
		}
	}
}

// endMap puts the new objects into the list of debuggers, before they are relocated: their resolvers may run then.
func (p *plan) endMap() {
	if !p.mapping {
		return
	}
	t := tracing()
	t.enter(PhasePublish)
	defer t.leave()
	r := p.ns.rendezvous()
	if len(p.fresh) == 0 { // the file that was mapped is the system's (systemFile)
		p.mapping = false
		r.FailMap()
		return
	}
	for _, o := range p.fresh {
		if o == program {
			r.AddFirst(o.LinkMap)
		} else {
			r.Add(o.LinkMap)
		}
	}
	if !p.isProgram {
		p.listed = true
		r.EndMap()
		r.StartReloc()
	}
}

// endReloc tells debuggers that the new objects are relocated.
func (p *plan) endReloc() {
	switch {
	case p.isProgram:
		p.ns.rendezvous().EndInit()
	case p.listed:
		p.ns.rendezvous().EndReloc(p.fresh[0].LinkMap)
	}
}

// unlist takes objects that are about to be unmapped out of the lists of debuggers.
func unlist(list []*Object) {
	for i, o := range list {
		if !firstOfSpace(list, i) {
			continue
		}
		gone := make([]uintptr, 0, 8)
		for _, x := range list[i:] {
			if x.Space == o.Space {
				gone = append(gone, x.LinkMap)
			}
		}
		o.Space.rendezvous().StartUnmap(gone)
	}
}

// unlisted tells debuggers that they are unmapped.
func unlisted(list []*Object) {
	for i, o := range list {
		if firstOfSpace(list, i) {
			o.Space.rendezvous().EndUnmap()
		}
	}
}

// listSystem puts what the system's run-time linker has loaded into the first namespace's list. Where that one has also
// started the process debuggers know its own list.
func listSystem(fresh []*Object) {
	if _, _, adopted := native.Libc(); adopted {
		return
	}
	r := Default.rendezvous()
	alone := r.StartMap()
	for _, o := range fresh {
		if m := systemMap(o); m != 0 {
			r.Add(m)
		}
	}
	if alone {
		r.EndMap()
		r.StartReloc()
		r.EndReloc(0)
	}
}

// listInterpreter puts weld itself into the list, as a program interpreter is in its own: where it is not, debuggers
// take the functions of this binary for unknown ones.
func listInterpreter(path string) {
	if m, err := debug.NewLinkMap(0, path, 0); err == nil { // it is where it was linked to be
		Default.rendezvous().Add(m)
	}
}

// systemMap returns a copy of the link_map of a system's object, 0 if the object has no file: the list it stands in goes on
// to other ones. It is as long as libthread_db reads it for the addresses of thread-local variables.
func systemMap(o *Object) uintptr {
	if o.Path == "" || o.Path == native.ReserveName {
		return 0
	}
	size := max(debug.LinkMapSize, native.SystemTLSModuleEnd())
	p, err := native.Alloc(size)
	if err != nil {
		return 0
	}
	copy(native.Bytes(p, size), native.Bytes(o.LinkMap, size))
	return p
}
