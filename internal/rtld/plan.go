package rtld

import "weld/internal/search"

// plan is one open: what it has mapped and read, before any of it is relocated, and what must be undone if it fails.
type plan struct {
	ns     *Namespace
	flags  Flags
	caller *Object // the object whose code asks, nil for the program
	root   *Object

	mapping, listed bool // debuggers know that it maps, that it has mapped

	index *index // for the scope of root, while the new objects are relocated

	callerAddr uintptr // see Source.Caller
	isProgram  bool    // it is a Program's

	search search.Pass // for the files of its libraries
	found  *source     // see find
	tried  []tried
	accept func(path string) error // what find gives to the search

	preload []string // of a Program: what comes behind it in the scope

	fresh []*Object // new objects, breadth first
	errs  []error

	// What it has changed in objects that were there before, and in the namespace's table.
	named  []named
	pinned []*Object
	unique []string
}

// newPlan returns a plan: the last one, if that is over. linker.mu is held.
func newPlan(ns *Namespace, flags Flags) *plan {
	p := linker.spare
	linker.spare = nil
	if p == nil {
		p = new(plan)
		p.accept = p.tryFile
	}
	p.ns, p.flags = ns, flags
	return p
}

// end gives the plan back, of which nothing is left anywhere.
func (p *plan) end() {
	clear(p.fresh)
	*p = plan{fresh: p.fresh[:0], accept: p.accept}
	linker.spare = p
}

// named is a name that an object was given.
type named struct {
	o    *Object
	name string
}
