package worker

import (
	"fmt"

	"weld/bench/internal/wire"
)

// Calls are the functions of testdata/calls.c as a loader at run time hands them out: func values.
type Calls struct {
	Add    func(a, b int32) int32
	MulAdd func(a, b, c float64) float64
	Length func(s string) uintptr
	// Repeat calls bench_repeat with a callback that returns its argument.
	Repeat func(n int32) int64
	// Sort sorts v, of n numbers, with a callback that counts its calls in *count.
	Sort func(v []int32, count *int)
}

// Ops returns the call and callback measures.
func (c Calls) Ops() map[string]Op {
	return map[string]Op{
		"call_int": func(n int, _ []string) (wire.Values, error) {
			return c.int(c.Add, n)
		},
		"call_double3": func(n int, _ []string) (wire.Values, error) {
			sum := 0.0
			v := Loop(n, func(n int) {
				for range n {
					sum = c.MulAdd(sum, 1, 1)
				}
			})
			return v, CheckSum(sum, float64(n))
		},
		"call_string": func(n int, _ []string) (wire.Values, error) {
			sum := 0
			v := Loop(n, func(n int) {
				for range n {
					sum += int(c.Length(Text))
				}
			})
			return v, CheckSum(sum, n*len(Text))
		},
		"callback": func(n int, _ []string) (wire.Values, error) {
			var sum int64
			v := Loop(n, func(n int) { sum = c.Repeat(int32(n)) })
			return v, CheckSum(sum, int64(n)*int64(n-1)/2)
		},
		"qsort": func(n int, _ []string) (wire.Values, error) {
			return Sorts(n, c.Sort)
		},
	}
}

// LeafOp measures add as the int call.
func (c Calls) LeafOp(add func(a, b int32) int32) Op {
	return func(n int, _ []string) (wire.Values, error) { return c.int(add, n) }
}

func (c Calls) int(add func(a, b int32) int32, n int) (wire.Values, error) {
	sum := int32(0)
	v := Loop(n, func(n int) {
		for range n {
			sum = add(sum, 1)
		}
	})
	return v, CheckSum(sum, int32(n))
}

// Sorts measures n sorts of Numbers; an operation is one call of the comparison.
func Sorts(n int, sort func(v []int32, count *int)) (wire.Values, error) {
	numbers := Numbers()
	v := make([]int32, len(numbers))
	values := Count(n, func(n int) int {
		count := 0
		for range n {
			copy(v, numbers)
			sort(v, &count)
		}
		return count
	})
	for i := range v[1:] {
		if v[i] > v[i+1] {
			return nil, fmt.Errorf("qsort left %d before %d", v[i], v[i+1])
		}
	}
	return values, nil
}

// CheckSum says whether the functions called returned what they should.
func CheckSum[T comparable](got, want T) error {
	if got != want {
		return fmt.Errorf("calls returned %v, want %v", got, want)
	}
	return nil
}
