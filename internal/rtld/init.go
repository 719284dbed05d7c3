package rtld

import (
	"slices"

	"weld/image/elf"
	"weld/native"
)

type initState uint8

const (
	initNone initState = iota
	initRunning
	initDone
)

// initOrder returns the closure of root in the order in which initialisers run: what is needed before what needs it.
// Among objects that do not need each other it is glibc's order (rtld.dynamic_sort=2): a depth-first walk that begins
// at the end of the breadth-first list, so that a tie goes the way it does there. DF_1_INITFIRST comes first of all.
func initOrder(root *Object) []*Object {
	list := dependencyOrder(root.closure)
	// In a cycle the one that was opened comes last.
	if i := slices.Index(list, root); i >= 0 {
		list = append(slices.Delete(list, i, i+1), root)
	}
	for i, o := range list {
		if o.File.Dynamic.Flags1&elf.DF_1_INITFIRST != 0 && o.init == initNone && !o.System {
			list = slices.Concat([]*Object{o}, list[:i], list[i+1:])
			break
		}
	}
	return list
}

// dependencyOrder sorts objects so that each comes after all that it needs, cycles aside.
func dependencyOrder(list []*Object) []*Object {
	visited := map[*Object]bool{}
	in := map[*Object]bool{}
	for _, o := range list {
		in[o] = true
	}
	out := make([]*Object, 0, len(list))
	var walk func(o *Object)
	walk = func(o *Object) {
		if visited[o] || !in[o] {
			return
		}
		visited[o] = true
		for _, d := range o.deps {
			walk(d)
		}
		for d := range o.reldeps {
			walk(d)
		}
		out = append(out, o)
	}
	for i := len(list) - 1; i >= 0; i-- {
		walk(list[i])
	}
	return out
}

// initialise runs the initialisers of objects that have not been, in order. An object that another goroutine is
// initialising is waited for; one that this goroutine is (its initialiser opened something) is passed over.
func initialise(order []*Object) {
	me := native.Goroutine()
	linker.mu.Lock()
	defer linker.mu.Unlock()
	for _, o := range order {
		for o.init == initRunning && o.initBy != me {
			linker.inits.Wait()
		}
		if o.init != initNone {
			continue
		}
		o.init, o.initBy = initRunning, me
		depth := linker.mu.release()
		o.runInit()
		linker.mu.reacquire(depth)
		o.init = initDone
		linker.inits.Broadcast()
	}
}

// runInit calls DT_INIT, then the functions of DT_INIT_ARRAY, each with argc, argv, envp as ld.so passes them (gABI,
// Initialization and Termination Functions).
func (o *Object) runInit() {
	d := &o.File.Dynamic
	if d.Init == 0 && d.InitArray.Size == 0 {
		return
	}
	argc, argv, envp := native.Arguments()
	if d.Init != 0 {
		native.Call(o.addr(d.Init), argc, argv, envp)
	}
	for _, f := range o.functions(d.InitArray) {
		native.Call(f, argc, argv, envp)
	}
}

// runFini calls the functions of DT_FINI_ARRAY in reverse, then DT_FINI.
func (o *Object) runFini() {
	d := &o.File.Dynamic
	list := o.functions(d.FiniArray)
	for i := len(list) - 1; i >= 0; i-- {
		native.Call(list[i])
	}
	if d.Fini != 0 {
		native.Call(o.addr(d.Fini))
	}
}

// functions returns the addresses in an array of initialisers or finalisers; 0 and -1 are no functions.
func (o *Object) functions(r elf.Range) []uintptr {
	var list []uintptr
	for i := uint64(0); i+8 <= r.Size; i += 8 {
		f := *(*uintptr)(native.Pointer(o.addr(r.Addr + i)))
		if f != 0 && f != ^uintptr(0) {
			list = append(list, f)
		}
	}
	return list
}

// release gives the lock up for a while, however often its goroutine holds it.
func (r *reentrant) release() int {
	d := r.depth
	r.depth = 0
	r.owner.Store(0)
	r.mu.Unlock()
	return d
}

func (r *reentrant) reacquire(depth int) {
	r.Lock()
	r.depth = depth
}

// finiAll runs the finalisers of all that is loaded when the process ends through the C library's exit.
func finiAll() {
	linker.mu.Lock()
	var all []*Object
	for _, ns := range linker.spaces {
		all = append(all, ns.objects...)
	}
	order := dependencyOrder(all)
	for _, o := range all {
		o.busy++ // a finaliser that closes a library does not unload it any more
	}
	linker.mu.Unlock()
	for i := len(order) - 1; i >= 0; i-- {
		order[i].finalise()
	}
}

// finalise runs the finalisers of an object whose initialisers have run, once.
func (o *Object) finalise() {
	linker.mu.Lock()
	if o.System || o.finiDone || o.init != initDone || o.noFini {
		linker.mu.Unlock()
		return
	}
	o.finiDone = true
	depth := linker.mu.release()
	o.runFini()
	linker.mu.reacquire(depth)
	linker.mu.Unlock()
}
