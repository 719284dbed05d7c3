package worker

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"weld/bench/internal/wire"
)

func TestServe(t *testing.T) {
	ops := map[string]Op{
		"double": func(n int, args []string) (wire.Values, error) {
			v := wire.Values{"args": strings.Join(args, "+")}
			v.Set("n", float64(2*n))
			return v, nil
		},
		"fail": func(int, []string) (wire.Values, error) { return nil, errors.New("as asked") },
	}
	var out bytes.Buffer
	if err := Serve(strings.NewReader("double\t4\ta\tb\nfail\t1\nunknown\t1\nbad\n"), &out, ops); err != nil {
		t.Fatal(err)
	}
	want := "ok\targs=a+b\tn=8\nerror\tas asked\nerror\tunknown request unknown\nerror\trequest \"bad\" has no count\n"
	if out.String() != want {
		t.Errorf("got %q\nwant %q", out.String(), want)
	}
}

var sink *[64]byte

func TestLoopCountsAllocations(t *testing.T) {
	v := Loop(10_000, func(n int) {
		for range n {
			sink = new([64]byte)
		}
	})
	if allocs, err := v.Float("allocs"); err != nil || allocs < 1 || allocs > 1.1 {
		t.Errorf("allocs = %v, %v; want 1", allocs, err)
	}
	if total, err := v.Float("total"); err != nil || total <= 0 {
		t.Errorf("total = %v, %v", total, err)
	}
}

func goCalls() Calls {
	return Calls{
		Add:    func(a, b int32) int32 { return a + b },
		MulAdd: func(a, b, c float64) float64 { return a*b + c },
		Length: func(s string) uintptr { return uintptr(len(s)) },
		Repeat: func(n int32) int64 { return int64(n) * int64(n-1) / 2 },
		Sort: func(v []int32, count *int) {
			slices.SortFunc(v, func(a, b int32) int { *count++; return int(Compare(a, b)) })
		},
	}
}

func TestOps(t *testing.T) {
	c := goCalls()
	for name, op := range c.Ops() {
		if _, err := op(100, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.Add = func(a, b int32) int32 { return a - b }
	c.Sort = func([]int32, *int) {}
	ops := c.Ops()
	for _, name := range []string{"call_int", "qsort"} {
		if _, err := ops[name](100, nil); err == nil {
			t.Errorf("%s: wrong results of the functions are not seen", name)
		}
	}
}

func TestProcess(t *testing.T) {
	if r, err := Resident(); err != nil || r < 1<<20 {
		t.Errorf("Resident = %d, %v", r, err)
	}
	a, err := CPUTime()
	if err != nil {
		t.Fatal(err)
	}
	for range 1_000_000 {
		sink = new([64]byte)
	}
	if b, err := CPUTime(); err != nil || b <= a {
		t.Errorf("CPUTime = %v, then %v, %v", a, b, err)
	}
}
