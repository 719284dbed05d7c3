package suite

import (
	"fmt"
	"path/filepath"
)

// The sides of the measures of types.
const (
	WeldUnchecked = "weld, unchecked" // weld.IgnoreTypes
	WeldTypes     = "weld info --types"
	WeldGen       = "weld gen"
	Abidw         = "abidw"
)

// Types are the measures of checked binds: of a library with debugging information, and of the same without.
func Types(typed, stripped string) []Case {
	const group, n, rounds = "types", 2000, 9
	members := []Member{{Weld, "bind"}, {WeldUnchecked, "bind_unchecked"}}
	part := func(key, name string, ns float64, what string) []Metric {
		m := Metric{Key: key, Name: name, Unit: "ns"}
		own := m
		own.Own, own.Whole, own.Target = true, ns, 1
		own.Name += ", as a part of " + what
		return []Metric{m, own}
	}
	return []Case{
		{Group: group, Members: members, Args: []string{typed}, Repeats: n, Rounds: rounds, Fresh: true,
			Metrics: append(part("first", "first bind, 10 MB of DWARF", 50e6, "50 ms"), part("next", "each next bind, 10 MB of DWARF", 20e3, "20 us")...)},
		{Group: group, Members: members, Args: []string{stripped}, Repeats: n, Rounds: rounds, Fresh: true,
			Metrics: []Metric{
				{Key: "first", Name: "first bind, no debugging information", Unit: "ns"},
				{Key: "next", Name: "each next bind, no debugging information", Unit: "ns", Target: 1.1},
			}},
	}
}

// TypesOf are the measures of what is known of all exports of a library: their types, and a Go package of them, beside what abidw reads.
func TypesOf(path string) []Case {
	const group, rounds = "types", 5
	name := fmt.Sprintf("all exports of %s", filepath.Base(path))
	c := func(worker, what string, target float64) Case {
		return Case{Group: group, Members: []Member{{worker, "start"}, {Abidw, "start"}}, Args: []string{path}, Repeats: 1, Rounds: rounds,
			Metrics: []Metric{{Key: "ns", Name: what + " " + name, Unit: "ns", Target: target}, {Key: "rss", Name: what + " " + name + ", memory", Unit: "bytes"}}}
	}
	return []Case{c(WeldTypes, "types of", 1), c(WeldGen, "Go package of", 1)}
}
