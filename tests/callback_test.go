package tests

import (
	"runtime"
	"sync"
	"testing"

	"weld/internal/testenv"
)

// Callbacks after which the goroutine goes on on another kernel thread: native
// code blocks until the processor is taken away, and Go blocks in the callback.
func TestCallbackMoves(t *testing.T) {
	lib := open(t, testenv.NewDir(t).Shared("libslow.so", "slow.c"))
	slow := bind[func(n, microseconds int64, f uintptr) int64](t, lib, "slow")
	var mu sync.Mutex
	garbage := make([][]byte, 8)
	for name, body := range map[string]func(g int){
		"returns":   func(int) {},
		"yields":    func(int) { runtime.Gosched() },
		"allocates": func(g int) { garbage[g] = make([]byte, 100_000) },
		"locks": func(int) {
			mu.Lock()
			defer mu.Unlock()
			for range 10_000 {
			}
		},
		"calls": func(int) {
			cb := callback(t, func(i int64) int64 { runtime.Gosched(); return i })
			if got := slow(2, 10, cb.Addr()); got != 1 {
				t.Errorf("a call in a callback gives %d", got)
			}
		},
		"grows its stack": func(int) { deep(1000) },
	} {
		t.Run(name, func(t *testing.T) {
			var wg sync.WaitGroup
			for g := range 8 {
				wg.Go(func() {
					cb := callback(t, func(i int64) int64 { body(g); return i })
					const n = 200
					if got := slow(n, 30, cb.Addr()); got != n*(n-1)/2 {
						t.Errorf("the sum is %d", got)
					}
				})
			}
			wg.Wait()
		})
	}
}
