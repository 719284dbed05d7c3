// Package worker is what the worker programs written in Go share: the loop that answers requests, and the clocks and
// counters they measure with.
package worker

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"weld/bench/internal/wire"
)

// Op does one measurement: n times, where it repeats.
type Op func(n int, args []string) (wire.Values, error)

// Main answers the requests on standard input with ops and ends the program.
func Main(ops map[string]Op) {
	if err := Serve(os.Stdin, os.Stdout, ops); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Serve answers requests until r ends.
func Serve(r io.Reader, w io.Writer, ops map[string]Op) error {
	in := bufio.NewScanner(r)
	for in.Scan() {
		v, err := answer(in.Text(), ops)
		if _, err := fmt.Fprintln(w, wire.FormatAnswer(v, err)); err != nil {
			return err
		}
	}
	return in.Err()
}

func answer(line string, ops map[string]Op) (wire.Values, error) {
	req, err := wire.ParseRequest(line)
	if err != nil {
		return nil, err
	}
	op, ok := ops[req.Op]
	if !ok {
		return nil, fmt.Errorf("unknown request %s", req.Op)
	}
	return op(req.N, req.Args)
}

// Loop measures body(n), which repeats something n times: "ns" and "allocs" are for each of the times, "total" is the
// whole time.
func Loop(n int, body func(n int)) wire.Values {
	return Count(n, func(n int) int { body(n); return n })
}

// Count is Loop for a body that says itself how many operations it made.
func Count(n int, body func(n int) int) wire.Values {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	count := body(n)
	total := time.Since(start)
	runtime.ReadMemStats(&after)
	v := make(wire.Values)
	v.Set("ns", float64(total)/float64(count))
	v.Set("allocs", float64(after.Mallocs-before.Mallocs)/float64(count))
	v.Set("total", float64(total))
	return v
}
