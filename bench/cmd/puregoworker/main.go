// Command puregoworker measures calls and callbacks through github.com/ebitengine/purego. It is built with
// CGO_ENABLED=0; its argument is the shared object made of testdata/calls.c.
package main

import (
	"fmt"
	"os"

	"github.com/ebitengine/purego"

	"weld/bench/internal/worker"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: puregoworker LIBRARY")
		os.Exit(2)
	}
	lib, err := purego.Dlopen(os.Args[1], purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	worker.Main(calls(lib).Ops())
}

func calls(lib uintptr) worker.Calls {
	var c worker.Calls
	purego.RegisterLibFunc(&c.Add, lib, "bench_add")
	purego.RegisterLibFunc(&c.MulAdd, lib, "bench_mul_add")
	purego.RegisterLibFunc(&c.Length, lib, "bench_length")

	var repeat func(n int32, f uintptr) int64
	purego.RegisterLibFunc(&repeat, lib, "bench_repeat")
	identity := purego.NewCallback(func(x int32) int32 { return x })
	c.Repeat = func(n int32) int64 { return repeat(n, identity) }

	var sort func(v *int32, n uintptr, compare uintptr)
	purego.RegisterLibFunc(&sort, lib, "bench_sort")
	made := 0
	compare := purego.NewCallback(func(a, b *int32) int32 {
		made++
		return worker.Compare(*a, *b)
	})
	c.Sort = func(v []int32, count *int) {
		made = 0
		sort(&v[0], uintptr(len(v)), compare)
		*count += made
	}
	return c
}
