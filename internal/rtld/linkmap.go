package rtld

import (
	"unsafe"

	"weld/debug"
	"weld/native"
)

// Every object has a struct link_map in native memory, with the fields of <link.h>: debuggers read the list, loaded
// code gets its address as a handle, GOT[1] holds it.
type linkMap struct {
	addr uintptr // l_addr
	name uintptr // l_name, NUL-terminated
	ld   uintptr // l_ld
	next uintptr
	prev uintptr
}

const linkMapSize = 64

func makeLinkMap(o *Object) error {
	p, err := native.Alloc(linkMapSize)
	if err != nil {
		return err
	}
	name, err := native.NewString(o.Path)
	if err != nil {
		native.Free(p, linkMapSize)
		return err
	}
	*(*linkMap)(native.Pointer(p)) = linkMap{addr: o.Mapping.Bias, name: name, ld: o.addr(o.File.Dynamic.Addr)}
	o.LinkMap = p
	return nil
}

func freeLinkMap(o *Object) {
	if o.LinkMap == 0 || o.System {
		return
	}
	native.FreeString((*linkMap)(native.Pointer(o.LinkMap)).name, o.Path)
	native.Free(o.LinkMap, linkMapSize)
	o.LinkMap = 0
}

// announce links the maps of a namespace in load order and tells debuggers, once for a whole closure. adding says
// which way the list changes. linker.mu is held.
func announce(ns *Namespace, adding bool) {
	r := debug.Space(ns.ID)
	if adding {
		r.Begin(debug.Add)
	} else {
		r.Begin(debug.Delete)
	}
	// Each word is written once: loaded code may be going through the list.
	prev, first := uintptr(0), uintptr(0)
	for i, o := range ns.objects {
		m := (*linkMap)(native.Pointer(o.LinkMap))
		m.prev, prev = prev, o.LinkMap
		next := uintptr(0)
		if i+1 < len(ns.objects) {
			next = ns.objects[i+1].LinkMap
		}
		storeWord(o.LinkMap+unsafe.Offsetof(m.next), next)
	}
	if len(ns.objects) > 0 {
		first = ns.objects[0].LinkMap
	}
	r.End(first)
}
