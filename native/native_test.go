package native

import (
	"math"
	"reflect"
	"runtime"
	"syscall"
	"testing"
)

func libcSymbol(t testing.TB, name string) uintptr {
	t.Helper()
	bringUp(t)
	a := SystemFunction(name)
	if a == 0 {
		t.Fatalf("no %s", name)
	}
	return a
}

func TestLibc(t *testing.T) {
	abs := fn[func(int32) int32](t, libcSymbol(t, "abs"), false)
	if r := abs(-7); r != 7 {
		t.Errorf("abs(-7) = %d", r)
	}
	getenv := fn[func(string) string](t, libcSymbol(t, "getenv"), false)
	if r := getenv("PATH"); r == "" {
		t.Error("no PATH")
	}
	if r := getenv("GLIBC_TUNABLES"); r != "" {
		t.Errorf("GLIBC_TUNABLES = %q", r)
	}
	qsort := libcSymbol(t, "qsort")
	q := fn[func(p []int32, n, size uintptr, cmp uintptr)](t, qsort, false)
	v := []int32{5, 3, 9, -1, 4}
	q(v, uintptr(len(v)), 4, callback(t, func(a, b *int32) int32 { runtime.GC(); return *a - *b }))
	if !reflect.DeepEqual(v, []int32{-1, 3, 4, 5, 9}) {
		t.Error(v)
	}
	snprintf := fn[func(b []byte, n uintptr, f string, a ...any) int32](t, libcSymbol(t, "snprintf"), false)
	b := make([]byte, 100)
	n := snprintf(b, 100, "%s %d %.2f", "hi", 42, math.Pi)
	if s := string(b[:n]); s != "hi 42 3.14" {
		t.Error(s)
	}
}

func BenchmarkCall(b *testing.B) {
	f := c[func(int32, int32) int32](b, "add32")
	b.ReportAllocs()
	for b.Loop() {
		f(1, 2)
	}
}

func BenchmarkCallFloat(b *testing.B) {
	f := fn[func(float64, float64, float64, float64, float64, float64, float64, float64) float64](b, symbol(b, "floats8"), false)
	for b.Loop() {
		f(1, 2, 3, 4, 5, 6, 7, 8)
	}
}

func BenchmarkLeaf(b *testing.B) {
	f := fn[func(int32, int32) int32](b, symbol(b, "add32"), true)
	for b.Loop() {
		f(1, 2)
	}
}

func BenchmarkString(b *testing.B) {
	f := c[func(string) uintptr](b, "length")
	for b.Loop() {
		f("hello, world")
	}
}

func BenchmarkErrno(b *testing.B) {
	f := c[func(int32) (int32, syscall.Errno)](b, "fail_with")
	for b.Loop() {
		f(2)
	}
}

func BenchmarkCallback(b *testing.B) {
	f := c[func(int32, uintptr) int64](b, "repeat")
	cb := callback(b, func(x int32) int32 { return x })
	b.ReportAllocs()
	b.ResetTimer()
	f(int32(b.N), cb)
}
