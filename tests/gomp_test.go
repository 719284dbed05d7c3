package tests

import (
	"runtime"
	"sync"
	"testing"

	"weld"
	"weld/internal/testenv"
)

func TestOpenMP(t *testing.T) {
	d := testenv.NewDir(t)
	// The threads of the pool stay, so the library must.
	lib := open(t, d.Shared("libgompuser.so", "gomp.c", "-fopenmp"), weld.NoDelete)
	sum := bind[func(n int64) float64](t, lib, "sum_of_squares")
	threads := bind[func(n int64) int64](t, lib, "threads")
	private := bind[func(n int64) int64](t, lib, "thread_private")
	call := bind[func(n int64, f uintptr) int64](t, lib, "call_in_parallel")

	const n = 1_000_000
	want := float64(n-1) * n * (2*n - 1) / 6
	if got := sum(n); got < want*(1-1e-9) || got > want*(1+1e-9) {
		t.Errorf("the sum of squares is %g, want %g", got, want)
	}
	if got := threads(4); got != 1+2+3+4 {
		t.Errorf("numbers of four threads add up to %d", got)
	}
	if got := private(4); got != 4*5+0+1+2+3 {
		t.Errorf("threadprivate: %d", got)
	}
	double := callback(t, func(i int64) int64 {
		if i%100 == 0 {
			runtime.Gosched()
		}
		return 2 * i
	})
	if got := call(1000, double.Addr()); got != 999*1000 {
		t.Errorf("callbacks from OpenMP's threads: %d", got)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if got := threads(3); got != 1+2+3 {
				t.Errorf("several teams at once: %d", got)
			}
		})
	}
	wg.Wait()
}
