package native

import (
	"math"
	"reflect"
	"runtime"
	"testing"
	"unsafe"
)

func fn[F any](t testing.TB, addr uintptr, leaf bool) F {
	t.Helper()
	f, err := NewFunc(addr, reflect.TypeFor[F](), leaf)
	if err != nil {
		t.Fatal(err)
	}
	p := f.Pointer()
	keep = append(keep, f)
	return *(*F)(unsafe.Pointer(&p))
}

var keep []*Func

func libcSymbol(t testing.TB, name string) uintptr {
	t.Helper()
	if err := BringUp(Glibc, ""); err != nil {
		t.Fatal(err)
	}
	for _, o := range SystemObjects() {
		if a := o.symbol(name); a != 0 {
			return a
		}
	}
	t.Fatalf("no %s", name)
	return 0
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
	cmp, err := NewCallback(func(a, b *int32) int32 { runtime.GC(); return *a - *b })
	if err != nil {
		t.Fatal(err)
	}
	q := fn[func(p []int32, n, size uintptr, cmp uintptr)](t, qsort, false)
	v := []int32{5, 3, 9, -1, 4}
	q(v, uintptr(len(v)), 4, cmp.Addr())
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
	f := fn[func(int32) int32](b, libcSymbol(b, "abs"), false)
	b.ReportAllocs()
	for b.Loop() {
		f(3)
	}
}

func BenchmarkLeaf(b *testing.B) {
	f := fn[func(int32) int32](b, libcSymbol(b, "abs"), true)
	for b.Loop() {
		f(3)
	}
}

func BenchmarkString(b *testing.B) {
	f := fn[func(string) int](b, libcSymbol(b, "atoi"), false)
	for b.Loop() {
		f("12")
	}
}
