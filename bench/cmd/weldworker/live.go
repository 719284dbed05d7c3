package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	weldlive "weld/live"

	"weld/bench/internal/wire"
	"weld/bench/internal/worker"
)

// codeSize is the bytes of a generated function, also in testdata/dlworker.c.
const codeSize = 64

// generate makes n functions in a live object, in batches of args[0], finds each, and takes them away again. With args[1]
// "stay" it leaves them; with "memory" it says what they take, for which the Go heap is given back to the kernel: no times are
// to be taken of that. The file of the object is in memory, if there is such a folder, as it is for a user who is logged in
// ($XDG_RUNTIME_DIR).
func generate(n int, args []string) (wire.Values, error) {
	batch, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(memoryFolder(), "weldbench")
	if err != nil {
		return nil, err
	}
	stay, memory := len(args) > 1 && args[1] == "stay", len(args) > 1 && args[1] == "memory"
	if !stay {
		defer os.RemoveAll(dir)
	}
	o, err := weldlive.New(nil, "bench", weldlive.Options{Folder: dir})
	if err != nil {
		return nil, err
	}
	code := make([]byte, codeSize)
	copy(code, []byte{0x55, 0x48, 0x89, 0xe5, 0xb8, 1, 0, 0, 0, 0x5d, 0xc3})
	names, blocks := make([]string, n), make([]*weldlive.Block, n)
	for i := range n {
		names[i] = fmt.Sprintf("generated_function_%d", i)
		if blocks[i], err = o.Alloc(codeSize, 16, weldlive.Text); err != nil {
			return nil, err
		}
		if err := blocks[i].Write(0, code); err != nil {
			return nil, err
		}
	}
	var before int64
	if memory {
		if before, err = worker.Resident(); err != nil {
			return nil, err
		}
	}
	runtime.GC()
	v := make(wire.Values)
	each := func(key string, spent time.Duration) { v.Set(key, float64(spent)/float64(n)) }
	used, err := processorTime()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	committing := time.Duration(0)
	commit := func(i int) error {
		if (i+1)%batch != 0 && i != n-1 {
			return nil
		}
		from := time.Now()
		err := o.Commit()
		committing += time.Since(from)
		return err
	}
	for i, name := range names {
		if err := o.Bind(name, blocks[i]); err != nil {
			return nil, err
		}
		if err := commit(i); err != nil {
			return nil, err
		}
	}
	total := time.Since(start)
	now, err := processorTime()
	if err != nil {
		return nil, err
	}
	each("both", total)
	each("cpu", now-used)
	each("bind", total-committing)
	each("commit", committing)
	v.Set("total", float64(total))
	if stay {
		v["folder"], v["addr"], v["name"] = dir, fmt.Sprintf("%#x", blocks[n/2].Addr()), names[n/2]
		kept = append(kept, o)
		return v, nil
	}
	if memory {
		after, err := worker.Resident()
		if err != nil {
			return nil, err
		}
		v.Set("bytes", float64(after-before)/float64(n))
	}

	order := rand.Perm(n)
	runtime.GC()
	start = time.Now()
	for _, i := range order {
		if _, err := o.Lookup(names[i]); err != nil {
			return nil, err
		}
	}
	each("lookup", time.Since(start))
	addrs := make([]uintptr, n)
	for i, k := range order {
		addrs[i] = blocks[k].Addr() + 5
	}
	start = time.Now()
	for _, a := range addrs {
		if _, ok := o.FindAddr(a); !ok {
			return nil, fmt.Errorf("%#x is not found", a)
		}
	}
	each("findaddr", time.Since(start))
	start = time.Now()
	for i, name := range names {
		if err := o.Unbind(name); err != nil {
			return nil, err
		}
		if err := commit(i); err != nil {
			return nil, err
		}
	}
	each("unbind", time.Since(start))
	return v, o.Close()
}

// processorTime returns what all threads of the process have used, the collector's included.
func processorTime() (time.Duration, error) {
	var r syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), err
}

// generateHalf makes half as many.
func generateHalf(n int, args []string) (wire.Values, error) { return generate(n/2, args) }

// kept are the objects that a debugger is to look at.
var kept []*weldlive.Object

// memoryFolder returns a folder whose files are in memory, "" if there is none where code may be run.
func memoryFolder() string {
	for _, dir := range []string{os.Getenv("XDG_RUNTIME_DIR"), "/dev/shm"} {
		if dir == "" || !filepath.IsAbs(dir) {
			continue
		}
		if o, err := weldlive.New(nil, "probe", weldlive.Options{Folder: dir}); err == nil {
			inMemory, _ := o.InMemory()
			if o.Close(); !inMemory {
				return dir
			}
		}
	}
	return ""
}

// libdlbind answers what was measured of libdlbind b93a746 once, on Debian 12 with gdb 13.1: it is not built here.
func libdlbind(n int, _ []string) (wire.Values, error) {
	v := wire.Values{"given": "yes"}
	v.Set("both", 1.1e3) // all in one: dlalloc and dlbind: 0.4 to 1.8 µs at up to 10,000
	v.Set("lookup", 2.7e3)
	v.Set("findaddr", 170e3) // dladdr: 91 to 250 µs
	v.Set("ns", 0.62e9)
	if n > 10_000 {
		v.Set("both", 1.6e3) // 0.9 to 2.3 µs at 60,000 (the most that there can be)
		v.Set("lookup", 1.8e3)
		v.Set("findaddr", 750e3)
		v.Set("ns", 0.87e9)
	}
	v["bind"], v["commit"], v["cpu"] = v["both"], v["both"], v["both"]
	return v, nil
}

// libdlbindWatched answers what a dlbind takes with gdb attached: 6.2 to 10.4 ms.
func libdlbindWatched(n int, _ []string) (wire.Values, error) {
	v := make(wire.Values)
	v.Set("both", 8.3e6)
	return v, nil
}
