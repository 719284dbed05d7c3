package debug

import (
	"slices"
	"testing"

	"weld/native"
)

// Debuggers go through the records of all namespaces from the one that they know by name, or from the process's own.
func TestSpaces(t *testing.T) {
	SetUp()
	first, second, third := Space(0), Space(1), Space(7)
	if Space(1) != second || Space(0) != first || second == third {
		t.Fatal("a namespace has one record")
	}
	r := at(debugRecord())
	if r != first.r || r.version != 2 || r.brk != stateFunction() || r.brk == 0 {
		t.Errorf("the record that is found by name: %+v", *r)
	}
	head := r
	if host != nil {
		head = host.r
	}
	var chain []uintptr
	for p := addr(head); p != 0; p = at(p).next {
		if at(p).version != 2 {
			t.Errorf("version %d", at(p).version)
		}
		chain = append(chain, p)
	}
	i := slices.Index(chain, second.Addr())
	if i < 0 || !slices.Contains(chain, first.Addr()) || slices.Index(chain, third.Addr()) < i {
		t.Errorf("the list: %#x", chain)
	}
}

// The list keeps its order and its two directions whatever comes and goes, and its state and probes come in pairs.
func TestList(t *testing.T) {
	v := Space(3)
	check := func(want ...uintptr) {
		t.Helper()
		var got []uintptr
		prev := uintptr(0)
		for p := v.r.first; p != 0; p = linkMap(p).next {
			if linkMap(p).prev != prev {
				t.Errorf("l_prev of %#x is %#x, want %#x", p, linkMap(p).prev, prev)
			}
			got, prev = append(got, p), p
		}
		if !slices.Equal(got, want) {
			t.Errorf("the list is %#x, want %#x", got, want)
		}
		if v.r.state != consistent {
			t.Errorf("state %d", v.r.state)
		}
	}
	var m [5]uintptr
	for i := range m {
		var err error
		if m[i], err = NewLinkMap(uintptr(i)<<12, "lib", 0); err != nil {
			t.Fatal(err)
		}
		defer FreeLinkMap(m[i])
	}
	if !v.StartMap() || v.StartMap() || v.r.state != adding {
		t.Error("StartMap is said once")
	}
	v.Add(m[1])
	v.Add(m[2])
	v.AddFirst(m[0])
	if v.r.first != 0 {
		t.Error("the list has what is not complete")
	}
	v.EndMap()
	check(m[0], m[1], m[2])
	v.StartMap()
	v.FailMap()
	check(m[0], m[1], m[2])
	v.StartMap()
	v.Add(m[3])
	v.FailMap() // of what failed; another thing was loaded
	check(m[0], m[1], m[2], m[3])
	v.StartUnmap([]uintptr{m[1], m[3]})
	if v.r.state != deleting {
		t.Errorf("state %d", v.r.state)
	}
	v.EndUnmap()
	check(m[0], m[2])
	v.StartInit()
	v.Add(m[4])
	v.EndInit()
	check(m[0], m[2], m[4])
	v.StartUnmap([]uintptr{m[0], m[4], m[2]})
	v.EndUnmap()
	check()
}

// Each probe has a function of its own, a nop and a return, at once or after a jump, in the runtime object and in the executable.
func TestSites(t *testing.T) {
	SetUpProbes(true)
	list := *sites.Load()
	var own [numProbes]uintptr
	ownSites(&own)
	for _, l := range [][]uintptr{list[:], own[:]} {
		for i, a := range l {
			b := native.Bytes(a, 3)
			next := b[1:]
			if next[0] == 0xeb { // jmp
				next = native.Bytes(a+3+uintptr(next[1]), 1)
			}
			if b[0] != 0x90 || next[0] != 0xc3 || slices.Index(l, a) != i {
				t.Errorf("probe %s at %#x: % x, then % x", probeNames[i].name, a, b, next)
			}
		}
	}
	v := Space(5)
	for p := range numProbes {
		v.fire(p, 0)
	}
}
