package suite

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"weld/bench/internal/wire"
)

// The ways in which generated code is made known. Those that take time by the square of the number of functions are measured
// with fewer than weld, as the names of the rows say; a value is for each function.
const (
	// WeldStill is weld whose threads the Go runtime does not interrupt: each signal is a stop under a debugger.
	WeldStill = "weld, not preempted"
	GdbJIT    = "GDB JIT"                     // an object a function (__jit_debug_register_code)
	DlopenAll = "dlopen"                      // a shared object a function
	Libdlbind = "libdlbind, as measured once" // answers what it was, with a debugger or not
)

// Of the peers: how many functions at most.
const (
	mostDlopen        = 1000
	mostJITWatched    = 1000
	mostDlopenWatched = 200
	mostJITLook       = 1000
	mostDlopenLook    = 500
)

func count(n int) string {
	if n%1000 == 0 {
		return fmt.Sprintf("%d,000", n/1000)
	}
	return strconv.Itoa(n)
}

// Generated are the measures of functions that are made at run time; file is the shared object of testdata/generated.c. gdb
// tells whether it is installed.
func Generated(file string, gdb bool) []Case {
	const group = "live"
	var cases []Case
	args := func(batch int, stay string, most int) []string {
		return []string{strconv.Itoa(batch), stay, strconv.Itoa(most), file}
	}
	metric := func(key, what string, n int) Metric {
		return Metric{Key: key, Name: what + ", " + count(n) + " functions", Unit: "ns"}
	}
	const half = 500 // ns: for a bind and its part of a commit
	for _, n := range []int{1_000, 10_000, 100_000} {
		both := metric("both", "bind and commit in batches of 10,000", n)
		memory := metric("bytes", "memory for each", n)
		memory.Unit = "bytes"
		cases = append(cases, Case{Group: group, Members: []Member{{Weld, "generate"}, {GdbJIT, "jit"}}, Args: args(10_000, "no", 0), Repeats: n, Fresh: true,
			Metrics: []Metric{both, metric("unbind", "unbind and commit", n), memory}})
		both.Name += fmt.Sprintf(" (dlopen: %s)", count(mostDlopen))
		find := metric("findaddr", "find by address", n)
		cases = append(cases, Case{Group: group, Members: []Member{{Weld, "generate"}, {DlopenAll, "dlopen_each"}}, Args: args(10_000, "no", mostDlopen), Repeats: n, Fresh: true,
			Metrics: []Metric{both, metric("lookup", "find by name", n), find, metric("unbind", "unbind and commit", n), memory}})
		own := func(m Metric, whole float64) Metric {
			m.Own, m.Whole, m.Target = true, whole, 1
			m.Name += fmt.Sprintf(", as a part of %g ns", whole)
			return m
		}
		bind := metric("both", "bind and commit in batches of 10,000", n)
		given := Case{Group: group, Members: []Member{{Weld, "generate"}, {Libdlbind, "libdlbind"}}, Args: args(10_000, "no", 0), Repeats: n, Fresh: true,
			Metrics: []Metric{bind, own(bind, half), metric("lookup", "find by name", n), find, own(find, 100)}}
		cases = append(cases, given)
	}
	cases = append(cases, Case{Group: group, Members: []Member{{Weld, "generate"}, {Libdlbind, "libdlbind_bind"}}, Args: args(10_000, "no", 0), Repeats: 10_000, Fresh: true,
		Metrics: []Metric{{Key: "bind", Name: "bind alone, 10,000 functions, as a part of 500 ns", Unit: "ns", Own: true, Whole: half, Target: 1}}})
	if !gdb {
		return cases
	}
	watched := func(n, batch, most int, peer Member, more ...Metric) {
		m := metric("both", fmt.Sprintf("bind and commit in batches of %s, gdb attached", count(batch)), n)
		if most > 0 && most < n {
			m.Name += fmt.Sprintf(" (%s: %s)", peer.Worker, count(most))
		}
		cases = append(cases, Case{Group: group, Members: []Member{{WeldStill, "generate"}, peer}, Args: args(batch, "no", most), Repeats: n, Fresh: true, Attach: GdbAttached, Once: true,
			Metrics: append([]Metric{m}, more...)})
	}
	const batchTime = 150e6
	watched(10_000, 10_000, mostJITWatched, Member{GdbJIT, "jit"},
		Metric{Key: "total", Name: "a batch of 10,000, gdb attached, as a part of 150 ms", Unit: "ns", Own: true, Whole: batchTime, Target: 1})
	watched(10_000, 10_000, mostDlopenWatched, Member{DlopenAll, "dlopen_each"})
	for _, n := range []int{2_000, 10_000, 20_000} {
		watched(n, 100, 0, Member{Libdlbind, "libdlbind_watched"})
	}
	watched(100_000, 10_000, 0, Member{Libdlbind, "libdlbind_watched"})
	look := func(n, most int, peer Member, more ...Metric) {
		m := metric("ns", "attach gdb and ask for a name", n)
		if most > 0 {
			m.Name += fmt.Sprintf(" (%s: %s)", peer.Worker, count(most))
		}
		cases = append(cases, Case{Group: group, Members: []Member{{WeldStill, "generate"}, peer}, Args: args(10_000, "stay", most), Repeats: n, Fresh: true, Look: true,
			Metrics: append([]Metric{m}, more...)})
	}
	look(10_000, mostJITLook, Member{GdbJIT, "jit"})
	look(10_000, mostDlopenLook, Member{DlopenAll, "dlopen_each"})
	look(10_000, 0, Member{Libdlbind, "libdlbind"})
	look(100_000, 0, Member{Libdlbind, "libdlbind"},
		Metric{Key: "ns", Name: "attach gdb and ask for a name, 100,000 functions, as a part of 2 s", Unit: "ns", Own: true, Whole: 2e9, Target: 1})
	return cases
}

// look has gdb attach to a process, say what is at an address that the process has answered, and go. It returns how long that takes.
func (r *runner) look(ctx context.Context, p *process, v wire.Values) (wire.Values, error) {
	if v["given"] != "" {
		return v, nil
	}
	defer os.RemoveAll(v["folder"])
	ctx, cancel := context.WithTimeout(ctx, attachLimit)
	defer cancel()
	gdb := r.cfg.Commands[GdbAttached][0]
	cmd := exec.CommandContext(ctx, gdb, "-nx", "-q", "-batch", "-iex", "set auto-load off", "-p", strconv.Itoa(p.cmd.Process.Pid), "-ex", "info symbol "+v["addr"])
	cmd.Env = append(environment(), "DEBUGINFOD_URLS=")
	start := time.Now()
	out, err := cmd.CombinedOutput()
	spent := time.Since(start)
	if err != nil {
		return nil, fmt.Errorf("gdb: %w: %s", err, out)
	}
	if !strings.Contains(string(out), v["name"]+" in section") {
		return nil, fmt.Errorf("gdb does not find %s at %s: %s", v["name"], v["addr"], out)
	}
	looked := make(wire.Values)
	looked.Set("ns", float64(spent))
	return looked, nil
}
