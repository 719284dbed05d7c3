// Package suite measures: it holds the list of measures and runs them, in rounds, in the workers.
package suite

import (
	"fmt"
	"slices"
	"strings"

	"weld/bench/internal/prepare"
)

// The workers.
const (
	Weld   = "weld"
	Cgo    = "cgo"
	Purego = "purego"
	Glibc  = "glibc"

	// Those of a program's start: weld run, and the kernel with ld.so, which binds functions as they are called or all
	// at once.
	WeldRun   = "weld run"
	Native    = "native"
	NativeNow = "LD_BIND_NOW"

	// Linkers.
	WeldLink = "weld link"
	Lld      = "lld"
	GNULd    = "GNU ld"
	Mold     = "mold"
)

// What is attached to a worker.
const (
	GdbAttached   = "gdb"
	WatchAttached = "weld watch"
)

// Case is one request that weld and its peers answer, and what is taken from the answers.
type Case struct {
	Group   string
	Members []Member // weld, then its peers
	Args    []string
	// Repeats is the count of the request; 0 has the driver find one that takes long enough.
	Repeats int
	// Fresh has every request made to a new process.
	Fresh bool
	// Rounds is in how many rounds it is measured at most; 0 is in all.
	Rounds int
	// Warm is the count of a request before, which does not count, in a process that is fresh.
	Warm int
	// Attach is what is attached to the fresh process while it is measured, if anything.
	Attach string
	// Once has no more asked of the process when what was attached has gone.
	Once bool
	// Look has gdb look at the fresh process when it has answered: what is measured is how long that takes.
	Look bool
	// Agree is the key of a value that all members must agree on, if any.
	Agree   string
	Metrics []Metric
}

// Member is one side of a comparison.
type Member struct {
	Worker string
	Op     string
}

// Metric is a value of the answers.
type Metric struct {
	Key  string
	Name string
	Unit string // "ns" or "bytes"
	// Target is the ratio to the first peer that is to be reached, Second that to the second one; 0 for none.
	Target, Second float64
	// NoAlloc says that the target includes no allocation in an operation.
	NoAlloc bool
	// Whole, if not 0, has the difference to the peer compared as a share of this, in place of the ratio.
	Whole float64
	// Own has weld's value itself compared with Whole, in place of the difference.
	Own bool
	// Peers are the workers that answer it beside weld; nil is all.
	Peers []string
	// Added has the difference to the peer compared, in place of the ratio; Target is a difference then.
	Added bool
}

// AnsweredBy reports whether a worker answers the metric.
func (m Metric) AnsweredBy(c Case, member int) bool {
	return m.Peers == nil || member == 0 || slices.Contains(m.Peers, c.Members[member].Worker)
}

// metricsOf returns the metrics that a member answers.
func (c Case) metricsOf(member int) []Metric {
	var list []Metric
	for _, m := range c.Metrics {
		if m.AnsweredBy(c, member) {
			list = append(list, m)
		}
	}
	return list
}

// Calls are the call and callback measures.
func Calls() []Case {
	members := func(op string) []Member { return []Member{{Weld, op}, {Cgo, op}, {Purego, op}} }
	call := func(op, name string, target float64, noAlloc bool) Case {
		return Case{Group: "call", Members: members(op), Metrics: []Metric{
			{Key: "ns", Name: name, Unit: "ns", Target: target, NoAlloc: noAlloc}}}
	}
	leaf := call("call_leaf", "leaf: int add(int, int)", 0.35, true)
	leaf.Members = []Member{{Weld, "call_leaf"}, {Cgo, "call_int"}}
	callback := call("callback", "Go function called from a C loop", 1, false)
	qsort := call("qsort", "comparison in qsort", 1, false)
	callback.Group, qsort.Group = "callback", "callback"
	return []Case{
		call("call_int", "int add(int, int)", 1, true),
		call("call_double3", "double mul_add(double, double, double)", 1, true),
		call("call_string", "size_t strlen(const char *) of a Go string", 1, false),
		leaf, callback, qsort,
	}
}

// measurable is the size of a file, in bytes, from which on a share of it can be told from the pages that a Go program
// touches by itself meanwhile.
const measurable = 1 << 20

// Opens are the measures of opening a library, alone and with what it needs.
func Opens(l *prepare.Library) []Case {
	target, share := 0.0, 0.0
	if l.Large {
		target = 1
	}
	if l.Size >= measurable {
		share = 0.05
	}
	members := func(op string) []Member { return []Member{{Weld, op}, {Glibc, op}} }
	metrics := func(what string, target float64) []Metric {
		return []Metric{
			{Key: "open", Name: "open " + what, Unit: "ns", Target: target},
			{Key: "cpu", Name: "open " + what + ", processor time", Unit: "ns"},
			{Key: "close", Name: "close " + what, Unit: "ns"},
		}
	}
	alone := append([]string{l.Path}, l.Needed...)
	return []Case{
		{Group: "open", Members: members("open"), Args: alone, Repeats: 1, Fresh: true,
			Metrics: metrics(l.Name, target)},
		{Group: "open", Members: members("open"), Args: []string{l.Path}, Repeats: 1, Fresh: true,
			Metrics: metrics(l.Name+" with all it needs", target)},
		{Group: "memory", Members: members("resident"), Args: alone, Repeats: 1, Fresh: true,
			Metrics: []Metric{{Key: "resident", Name: "resident after opening " + l.Name, Unit: "bytes",
				Target: share, Whole: float64(l.Size)}}},
		{Group: "memory", Members: members("tables"), Args: alone, Repeats: 1, Fresh: true,
			Metrics: []Metric{{Key: "tables", Name: "tables of " + l.Name, Unit: "bytes",
				Target: 0.05, Whole: float64(l.Size), Own: true}}},
	}
}

// Lookup is the measure of looking up count symbols of a library, whose names stand in a file.
func Lookup(l *prepare.Library, file string, count int) Case {
	name := fmt.Sprintf("%d symbols of %s", count, l.Name)
	return Case{Group: "lookup", Members: []Member{{Weld, "lookup"}, {Glibc, "lookup"}},
		Args: []string{l.Path, file}, Repeats: 5, Fresh: true, Agree: "sum", Metrics: []Metric{
			{Key: "first", Name: name, Unit: "ns", Target: 1},
			{Key: "again", Name: name + ", again", Unit: "ns", Target: 1},
		}}
}

// Lazy is the measure of first calls through the PLT of a library.
func Lazy(path string) Case {
	return Case{Group: "lazy", Members: []Member{{Weld, "lazy"}, {Glibc, "lazy"}}, Args: []string{path}, Repeats: 1,
		Fresh: true, Metrics: []Metric{{Key: "lazy", Name: "first call through a PLT slot", Unit: "ns"}}}
}

// Start is the measure of starting a program, n times for a sample, and waiting for its end.
func Start(p *prepare.Program, n int) Case {
	name := fmt.Sprintf("%s (%d libraries)", strings.Join(append([]string{p.Name}, p.Args...), " "), p.Needed)
	return Case{Group: "start", Members: []Member{{WeldRun, "start"}, {Native, "start"}, {NativeNow, "start"}},
		Args: append([]string{p.Path}, p.Args...), Repeats: n, Metrics: []Metric{
			{Key: "ns", Name: name, Unit: "ns", Target: p.Ratio},
			{Key: "ns", Name: name + ", time added", Unit: "ns", Target: p.Added, Added: true},
			{Key: "cpu", Name: name + ", processor time", Unit: "ns"},
		}}
}

// LinkPeers are the linkers beside weld, the first ones those of the targets.
var LinkPeers = []string{Lld, GNULd, Mold}

// Link is the measure of a link by those of peers that are installed.
func Link(l *prepare.Link, peers []string) Case {
	c := Case{Group: "link", Members: []Member{{WeldLink, "start"}}, Args: l.Args, Repeats: 1}
	for _, p := range peers {
		c.Members = append(c.Members, Member{p, "start"})
	}
	time, memory := Metric{Key: "ns", Name: l.Name, Unit: "ns"}, Metric{Key: "rss", Name: l.Name + ", memory", Unit: "bytes"}
	if l.Targets && len(peers) > 1 && peers[0] == Lld && peers[1] == GNULd {
		time.Target, time.Second, memory.Target = 1, 0.25, 1
	}
	c.Metrics = []Metric{time, {Key: "cpu", Name: l.Name + ", processor time", Unit: "ns"}, memory}
	return c
}

// Debuggers are the measures of opening and closing a library, many times in one process, with nothing and with each of
// attach attached to it; what the library needs stays open.
func Debuggers(name, path string, needed, attach []string) []Case {
	const warm = 300 // the Go heap is in use all over then, and the C heap too
	var cases []Case
	for _, a := range append([]string{""}, attach...) {
		what := a + " attached"
		if a == "" {
			what = "no debugger"
		}
		cases = append(cases, Case{Group: "debugger", Members: []Member{{Weld, "open_close"}, {Glibc, "open_close"}},
			Args: append([]string{path}, needed...), Fresh: true, Warm: warm, Attach: a,
			Metrics: []Metric{{Key: "ns", Name: "open and close " + name + ", " + what, Unit: "ns", Target: 1}}})
	}
	return cases
}

// Noise returns c with its first peer in the place of weld as well, and without targets: the ratios show what the
// machine's noise and the method make of two equal sides.
func (c Case) Noise() Case {
	peer := c.Members[1]
	c.Members = []Member{peer, peer}
	c.Metrics = slices.Clone(c.Metrics)
	for i := range c.Metrics {
		c.Metrics[i].Target, c.Metrics[i].Second = 0, 0
	}
	return c
}
