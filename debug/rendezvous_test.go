package debug

import (
	"testing"

	"weld/native"
)

// Debuggers go through the records of all namespaces from the one that they know by name.
func TestSpaces(t *testing.T) {
	SetUp()
	first, second, third := Space(0), Space(1), Space(7)
	if Space(1) != second || Space(0) != first || second == third {
		t.Fatal("a namespace has one record")
	}
	r := (*rDebug)(native.Pointer(debugRecord()))
	if r != first.r || r.version != 2 || r.brk != stateFunction() || r.brk == 0 {
		t.Errorf("the record that is found by name: %+v", *r)
	}
	if r.next != addr(second.r) || second.r.next != addr(third.r) || third.r.next != 0 {
		t.Errorf("the list: %#x %#x %#x", r.next, second.r.next, third.r.next)
	}
}

func TestBeginEnd(t *testing.T) {
	v := Space(3)
	for _, s := range []State{Add, Delete} {
		v.Begin(s)
		if v.r.state != s {
			t.Errorf("state %d, want %d", v.r.state, s)
		}
		v.End(0x1000)
		if v.r.state != Consistent || v.r.first != 0x1000 {
			t.Errorf("%+v at the end", *v.r)
		}
	}
}
