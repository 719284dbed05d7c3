package native

import (
	"sync"
	"sync/atomic"
)

// nests says which native thread a goroutine is in a callback of: calls nested in a callback run on the same thread.
// The key is g. An entry stands from the first upcall of a call to the end of the call.
var nests nestTable

// nested is not 0 while there is any entry, and always in a process whose kernel threads have a TCB of a C library
// (hostTCB): then the fast paths of the direct entries, which test it, are not for this process.
var nested uint32

// nestTable is read by assembly too (inCallback): a slot with g and more both 0 has no entry for any goroutine that
// hashes to it.
type nestTable struct {
	slots [1 << (64 - nestShift)]nestSlot
	mu    sync.Mutex
	rest  map[uintptr]*thread // entries whose slot another goroutine has
}

type nestSlot struct {
	g, t uintptr
	more uintptr // how many entries of this slot are in rest
}

const (
	nestShift      = 55
	nestMultiplier = 0x9E3779B97F4A7C15 // spreads addresses (Fibonacci hashing)
	nestBusy       = 1                  // no g: the slot is being written
)

func (n *nestTable) slot(g uintptr) *nestSlot { return &n.slots[g*nestMultiplier>>nestShift] }

func (n *nestTable) find(g uintptr) *thread {
	s := n.slot(g)
	if atomic.LoadUintptr(&s.g) == g {
		return (*thread)(Pointer(s.t))
	}
	if atomic.LoadUintptr(&s.more) == 0 {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rest[g]
}

// enter notes that g, the caller's, is in a callback of t. It returns false if g is in one of t already.
func (n *nestTable) enter(g uintptr, t *thread) bool {
	if n.find(g) != nil {
		return false
	}
	s := n.slot(g)
	if atomic.CompareAndSwapUintptr(&s.g, 0, nestBusy) {
		s.t = t.addr()
		atomic.StoreUintptr(&s.g, g)
	} else {
		n.mu.Lock()
		if n.rest == nil {
			n.rest = map[uintptr]*thread{}
		}
		n.rest[g] = t
		atomic.AddUintptr(&s.more, 1)
		n.mu.Unlock()
	}
	atomic.AddUint32(&nested, 1)
	return true
}

func (n *nestTable) leave(g uintptr) {
	s := n.slot(g)
	if atomic.LoadUintptr(&s.g) == g {
		atomic.StoreUintptr(&s.g, 0)
	} else {
		n.mu.Lock()
		delete(n.rest, g)
		atomic.AddUintptr(&s.more, ^uintptr(0))
		n.mu.Unlock()
	}
	atomic.AddUint32(&nested, ^uint32(0))
}
