package main

import (
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"weld"

	"weld/bench/internal/prepare"
	"weld/bench/internal/wire"
	"weld/bench/internal/worker"
)

// bind measures weld.Func of n functions of the library args[0], which prepare.TypedSource describes: "first" is the first one, "next" each of the
// others. The types that are passed are the right ones, and with opts are not compared.
func bind(opts ...weld.FuncOption) worker.Op {
	return func(n int, args []string) (wire.Values, error) {
		if err := libc(); err != nil {
			return nil, err
		}
		lib, err := weld.Open(args[0], weld.Now)
		if err != nil {
			return nil, err
		}
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprintf("typed_%d", i*7919%prepare.TypedFunctions) // in no order
		}
		one := func(name string) error {
			_, err := weld.Func[func(unsafe.Pointer, int64) int32](lib, name, opts...)
			return err
		}
		runtime.GC()
		start := time.Now()
		if err := one(names[0]); err != nil {
			return nil, err
		}
		first := time.Since(start)
		start = time.Now()
		for _, name := range names[1:] {
			if err := one(name); err != nil {
				return nil, err
			}
		}
		next := time.Since(start)
		// The last one, with a wrong type, says whether there was a comparison.
		_, wrong := weld.Func[func(unsafe.Pointer, int32) int32](lib, names[0], opts...)
		v := make(wire.Values)
		v.Set("first", float64(first))
		v.Set("next", float64(next)/float64(n-1))
		v["compared"] = fmt.Sprint(wrong != nil)
		return v, nil
	}
}
