// Command cgoworker measures calls and callbacks through cgo. The functions of testdata/calls.c are linked into it.
package main

/*
#cgo CFLAGS: -I${SRCDIR}/../../testdata
#include <stdlib.h>
#include "calls.h"

extern int32_t benchIdentity(int32_t);
extern int32_t benchCompare(int32_t *, int32_t *);
*/
import "C"

import (
	"unsafe"

	"weld/bench/internal/wire"
	"weld/bench/internal/worker"
)

func main() {
	worker.Main(map[string]worker.Op{
		"call_int":     callInt,
		"call_double3": callDouble3,
		"call_string":  callString,
		"callback":     callback,
		"qsort":        func(n int, _ []string) (wire.Values, error) { return worker.Sorts(n, sort) },
	})
}

func callInt(n int, _ []string) (wire.Values, error) {
	sum := C.int32_t(0)
	v := worker.Loop(n, func(n int) {
		for range n {
			sum = C.bench_add(sum, 1)
		}
	})
	return v, worker.CheckSum(int(sum), n)
}

func callDouble3(n int, _ []string) (wire.Values, error) {
	sum := C.double(0)
	v := worker.Loop(n, func(n int) {
		for range n {
			sum = C.bench_mul_add(sum, 1, 1)
		}
	})
	return v, worker.CheckSum(float64(sum), float64(n))
}

func callString(n int, _ []string) (wire.Values, error) {
	sum := 0
	v := worker.Loop(n, func(n int) {
		for range n {
			s := C.CString(worker.Text)
			sum += int(C.bench_length(s))
			C.free(unsafe.Pointer(s))
		}
	})
	return v, worker.CheckSum(sum, n*len(worker.Text))
}

func callback(n int, _ []string) (wire.Values, error) {
	var sum int64
	v := worker.Loop(n, func(n int) {
		sum = int64(C.bench_repeat(C.int32_t(n), (*[0]byte)(C.benchIdentity)))
	})
	return v, worker.CheckSum(sum, int64(n)*int64(n-1)/2)
}

//export benchIdentity
func benchIdentity(x C.int32_t) C.int32_t { return x }

var made int // calls of benchCompare

//export benchCompare
func benchCompare(a, b *C.int32_t) C.int32_t {
	made++
	return C.int32_t(worker.Compare(int32(*a), int32(*b)))
}

func sort(v []int32, count *int) {
	made = 0
	C.bench_sort((*C.int32_t)(unsafe.Pointer(&v[0])), C.size_t(len(v)), (*[0]byte)(C.benchCompare))
	*count += made
}
