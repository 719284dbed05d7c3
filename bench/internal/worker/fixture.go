package worker

import "math/rand/v2"

// Text is the string whose length the string measure takes.
const Text = "/usr/share/zoneinfo/UTC"

// Numbers returns the numbers that the qsort measure sorts, the same for every worker.
func Numbers() []int32 {
	r := rand.New(rand.NewPCG(1, 2))
	v := make([]int32, 1000)
	for i := range v {
		v[i] = r.Int32()
	}
	return v
}

// Compare orders two numbers as qsort wants it.
func Compare(a, b int32) int32 {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
