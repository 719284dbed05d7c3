package debug

import (
	"sync"
	"unsafe"

	"weld/native"
)

// State is what is being done to a list (r_state).
type State int32

const (
	Consistent State = iota // RT_CONSISTENT
	Add                     // RT_ADD
	Delete                  // RT_DELETE
)

// rDebug is struct r_debug, with the field that version 2 adds.
type rDebug struct {
	version int32
	_       int32
	first   uintptr // r_map
	brk     uintptr // r_brk
	state   State
	_       int32
	base    uintptr // r_ldbase
	next    uintptr // r_next: the next namespace
}

const rDebugSize = 48

// Rendezvous is the r_debug of one namespace. Begin and End are called in pairs, one pair for a whole closure: a
// debugger reads the whole list at each. The caller serialises them.
type Rendezvous struct{ r *rDebug }

var spaces struct {
	sync.Mutex
	m    map[int]*Rendezvous
	last *rDebug
}

func debugRecord() uintptr
func stateFunction() uintptr
func notify()

// SetUp fills in the record of the first namespace.
func SetUp() { Space(0) }

// Space returns the rendezvous of a namespace, made on first use.
func Space(id int) *Rendezvous {
	spaces.Lock()
	defer spaces.Unlock()
	if r := spaces.m[id]; r != nil {
		return r
	}
	var r *rDebug
	if spaces.m == nil {
		spaces.m = map[int]*Rendezvous{}
		r = (*rDebug)(native.Pointer(debugRecord()))
	} else {
		p, err := native.Alloc(rDebugSize)
		if err != nil {
			return &Rendezvous{new(rDebug)} // nobody sees it
		}
		r = (*rDebug)(native.Pointer(p))
	}
	r.version, r.brk = 1, stateFunction()
	if spaces.last != nil {
		r.version = 2
		spaces.last.next = addr(r)
		(*rDebug)(native.Pointer(debugRecord())).version = 2
	}
	spaces.last = r
	v := &Rendezvous{r}
	spaces.m[id] = v
	return v
}

// Addr returns the address of the struct r_debug.
func (v *Rendezvous) Addr() uintptr { return addr(v.r) }

// Begin says that the list is about to change.
func (v *Rendezvous) Begin(s State) {
	v.r.state = s
	notify()
}

// End says that the list is consistent again and begins at the given link_map.
func (v *Rendezvous) End(first uintptr) {
	v.r.first = first
	v.r.state = Consistent
	notify()
}

func addr(r *rDebug) uintptr { return uintptr(unsafe.Pointer(r)) }
