package rtld

import (
	"maps"
	"slices"
	"syscall"

	"weld/native"
)

// Close gives back a handle. When nothing holds the object or what it needs any more, their finalisers run, what needs
// before what is needed, and they are unmapped: also if a finaliser panics, which goes on to the caller then.
func (o *Object) Close() error {
	linker.mu.Lock()
	defer linker.mu.Unlock()
	if o.System {
		return nil // the C library stays
	}
	if o.opens == 0 || o.live != nil && o.opens == 1 { // the last one is its maker's
		return ErrClosed
	}
	o.dropHandle()
	return nil
}

// dropHandle gives a handle back. linker.mu is held.
func (o *Object) dropHandle() {
	if o.opens--; o.opens == 0 {
		o.closed.Store(true)
		collect()
	}
}

// hold keeps an object mapped for a while, whatever is closed. linker.mu is held.
func (o *Object) hold() { o.busy++ }

// letGo ends hold. linker.mu is held.
func (o *Object) letGo() {
	if o.busy--; linker.later {
		collect()
	}
}

// collect unloads what is not in use. linker.mu is held; it is given up while finalisers run, during which others may
// open and close, so it starts again until there is nothing to do. While this goroutine opens something or runs
// finalisers it does nothing: an open relies on what it has found, and glibc runs the finalisers of what a finaliser
// closes after all others.
func collect() {
	me := native.Goroutine()
	if linker.plan != nil || linker.collects[me] {
		linker.later = true
		return
	}
	linker.later = false
	linker.collects[me] = true
	defer delete(linker.collects, me)
	for {
		dead := unused()
		if len(dead) == 0 {
			break
		}
		order := finiOrder(dead)
		for _, o := range order {
			o.dying = true
			o.closed.Store(true)
		}
		linker.dying = append(linker.dying, dead...)
		// Nobody finds them from here on; they still find each other while their finalisers run.
		hide(dead)
		func() {
			defer unload(dead)
			finalise(order)
		}()
	}
	dropSpaces()
}

// unused returns the objects that no handle leads to, in any namespace. What is being initialised is in use, and so is
// what a finaliser that runs may call.
func unused() []*Object {
	live := newWalk()
	var mark func(list []*Object)
	mark = func(list []*Object) {
		for _, o := range list {
			if !o.System && o.visit(live) {
				mark(o.deps)
				mark(o.filtees)
				mark(o.reldeps)
			}
		}
	}
	mark(linker.dying)
	for _, ns := range linker.spaces {
		for i, o := range ns.objects {
			if o.opens > 0 || o.pinned || o.init == initRunning || o.busy > 0 {
				mark(ns.objects[i : i+1])
				linker.later = linker.later || o.opens == 0 && o.busy > 0
			}
		}
	}
	var dead []*Object
	for _, ns := range linker.spaces {
		for _, o := range ns.objects {
			if o.mark != live {
				dead = append(dead, o)
			}
		}
	}
	return dead
}

// hide takes objects out of their namespaces and scopes. They themselves go on seeing what they saw.
func hide(dead []*Object) {
	gone := func(o *Object) bool { return slices.Contains(dead, o) }
	for _, o := range dead {
		if global := *o.Space.global.Load(); slices.ContainsFunc(global, gone) {
			list := append(slices.Clone(*o.scopes.Load()), &scope{global})
			o.scopes.Store(&list)
		}
	}
	for i, o := range dead {
		if !firstOfSpace(dead, i) {
			continue
		}
		ns := o.Space
		ns.objects = slices.DeleteFunc(slices.Clone(ns.objects), gone)
		if global := *ns.global.Load(); slices.ContainsFunc(global, gone) {
			g := slices.DeleteFunc(slices.Clone(global), gone)
			ns.global.Store(&g)
		}
		for _, o := range ns.objects {
			within := func(s *scope) bool { return slices.ContainsFunc(s.list, gone) }
			old := *o.scopes.Load()
			if !slices.ContainsFunc(old, within) {
				continue
			}
			list := slices.DeleteFunc(slices.Clone(old), within)
			if len(list) == 0 {
				o.scopes.Store(oneScope(o.closure))
			} else {
				o.scopes.Store(&list)
			}
		}
		maps.DeleteFunc(ns.unique, func(_ string, u uniqueSymbol) bool { return gone(u.o) })
	}
	linker.bindings.Add(1)
}

// firstOfSpace reports whether no object before the one of index i in a list is of its namespace.
func firstOfSpace(list []*Object, i int) bool {
	return slices.IndexFunc(list, func(o *Object) bool { return o.Space == list[i].Space }) == i
}

// unload unmaps objects that nobody can reach.
func unload(dead []*Object) {
	tracing().unloading(dead)
	for _, o := range dead {
		for _, f := range o.atClose {
			f()
		}
	}
	linker.subs += uint64(len(dead))
	linker.dying = slices.DeleteFunc(linker.dying, func(o *Object) bool { return slices.Contains(dead, o) })
	unlist(dead)
	unmap(dead)
	unlisted(dead)
}

// unmap gives back all memory of objects. linker.mu is held.
func unmap(list []*Object) {
	beforeUnmap()
	for _, o := range list {
		delete(linker.byMap, o.LinkMap)
		o.closed.Store(true)
	}
	noteObjects(nil, list)
	lookupsDone()
	forgetSlots(list)
	// What was mapped last goes first: then the places of all come together to one, and each gets its own the next time
	// (native.MapImage).
	for _, o := range slices.Backward(list) {
		o.dropTLS()
		tlsPairs.free(o)
		if o.live != nil {
			o.live.free(o)
		} else {
			o.Mapping.Unmap()
		}
		o.freePhdrs()
		freeLinkMap(o)
		if o.fd >= 0 {
			syscall.Close(o.fd)
		}
	}
}

// Closed reports whether the last handle to the object was given back, or it is unmapped. Others may still need it, and
// then it is mapped: it can be opened again.
func (o *Object) Closed() bool { return o.closed.Load() }

// AtClose has f called when the object is about to be unmapped.
func (o *Object) AtClose(f func()) {
	linker.mu.Lock()
	o.atClose = append(o.atClose, f)
	linker.mu.Unlock()
}
