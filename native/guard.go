package native

import "sync/atomic"

// Guard counts those who use some code, so that it can be unmapped when there are none. The functions of NewGuarded that share it
// panic with its error once it is closed.
type Guard struct {
	n   atomic.Int64 // users, and guardClosed
	err error
}

// NewUseGuard makes an open one.
func NewUseGuard(err error) *Guard { return &Guard{err: err} }

const guardClosed = 1 << 62

// Enter counts a user, until Leave. It returns false if the guard is closed.
func (g *Guard) Enter() bool {
	if g.n.Add(1) >= guardClosed {
		g.n.Add(-1)
		return false
	}
	return true
}

// Leave ends Enter.
func (g *Guard) Leave() { g.n.Add(-1) }

// Close closes the guard if there is no user; otherwise it returns how many there are, and the guard stays open. A closed guard has
// none.
func (g *Guard) Close() (users int64) {
	for {
		n := g.n.Load()
		if n >= guardClosed {
			return 0
		}
		if n > 0 {
			return n
		}
		if g.n.CompareAndSwap(0, guardClosed) {
			return 0
		}
	}
}

// Shut closes the guard whether there are users or not: what they use is gone.
func (g *Guard) Shut() {
	for {
		n := g.n.Load()
		if n >= guardClosed || g.n.CompareAndSwap(n, n+guardClosed) {
			return
		}
	}
}
