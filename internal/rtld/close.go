package rtld

import (
	"slices"

	"weld/native"
)

// Close gives back a handle. When nothing holds the object or what it needs any more, their finalisers run, what needs
// before what is needed, and they are unmapped.
func (o *Object) Close() error {
	linker.mu.Lock()
	defer linker.mu.Unlock()
	if o.System {
		return nil // the C library stays
	}
	if o.opens == 0 {
		return ErrClosed
	}
	o.opens--
	o.open.Store(int32(o.opens))
	if o.opens == 0 {
		collect()
	}
	return nil
}

// collect unloads what is not in use. linker.mu is held; it is given up while finalisers run, during which others may
// open and close, so it starts again until there is nothing to do.
func collect() {
	for {
		dead := unused()
		if len(dead) == 0 {
			return
		}
		order := dependencyOrder(dead)
		slices.Reverse(order)
		for _, o := range order {
			o.dying = true
		}
		// Nobody finds them from here on; they still find each other while their finalisers run.
		hide(dead)
		for _, o := range order {
			o.finalise()
		}
		scopes.Lock() // lookups that saw them have finished
		scopes.Unlock()
		unload(dead)
	}
}

// unused returns the objects that no handle leads to, in any namespace. What is being initialised is in use.
func unused() []*Object {
	var dead []*Object
	for _, ns := range linker.spaces {
		live := map[*Object]bool{}
		var mark func(o *Object)
		mark = func(o *Object) {
			if live[o] || o.System {
				return
			}
			live[o] = true
			for _, d := range o.deps {
				mark(d)
			}
			for _, d := range o.filtees {
				mark(d)
			}
			for d := range o.reldeps {
				mark(d)
			}
		}
		for _, o := range ns.objects {
			if o.opens > 0 || o.pinned || o.init == initRunning || o.busy > 0 {
				mark(o)
			}
		}
		for _, o := range ns.objects {
			if !live[o] && !o.dying {
				dead = append(dead, o)
			}
		}
	}
	return dead
}

// hide takes objects out of their namespaces and scopes.
func hide(dead []*Object) {
	gone := func(o *Object) bool { return slices.Contains(dead, o) }
	touched := map[*Namespace]bool{}
	for _, o := range dead {
		touched[o.Space] = true
	}
	for ns := range touched {
		ns.objects = slices.DeleteFunc(slices.Clone(ns.objects), gone)
		g := slices.DeleteFunc(slices.Clone(*ns.global.Load()), gone)
		ns.global.Store(&g)
		linker.bindings.Add(1)
		for _, o := range ns.objects {
			old := *o.scopes.Load()
			list := slices.DeleteFunc(slices.Clone(old), func(s *scope) bool { return slices.ContainsFunc(s.list, gone) })
			if len(list) == 0 {
				list = []*scope{{o.closure}}
			}
			o.scopes.Store(&list)
			linker.bindings.Add(1)
		}
		ns.uniqueMu.Lock()
		for name, u := range ns.unique {
			if gone(u.o) {
				delete(ns.unique, name)
			}
		}
		ns.uniqueMu.Unlock()
	}
}

// unload unmaps objects that nobody can reach.
func unload(dead []*Object) {
	touched := map[*Namespace]bool{}
	for _, o := range dead {
		touched[o.Space] = true
		delete(linker.byMap, o.LinkMap)
		linker.subs++
	}
	noteObjects()
	for ns := range touched {
		announce(ns, false)
	}
	for _, o := range dead {
		for _, f := range o.atClose {
			f()
		}
		o.dropTLS()
		tlsPairs.free(o)
		native.Unmap(o.Mapping.Addr, o.Mapping.Size)
		freeLinkMap(o)
		o.unloaded.Store(true)
	}
}

// Closed reports whether no handle to the object is left. Others may still need it, and then it is mapped: it can be
// opened again.
func (o *Object) Closed() bool {
	return !o.System && o.open.Load() == 0 && o.wasOpen.Load() || o.unloaded.Load()
}

// AtClose has f called when the object is about to be unmapped.
func (o *Object) AtClose(f func()) {
	linker.mu.Lock()
	o.atClose = append(o.atClose, f)
	linker.mu.Unlock()
}
