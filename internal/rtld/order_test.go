package rtld

import (
	"slices"
	"testing"

	"weld/image/elf"
)

// graph makes objects without a file; needs says what each needs, by position.
func graph(needs ...[]int) []*Object {
	list := make([]*Object, len(needs))
	for i := range list {
		list[i] = &Object{Path: string(rune('a' + i)), File: &elf.File{}}
	}
	for i, n := range needs {
		for _, d := range n {
			list[i].deps = append(list[i].deps, list[d])
		}
	}
	for _, o := range list {
		o.closure = breadthFirst(o)
	}
	return list
}

func paths(list []*Object) (s string) {
	for _, o := range list {
		s += o.Path
	}
	return s
}

func TestInitOrder(t *testing.T) {
	for _, c := range []struct {
		name  string
		needs [][]int
		want  string
	}{
		{"chain", [][]int{{1}, {2}, {}}, "cba"},
		{"diamond", [][]int{{1, 2}, {3}, {3}, {}}, "dcba"},
		{"a tie goes as in glibc", [][]int{{1, 2, 3}, {}, {}, {}}, "dcba"},
		{"cycle", [][]int{{1}, {2}, {1}}, "bca"},
		{"cycle through the root", [][]int{{1}, {0}}, "ba"},
		{"needs itself", [][]int{{0, 1}, {1}}, "ba"},
	} {
		list := graph(c.needs...)
		if got := paths(initOrder(list[0])); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// An initialiser does not wait for what its library happened to be bound to, a filter's waits for its filtees'.
func TestInitOrderEdges(t *testing.T) {
	list := graph([]int{1, 2}, nil, nil)
	list[2].dependsOn(list[1])
	if got := paths(initOrder(list[0])); got != "cba" {
		t.Errorf("with a relocation dependency: %s, want cba", got)
	}
	list = graph([]int{1, 2}, nil, nil)
	list[2].filtees = []*Object{list[1]}
	if got := paths(initOrder(list[0])); got != "bca" {
		t.Errorf("with a filtee: %s, want bca", got)
	}
	if got := paths(breadthFirst(list[2])); got != "bc" {
		t.Errorf("scope of a filter: %s, want bc", got)
	}
}

// Of several new objects with DF_1_INITFIRST one comes first, the one that was loaded last.
func TestInitFirst(t *testing.T) {
	list := graph([]int{1, 2, 3}, nil, nil, nil)
	for _, i := range []int{1, 2} {
		list[i].File.Dynamic.Flags1 = elf.DF_1_INITFIRST
	}
	if got := paths(initOrder(list[0])); got != "cdba" {
		t.Errorf("%s, want cdba", got)
	}
	list[2].init = initDone
	if got := paths(initOrder(list[0])); got != "bdca" {
		t.Errorf("one is initialised: %s, want bdca", got)
	}
}

func TestFiniOrder(t *testing.T) {
	list := graph([]int{1}, nil, nil)
	if got := paths(finiOrder(list)); got != "abc" {
		t.Errorf("%s, want abc", got)
	}
	list[2].dependsOn(list[0])
	if got := paths(finiOrder(list)); got != "cab" {
		t.Errorf("c was bound to a: %s, want cab", got)
	}
	// b was bound to a, which needs it: that b is needed counts.
	list = graph([]int{1}, nil)
	list[1].dependsOn(list[0])
	if got := paths(finiOrder(list)); got != "ab" {
		t.Errorf("contradiction: %s, want ab", got)
	}
	// The order does not depend on chance.
	list = graph(nil, nil, nil, nil, nil, nil)
	for _, i := range []int{4, 1, 3, 2, 5} {
		list[0].dependsOn(list[i])
	}
	first := paths(finiOrder(list))
	for range 20 {
		if got := paths(finiOrder(list)); got != first {
			t.Fatalf("%s, then %s", first, got)
		}
	}
}

func TestUnused(t *testing.T) {
	ns := newNamespace(Config{})
	defer ns.Close()
	list := graph([]int{1}, []int{2}, nil, nil, nil, nil)
	for _, o := range list {
		o.Space = ns
		o.scopes.Store(&[]*scope{{o.closure}})
	}
	list[3].dependsOn(list[4])
	ns.objects = list
	defer func() { ns.objects = nil }()
	got := func() string { return paths(unused()) }
	check := func(what, want string) {
		t.Helper()
		if s := got(); s != want {
			t.Errorf("%s: unused are %q, want %q", what, s, want)
		}
	}
	check("nothing is open", "abcdef")
	list[0].opens = 1
	check("a is open", "def")
	list[3].pinned = true
	check("d stays", "f")
	list[3].pinned = false
	list[3].init = initRunning
	check("d is being initialised", "f")
	list[5].hold()
	check("f is held", "")
	if !linker.later {
		t.Error("letGo of what has no handle is not going to collect")
	}
	linker.later = false
	list[5].busy, list[3].init, list[0].opens = 0, initNone, 0
	// What a finaliser that runs may call stays.
	ns.objects = list[1:]
	linker.dying = []*Object{list[0]}
	check("a's finaliser runs", "def")
	linker.dying = nil
}

func TestDropSpaces(t *testing.T) {
	has := func(ns *Namespace) bool { return slices.Contains(linker.spaces, ns) }
	a, b := NewNamespace(Config{}), NewNamespace(Config{})
	if a.ID == b.ID || a.ID == 0 {
		t.Fatalf("numbers %d and %d", a.ID, b.ID)
	}
	if err := a.Close(); err != nil || has(a) || !has(b) {
		t.Fatalf("close: %v; listed %v", err, has(a))
	}
	if err := a.Close(); err != ErrClosed {
		t.Errorf("second close: %v", err)
	}
	c := NewNamespace(Config{})
	if c.ID != a.ID {
		t.Errorf("the number of a closed namespace is not used again: %d, %d", a.ID, c.ID)
	}
	b.disown() // nothing is loaded
	if has(b) {
		t.Error("a namespace of nobody stays")
	}
	if _, err := b.Open(Source{Name: "libc.so.6"}, 0, nil); err == nil {
		t.Error("open in a namespace that is gone")
	}
	c.Close()
	if err := Default.Close(); err != ErrUnsupported {
		t.Errorf("close of the default namespace: %v", err)
	}
}
