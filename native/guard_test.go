package native

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

// TestGuard has users come and go while others close the guard: who is in keeps it open, and who is not does not get in.
func TestGuard(t *testing.T) {
	for range 200 {
		g := NewUseGuard(errors.New("closed"))
		var in, out atomic.Int64
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for g.Enter() {
					in.Add(1)
					if g.n.Load() >= guardClosed {
						t.Error("closed while somebody is in")
					}
					out.Add(1)
					g.Leave()
				}
			})
		}
		for g.Close() != 0 {
		}
		wg.Wait()
		if in.Load() != out.Load() || g.Enter() || g.Close() != 0 {
			t.Fatal("a user was lost")
		}
	}
}
