package tests

import (
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"weld/internal/testenv"
)

func cxxFixture(t *testing.T) *testenv.Dir {
	d := testenv.NewDir(t)
	d.Shared("libthrow.so", "cxx_throw.cc")
	d.Shared("libcatch.so", "cxx_catch.cc", "-pthread", "-lthrow", "-Wl,-rpath,$ORIGIN")
	return d
}

// Exceptions across libraries and what else libstdc++ does, with the output
// compared to that under the system's loader.
func TestCXX(t *testing.T) {
	runScript(t, cxxFixture(t), `
open a libcatch.so lazy
int a catch_it 0
int a catch_it 1
int a catch_it 2
int a catch_it 3
int a catch_it 4
int a catch_it 5
int a through
int a casts
int a pointers
int a many_throws 200
str a streams
int a standard_output
int a thread_locals 8
int a waits
close a
loaded libthrow.so
exit 0
`)
}

// Threads that the library makes call Go functions, which block, call native
// code again and cause garbage collection.
func TestCXXThreadsCallGo(t *testing.T) {
	d := cxxFixture(t)
	lib := open(t, d.Join("libcatch.so"))
	run := bind[func(n, times int64, call uintptr) int64](t, lib, "call_from_threads")
	casts := bind[func() int64](t, lib, "casts")
	var calls atomic.Int64
	cb := callback(t, func(thread, i int64) int64 {
		calls.Add(1)
		if i%50 == 0 {
			runtime.GC()
		}
		if casts() != 21 {
			t.Error("a native call in a callback on the library's thread fails")
		}
		runtime.Gosched()
		return thread*1000 + i
	})
	const n, times = 8, 100
	want := int64(0)
	for thread := range int64(n) {
		for i := range int64(times) {
			want += thread*1000 + i
		}
	}
	if got := run(n, times, cb.Addr()); got != want || calls.Load() != n*times {
		t.Errorf("the sum is %d after %d calls, want %d after %d", got, calls.Load(), want, n*times)
	}
}

func TestCXXSort(t *testing.T) {
	lib := open(t, cxxFixture(t).Join("libcatch.so"))
	sort := bind[func(v []int64, n int64, less uintptr)](t, lib, "sort_with")
	less := callback(t, func(a, b int64) int64 {
		if a > b {
			return 1
		}
		return 0
	})
	v := make([]int64, 5000)
	for i := range v {
		v[i] = int64(i*7919) % 5003
	}
	want := slices.Clone(v)
	slices.SortFunc(want, func(a, b int64) int { return int(b - a) })
	sort(v, int64(len(v)), less.Addr())
	if !slices.Equal(v, want) {
		t.Error("std::sort with a Go function does not sort")
	}
}
