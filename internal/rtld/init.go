package rtld

import (
	"encoding/binary"
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
// at the end of the breadth-first list, so that a tie goes the way it does there. DF_1_INITFIRST comes first of all; if
// several new objects ask for it, the one that was loaded last.
func initOrder(root *Object) []*Object {
	if !slices.ContainsFunc(root.closure, func(o *Object) bool { return o != root && o.init != initDone }) {
		return []*Object{root}
	}
	list := dependencyOrder(root.closure, false)
	// In a cycle the one that was opened comes last.
	if i := slices.Index(list, root); i >= 0 {
		list = append(slices.Delete(list, i, i+1), root)
	}
	for i := len(root.closure) - 1; i >= 0; i-- {
		o := root.closure[i]
		if o.File.Dynamic.Flags1&elf.DF_1_INITFIRST != 0 && o.init == initNone {
			i := slices.Index(list, o)
			return slices.Insert(slices.Delete(list, i, i+1), 0, o)
		}
	}
	return list
}

// finiOrder returns objects in the order in which finalisers run: what needs before what is needed, be it by DT_NEEDED
// or because it was bound to it. Where the two contradict each other DT_NEEDED counts.
func finiOrder(list []*Object) []*Object {
	if len(list) < 2 {
		return list
	}
	order := dependencyOrder(list, true)
	slices.Reverse(order)
	if slices.ContainsFunc(list, func(o *Object) bool { return o.reldeps != nil }) {
		order = dependencyOrder(order, false)
		slices.Reverse(order)
	}
	return order
}

// dependencyOrder sorts objects so that each comes after all that it needs, cycles aside; reldeps says whether what it
// was bound to outside its closure counts.
func dependencyOrder(list []*Object, reldeps bool) []*Object {
	pending := newWalk()
	for _, o := range list {
		o.mark = pending
	}
	out := make([]*Object, 0, len(list))
	var walk func(o *Object)
	walk = func(o *Object) {
		if o.mark != pending {
			return
		}
		o.mark = 0
		for _, d := range o.deps {
			walk(d)
		}
		for _, d := range o.filtees {
			walk(d)
		}
		if reldeps {
			for _, d := range slices.Backward(o.reldeps) {
				walk(d)
			}
		}
		out = append(out, o)
	}
	for _, o := range slices.Backward(list) {
		walk(o)
	}
	return out
}

// initialise runs the initialisers of objects that have not been, in order. linker.mu is held, and given up while they
// run. An object that another goroutine is initialising is waited for. It is passed over if this goroutine is (its
// initialiser opened something), or one that waits for this goroutine.
//
// When a resolver has opened something the lock is kept, since the open that called it is half done, and nothing is
// waited for.
//
// An object whose initialiser panics, or ends the goroutine, counts as initialised, as one that has called exit does in
// glibc: its finalisers will run.
func initialise(order []*Object) {
	me := native.Goroutine()
	for _, o := range order {
		for o.init == initRunning && linker.plan == nil && !waitsFor(o.initBy, me) {
			linker.waits[me] = o
			linker.mu.wait(&linker.inits)
			delete(linker.waits, me)
		}
		if o.init == initNone {
			o.init, o.initBy = initRunning, me
			unlocked(o.runInit, func() {
				o.init = initDone
				linker.inits.Broadcast()
			})
		}
	}
}

// waitsFor reports whether goroutine g is goroutine me, or waits for an object that me initialises, in however many
// steps.
func waitsFor(g, me uintptr) bool {
	for g != me {
		o := linker.waits[g]
		if o == nil || o.init != initRunning {
			return false
		}
		g = o.initBy
	}
	return true
}

// unlocked runs f without the lock, unless something is being opened, and then, with the lock and in any case, done.
func unlocked(f, done func()) {
	defer done()
	if linker.plan == nil {
		defer linker.mu.reacquire(linker.mu.release())
	}
	f()
}

// runInit calls DT_INIT, then the functions of DT_INIT_ARRAY, each with argc, argv, envp as ld.so passes them (gABI,
// Initialization and Termination Functions).
func (o *Object) runInit() {
	d := &o.File.Dynamic
	if d.Init == 0 && d.InitArray.Size == 0 {
		return
	}
	argc, argv, envp := native.Arguments()
	args := []uintptr{argc, argv, envp} // of all calls: a big library has a thousand initialisers
	list := o.functions(d.InitArray)
	if t := tracing(); t != nil {
		defer t.ran(EventInit, o, list.count()+present(d.Init))()
	}
	if d.Init != 0 {
		native.Call(o.addr(d.Init), args...)
	}
	for i := range list.len() {
		if f := list.at(i); f != 0 {
			native.Call(f, args...)
		}
	}
}

// runFini calls the functions of DT_FINI_ARRAY in reverse, then DT_FINI.
func (o *Object) runFini() {
	d := &o.File.Dynamic
	list := o.functions(d.FiniArray)
	if t := tracing(); t != nil && list.count()+present(d.Fini) > 0 {
		defer t.ran(EventFini, o, list.count()+present(d.Fini))()
	}
	for i := list.len() - 1; i >= 0; i-- {
		if f := list.at(i); f != 0 {
			native.Call(f)
		}
	}
	if d.Fini != 0 {
		native.Call(o.addr(d.Fini))
	}
}

// present is 1 for the address of a function, 0 for none.
func present(f uint64) int {
	if f != 0 {
		return 1
	}
	return 0
}

// functions returns an array of initialisers or finalisers.
func (o *Object) functions(r elf.Range) functionArray {
	b, _ := o.File.Bytes(r.Addr, r.Size) // nil if it cannot be read
	return b
}

// functionArray is an array of addresses of functions as it stands in memory; 0 and -1 are no functions.
type functionArray []byte

func (a functionArray) len() int { return len(a) / 8 }

// at returns entry i, 0 if it is no function.
func (a functionArray) at(i int) uintptr {
	if f := uintptr(binary.LittleEndian.Uint64(a[i*8:])); f != ^uintptr(0) {
		return f
	}
	return 0
}

// count returns the number of functions.
func (a functionArray) count() (n int) {
	for i := range a.len() {
		if a.at(i) != 0 {
			n++
		}
	}
	return n
}

// finiAll runs the finalisers of all that is loaded when the process ends through the C library's exit: the last
// namespace's first.
func finiAll() {
	linker.mu.Lock()
	defer linker.mu.Unlock()
	var order []*Object
	for _, ns := range slices.Backward(linker.spaces) {
		order = append(order, finiOrder(ns.objects)...)
	}
	for _, o := range order {
		o.hold() // a finaliser that closes a library does not unload it any more
	}
	defer func() { tracing().exit() }()
	if AtExit != nil {
		defer AtExit()
	}
	finalise(order)
}

// finalise runs the finalisers of objects whose initialisers have been called, once, also if one of them panics.
// linker.mu is held, and given up while they run.
func finalise(order []*Object) {
	if len(order) == 0 {
		return
	}
	defer finalise(order[1:])
	if o := order[0]; !o.finiDone && o.init != initNone && !o.noFini {
		o.finiDone = true
		unlocked(o.runFini, func() {})
	}
}
