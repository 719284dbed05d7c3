package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"weld"

	"weld/bench/internal/wire"
	"weld/bench/internal/worker"
)

// preload brings up the C library and opens what the library under measure needs, so that only the library itself is
// measured.
func preload(names []string) error {
	if err := libc(); err != nil {
		return err
	}
	for _, name := range names {
		if _, err := weld.Open(name, weld.Now); err != nil {
			return err
		}
	}
	return nil
}

// open measures weld.Open with weld.Now of args[0], and Close; args[1:] are opened before.
func open(_ int, args []string) (wire.Values, error) {
	if err := preload(args[1:]); err != nil {
		return nil, err
	}
	cpu, err := worker.CPUTime()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	lib, err := weld.Open(args[0], weld.Now)
	opened := time.Since(start)
	if err != nil {
		return nil, err
	}
	used, err := worker.CPUTime()
	if err != nil {
		return nil, err
	}
	start = time.Now()
	err = lib.Close()
	closed := time.Since(start)
	if err != nil {
		return nil, err
	}
	v := make(wire.Values)
	v.Set("open", float64(opened))
	v.Set("close", float64(closed))
	v.Set("cpu", float64(used-cpu))
	return v, nil
}

// resident measures by how much weld.Open with weld.Now of args[0] grows the process; args[1:] and the library calls
// are opened before, so that weld's own code is in memory already.
func resident(calls string) worker.Op {
	return func(_ int, args []string) (wire.Values, error) {
		if err := preload(append([]string{calls}, args[1:]...)); err != nil {
			return nil, err
		}
		before, err := worker.Resident()
		if err != nil {
			return nil, err
		}
		if _, err := weld.Open(args[0], weld.Now); err != nil {
			return nil, err
		}
		after, err := worker.Resident()
		if err != nil {
			return nil, err
		}
		v := make(wire.Values)
		v.Set("resident", float64(after-before))
		return v, nil
	}
}

// tables measures by how much weld.Open with weld.Now of args[0] grows what weld keeps: the live Go heap; args[1:] and the
// library calls are opened before. A struct link_map, which is in native memory, is counted too.
func tables(calls string) worker.Op {
	return func(_ int, args []string) (wire.Values, error) {
		if err := preload(append([]string{calls}, args[1:]...)); err != nil {
			return nil, err
		}
		before := live()
		lib, err := weld.Open(args[0], weld.Now)
		if err != nil {
			return nil, err
		}
		after := live()
		const linkMap = 64 + 256 // and its name
		v := make(wire.Values)
		v.Set("tables", float64(after-before)+linkMap)
		runtime.KeepAlive(lib)
		return v, nil
	}
}

// live returns the bytes of the Go objects in use, when nothing more can be collected.
func live() int64 {
	const looks = 20
	last := int64(-1)
	for range looks {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if int64(m.HeapAlloc) == last {
			break
		}
		last = int64(m.HeapAlloc)
	}
	return last
}

// lookup measures the lookup of the names in the file args[1], first and then n times again, in the library args[0].
func lookup(n int, args []string) (wire.Values, error) {
	text, err := os.ReadFile(args[1])
	if err != nil {
		return nil, err
	}
	names := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if err := libc(); err != nil {
		return nil, err
	}
	lib, err := weld.Open(args[0], weld.Now)
	if err != nil {
		return nil, err
	}
	var sum uintptr
	start := time.Now()
	for _, name := range names {
		sym, err := lib.Lookup(name)
		if err != nil {
			return nil, err
		}
		sum += sym.Addr - lib.Base
	}
	first := time.Since(start)
	start = time.Now()
	for range n {
		for _, name := range names {
			if _, err := lib.Lookup(name); err != nil {
				return nil, err
			}
		}
	}
	again := time.Since(start)
	v := wire.Values{"sum": strconv.FormatUint(uint64(sum), 16)}
	v.Set("first", float64(first)/float64(len(names)))
	v.Set("again", float64(again)/float64(len(names)*n))
	return v, nil
}

// lazy measures a thousand first calls through PLT slots less the same calls when bound, for each call.
func lazy(_ int, args []string) (wire.Values, error) {
	if err := libc(); err != nil {
		return nil, err
	}
	lib, err := weld.Open(args[0], weld.Lazy)
	if err != nil {
		return nil, err
	}
	all, err := weld.Func[func(int32) int32](lib, "bench_lazy_all")
	if err != nil {
		return nil, err
	}
	start := time.Now()
	x := all(0)
	first := time.Since(start)
	start = time.Now()
	y := all(0)
	bound := time.Since(start)
	if x != 1000 || y != 1000 {
		return nil, fmt.Errorf("bench_lazy_all(0) = %d, then %d; want 1000", x, y)
	}
	v := make(wire.Values)
	v.Set("lazy", float64(first-bound)/1000)
	return v, nil
}
