package main

import (
	"sync"

	"weld"

	"weld/bench/internal/wire"
	"weld/bench/internal/worker"
)

// callOps returns the call and callback measures; the library at path is opened at the first of them.
func callOps(path string) map[string]worker.Op {
	bound := sync.OnceValues(func() (map[string]worker.Op, error) { return bindCalls(path) })
	ops := make(map[string]worker.Op)
	for _, name := range []string{"call_int", "call_leaf", "call_double3", "call_string", "callback", "qsort"} {
		ops[name] = func(n int, args []string) (wire.Values, error) {
			bound, err := bound()
			if err != nil {
				return nil, err
			}
			return bound[name](n, args)
		}
	}
	return ops
}

func bindCalls(path string) (map[string]worker.Op, error) {
	lib, err := weld.Open(path, weld.Now)
	if err != nil {
		return nil, err
	}
	var f struct {
		Add    func(a, b int32) int32                             `sym:"bench_add"`
		Leaf   func(a, b int32) int32                             `sym:"bench_add,leaf"`
		MulAdd func(a, b, c float64) float64                      `sym:"bench_mul_add"`
		Length func(s string) uintptr                             `sym:"bench_length"`
		Repeat func(n int32, f *weld.Callback) int64              `sym:"bench_repeat"`
		Sort   func(v []int32, n uintptr, compare *weld.Callback) `sym:"bench_sort"`
	}
	if err := weld.Bind(lib, &f); err != nil {
		return nil, err
	}
	identity, err := weld.NewCallback(func(x int32) int32 { return x })
	if err != nil {
		return nil, err
	}
	made := 0
	compare, err := weld.NewCallback(func(a, b *int32) int32 {
		made++
		return worker.Compare(*a, *b)
	})
	if err != nil {
		return nil, err
	}
	c := worker.Calls{
		Add:    f.Add,
		MulAdd: f.MulAdd,
		Length: f.Length,
		Repeat: func(n int32) int64 { return f.Repeat(n, identity) },
		Sort: func(v []int32, count *int) {
			made = 0
			f.Sort(v, uintptr(len(v)), compare)
			*count += made
		},
	}
	ops := c.Ops()
	ops["call_leaf"] = c.LeafOp(f.Leaf)
	return ops, nil
}
