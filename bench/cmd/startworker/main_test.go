package main

import (
	"os"
	"strings"
	"testing"
)

func newStarter(t *testing.T, command ...string) starter {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { null.Close() })
	return starter{env: append(os.Environ(), "STATUS=0"), command: command, null: null.Fd()}
}

func TestMeasure(t *testing.T) {
	s := newStarter(t, "/bin/sh", "-c")
	v, err := s.measure(3, []string{"exit $STATUS"})
	if err != nil {
		t.Fatal(err)
	}
	wall, err := v.Float("ns")
	if err != nil || wall <= 0 {
		t.Errorf("took %v ns, %v", wall, err)
	}
	if cpu, err := v.Float("cpu"); err != nil || cpu <= 0 {
		t.Errorf("took %v ns of processor time, %v", cpu, err)
	}
}

func TestMeasureFailures(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"exit 3"}, "exit status 3"},
		{[]string{"kill -KILL $$"}, "died of signal 9 (killed)"},
	} {
		if _, err := newStarter(t, "/bin/sh", "-c").measure(1, test.args); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: error is %v, want %q", test.args, err, test.want)
		}
	}
	if _, err := newStarter(t).measure(1, []string{"/nonexistent/program"}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("error is %v", err)
	}
	if _, err := newStarter(t).measure(1, nil); err == nil {
		t.Error("nothing was started, without an error")
	}
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{{[]float64{5}, 5}, {[]float64{3, 1, 2}, 2}, {[]float64{4, 1, 2, 3}, 2.5}} {
		if got := median(test.values); got != test.want {
			t.Errorf("median of %v is %v, want %v", test.values, got, test.want)
		}
	}
}
