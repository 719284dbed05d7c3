package debug

import (
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"weld/native"
)

// state is what is being done to a list (r_state).
type state int32

const (
	consistent state = iota // RT_CONSISTENT
	adding                  // RT_ADD
	deleting                // RT_DELETE
)

// rDebug is struct r_debug_extended of <link.h>: struct r_debug, with the field that version 2 adds.
type rDebug struct {
	version int32
	_       int32
	first   uintptr // r_map
	brk     uintptr // r_brk
	state   state
	_       int32
	base    uintptr // r_ldbase
	next    uintptr // r_next: the next namespace
}

const rDebugSize = 48

// LinkMap is what debuggers read of struct link_map. It lies in native memory.
type LinkMap struct {
	Addr uintptr // l_addr
	Name uintptr // l_name, NUL-terminated
	Ld   uintptr // l_ld
	next uintptr // l_next
	prev uintptr // l_prev
}

// Rendezvous is the r_debug of one namespace: its list of link_maps, and what is told of a change to it. A change is told
// once for a whole closure, since a debugger may read the whole list then:
//
//	StartInit, Add..., EndInit for a program and all it needs
//	StartMap, Add..., EndMap, StartReloc, EndReloc, or StartMap, FailMap, for an open
//	StartUnmap, EndUnmap
//	Exchange, or Replace
//
// r_state changes, and r_brk is called, at the first and the last of each pair but that of relocation (Exchange may leave the first
// out); all but Add fire the probe of their name. The caller serialises the calls.
type Rendezvous struct {
	r    *rDebug
	lmid uintptr
	maps []uintptr // the list
	add  []uintptr // what EndMap puts at its end
}

var spaces struct {
	sync.Mutex
	m map[int]*Rendezvous
}

func debugRecord() uintptr
func stateFunction() uintptr

// SetUp makes the record of the first namespace, so that a debugger finds it.
func SetUp() { Space(0) }

// Space returns the rendezvous of a namespace, made on first use. That of namespace 0 is the record that the executable
// defines as _r_debug, and the others hang on it (r_next); in a process that another run-time linker has started all hang
// on that one's.
func Space(id int) *Rendezvous {
	spaces.Lock()
	defer spaces.Unlock()
	if r := spaces.m[id]; r != nil {
		return r
	}
	v := &Rendezvous{lmid: uintptr(id)}
	if spaces.m == nil {
		spaces.m = map[int]*Rendezvous{}
		host = findHost()
	}
	if id == 0 {
		v.r = at(debugRecord())
	} else if p, err := native.Alloc(rDebugSize); err == nil {
		v.r = at(p)
	} else {
		v.r = new(rDebug) // nobody sees it
	}
	v.r.version, v.r.brk = 1, stateFunction()
	switch {
	case host != nil:
		host.append(v.r)
	case id != 0:
		append2(at(debugRecord()), v.r)
	}
	spaces.m[id] = v
	return v
}

// append2 puts a record behind the last one of a list, all of which are of version 2 then.
func append2(first, r *rDebug) {
	last := first
	for last.next != 0 {
		last = at(last.next)
	}
	if last == r {
		return
	}
	r.version = 2
	atomic.StoreUintptr(&last.next, addr(r))
	first.version = 2
}

// Addr returns the address of the struct r_debug.
func (v *Rendezvous) Addr() uintptr { return addr(v.r) }

// StartMap says that objects are about to be mapped, unless that has been said; it returns whether it has not.
func (v *Rendezvous) StartMap() bool {
	if v.r.state == adding {
		return false
	}
	v.turn(adding)
	v.fire(mapStart, 0)
	return true
}

// Add has EndMap put the link_map at an address at the end of the list, in the order of the calls.
func (v *Rendezvous) Add(m uintptr) { v.add = append(v.add, m) }

// AddFirst is Add for what comes before all that is added with it: the program.
func (v *Rendezvous) AddFirst(m uintptr) { v.add = slices.Insert(v.add, 0, m) }

// EndMap says that the objects are mapped and in the list.
func (v *Rendezvous) EndMap() {
	first := v.link()
	v.turn(consistent)
	v.fire(mapComplete, first)
}

// FailMap says that they could not be mapped. What was added stays.
func (v *Rendezvous) FailMap() {
	if len(v.add) > 0 {
		v.EndMap()
		return
	}
	v.turn(consistent)
	v.fire(mapFailed, 0)
}

// StartReloc says that objects are about to be relocated.
func (v *Rendezvous) StartReloc() { v.fire(relocStart, 0) }

// EndReloc says that all objects of the list are relocated, the first new one being that of a link_map.
func (v *Rendezvous) EndReloc(first uintptr) { v.fire(relocComplete, first) }

// StartUnmap takes objects out of the list and says that they are about to be unmapped.
func (v *Rendezvous) StartUnmap(gone []uintptr) {
	v.turn(deleting)
	v.fire(unmapStart, 0)
	v.unlink(gone)
}

// EndUnmap says that they are gone.
func (v *Rendezvous) EndUnmap() {
	v.turn(consistent)
	v.fire(unmapComplete, 0)
}

// StartInit says that a program is about to be loaded, the list about to be made.
func (v *Rendezvous) StartInit() {
	v.turn(adding)
	v.fire(initStart, 0)
}

// EndInit says that the program and what it needs are in the list and relocated.
func (v *Rendezvous) EndInit() {
	v.link()
	v.turn(consistent)
	v.fire(initComplete, 0)
}

// Rename changes what a link_map says. It is for the functions that Exchange and Replace call. Debuggers take an object of
// another name for another object, and read its file: so when its symbols are others than before, the name is to be another
// spelling of the same path. dynamic is the address of its dynamic section.
func Rename(m, name, dynamic uintptr) {
	l := linkMap(m)
	atomic.StoreUintptr(&l.Ld, dynamic)
	atomic.StoreUintptr(&l.Name, name)
}

// Exchange tells in one that objects go, that others come, and what change does to those that stay. gdb, which reads the list whenever
// it is told of anything, is told when all is done only: half of what it does for a change is to stop, look, and go on.
func (v *Rendezvous) Exchange(gone, come []uintptr, change func()) {
	by := debugger("")
	if v.breakpoint() {
		by = attached()
	}
	if len(gone) > 0 && v.r.state == consistent && by.isLLDB() {
		v.StartUnmap(gone)
		v.EndUnmap()
		gone = nil
	}
	alone := v.r.state != adding
	if alone && by.isGDB() {
		v.r.state = adding
	} else {
		v.StartMap()
	}
	v.unlink(gone)
	change()
	v.add = append(v.add, come...)
	if alone {
		v.EndMap()
		v.StartReloc()
		v.EndReloc(0)
	}
}

// Replace is Exchange where a debugger has put breakpoints in the text of objects that go; the same may come again. Breakpoints
// of an object that goes it forgets, but does not take them out; and when it puts them in anew, it takes what is there for the
// code. So it is told that the objects go, then take is to take them out, then that others come, behind all that are there.
// Breakpoints at which its steps end are not among those it forgets: put is to put these in again.
func (v *Rendezvous) Replace(gone, come []uintptr, change, take, put func()) {
	if v.r.state != consistent {
		v.Exchange(gone, come, change)
		return
	}
	v.StartUnmap(gone)
	v.EndUnmap()
	take()
	v.StartMap()
	change()
	v.add = append(v.add, come...)
	v.EndMap()
	put()
	v.StartReloc()
	first := uintptr(0)
	if len(come) > 0 {
		first = come[0]
	}
	v.EndReloc(first)
}

// Strict reports whether who is told goes by the letter of the protocol: takes an object of another name for the same, if the
// file is the same.
func (v *Rendezvous) Strict() bool { return attached().isLLDB() }

// Watched reports whether a debugger that traces the process has put a breakpoint where it is told of changes.
func (v *Rendezvous) Watched() bool { return v.breakpoint() && tracedBy() != 0 }

// breakpoint reports whether there is a breakpoint where debuggers are told of changes. That is quick: who traces the process the kernel
// has to be asked.
func (v *Rendezvous) breakpoint() bool {
	const int3 = 0xcc
	is := func(f uintptr) bool { return f != 0 && *(*byte)(native.Pointer(f)) == int3 }
	watched := is(v.r.brk) || host != nil && is(host.r.brk)
	if s := sites.Load(); s != nil && !watched {
		watched = slices.ContainsFunc(s[:], is)
	}
	return watched
}

func (v *Rendezvous) turn(s state) {
	v.r.state = s
	notify()
	if host != nil {
		host.notify(s == consistent)
	}
}

// link puts what was added at the end of the list: the new part is complete before the list leads to it, since loaded
// code may be going through it. It returns the first address.
func (v *Rendezvous) link() uintptr {
	if len(v.add) == 0 {
		return 0
	}
	prev := uintptr(0)
	if n := len(v.maps); n > 0 {
		prev = v.maps[n-1]
	}
	for i, m := range v.add {
		l := linkMap(m)
		l.prev, l.next = prev, 0
		if prev = m; i+1 < len(v.add) {
			l.next = v.add[i+1]
		}
	}
	first := v.add[0]
	if n := len(v.maps); n > 0 {
		atomic.StoreUintptr(&linkMap(v.maps[n-1]).next, first)
	} else {
		atomic.StoreUintptr(&v.r.first, first)
	}
	v.maps, v.add = append(v.maps, v.add...), v.add[:0]
	return first
}

// unlink takes link_maps out of the list, each with one store to the word that leads to it. They themselves still lead on.
func (v *Rendezvous) unlink(gone []uintptr) {
	v.maps = slices.DeleteFunc(v.maps, func(m uintptr) bool {
		if !slices.Contains(gone, m) {
			return false
		}
		l := linkMap(m)
		if l.prev != 0 {
			atomic.StoreUintptr(&linkMap(l.prev).next, l.next)
		} else {
			atomic.StoreUintptr(&v.r.first, l.next)
		}
		if l.next != 0 {
			linkMap(l.next).prev = l.prev
		}
		return true
	})
}

func addr(r *rDebug) uintptr { return uintptr(unsafe.Pointer(r)) }
func at(p uintptr) *rDebug   { return (*rDebug)(native.Pointer(p)) }

func linkMap(p uintptr) *LinkMap { return (*LinkMap)(native.Pointer(p)) }
