// Command weldworker measures weld. It is built with CGO_ENABLED=0, so it is a static binary; its argument is the
// shared object made of testdata/calls.c.
package main

import (
	"fmt"
	"os"

	"weld"

	"weld/bench/internal/worker"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: weldworker LIBRARY")
		os.Exit(2)
	}
	calls := os.Args[1]
	ops := callOps(calls)
	ops["open"] = open
	ops["open_close"] = openClose
	ops["lookup"] = lookup
	ops["bind"] = bind()
	ops["bind_unchecked"] = bind(weld.IgnoreTypes)
	ops["lazy"] = lazy
	ops["resident"] = resident(calls)
	ops["tables"] = tables(calls)
	ops["generate"] = generate
	ops["generate_half"] = generateHalf
	ops["libdlbind"] = libdlbind
	ops["libdlbind_watched"] = libdlbindWatched
	worker.Main(ops)
}

// libc brings up the C library, which is no part of any measure.
func libc() error {
	_, err := weld.Open("libc.so.6", weld.Now)
	return err
}
