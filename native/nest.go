package native

import (
	"sync"
	"sync/atomic"
)

// nests says which native thread a goroutine has that no kernel thread of Go wears: the one that a callback on a
// foreign thread came from, or one that is lent in a process whose C library cannot be adopted. The key is g.
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

// enter notes that g, the caller's, has t. It has none yet.
func (n *nestTable) enter(g uintptr, t *thread) {
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
