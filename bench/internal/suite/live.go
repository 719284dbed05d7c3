package suite

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
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

// linear is how much longer a function may take when there are twice as many, if all take time by their number.
const linear = 1.3

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
	const rounds, warm = 5, 1_000
	var cases []Case
	args := func(batch int, stay string, most int) []string {
		return []string{strconv.Itoa(batch), stay, strconv.Itoa(most), file}
	}
	metric := func(key, what string, n int) Metric {
		return Metric{Key: key, Name: what + ", " + count(n) + " functions", Unit: "ns"}
	}
	own := func(m Metric, what string, whole float64) Metric {
		m.Own, m.Whole, m.Target, m.Peers = true, whole, 1, []string{Libdlbind}
		m.Name += what
		return m
	}
	const half = 500 // ns: for a bind and its part of a commit
	for _, n := range []int{1_000, 10_000, 100_000} {
		both := metric("both", "bind and commit in batches of 10,000", n)
		bind, commit := metric("bind", "bind alone", n), metric("commit", "commit alone", n)
		cpu := metric("cpu", "bind and commit in batches of 10,000", n)
		cpu.Name += ", processor time"
		name, addr := metric("lookup", "find by name", n), metric("findaddr", "find by address", n)
		unbind, memory := metric("unbind", "unbind and commit", n), metric("bytes", "memory for each", n)
		bind.Peers, commit.Peers = []string{Libdlbind}, []string{Libdlbind}
		name.Peers, addr.Peers = []string{DlopenAll, Libdlbind}, []string{DlopenAll, Libdlbind}
		unbind.Peers = []string{GdbJIT, DlopenAll}
		memory.Unit = "bytes"
		peers := []Member{{Weld, "generate"}, {GdbJIT, "jit_all"}, {DlopenAll, "dlopen_each"}}
		cases = append(cases,
			Case{Group: group, Members: append(slices.Clone(peers), Member{Libdlbind, "libdlbind"}),
				Args: args(10_000, "no", mostDlopen), Repeats: n, Rounds: rounds, Fresh: true, Warm: warm,
				Metrics: []Metric{both, own(both, ", as a part of 500 ns", half), own(cpu, ", as a part of 500 ns", half), bind, commit, name, addr, own(addr, ", as a part of 100 ns", 100), unbind}},
			Case{Group: group, Members: peers,
				Args: args(10_000, "memory", mostDlopen), Repeats: n, Rounds: rounds, Fresh: true, Metrics: []Metric{memory}})
	}
	if !gdb {
		return cases
	}
	watched := func(n, batch, most int, peer Member, what string, more ...Metric) {
		m := metric("both", fmt.Sprintf("bind and commit in batches of %s, gdb attached", count(batch)), n)
		if m.Name += what; most > 0 && most < n {
			m.Name += fmt.Sprintf(" (%s: %s)", peer.Worker, count(most))
		}
		if peer.Worker == WeldStill {
			m.Target = linear
		}
		cases = append(cases, Case{Group: group, Members: []Member{{WeldStill, "generate"}, peer}, Args: args(batch, "no", most), Repeats: n, Rounds: rounds, Fresh: true, Attach: GdbAttached, Once: true,
			Metrics: append([]Metric{m}, more...)})
	}
	const batchTime = 150e6
	watched(10_000, 10_000, mostJITWatched, Member{GdbJIT, "jit"}, "",
		Metric{Key: "total", Name: "a batch of 10,000, gdb attached, as a part of 150 ms", Unit: "ns", Own: true, Whole: batchTime, Target: 1})
	watched(10_000, 10_000, mostDlopenWatched, Member{DlopenAll, "dlopen_each"}, "")
	watched(10_000, 10_000, 0, Member{Libdlbind, "libdlbind_watched"}, "")
	for _, c := range []struct{ n, batch int }{{2_000, 1}, {4_000, 1}, {4_000, 10}, {8_000, 10}, {16_000, 10}, {20_000, 100}, {100_000, 10_000}} {
		watched(c.n, c.batch, 0, Member{WeldStill, "generate_half"}, " beside those of "+count(c.n/2))
	}
	look := func(n, most int, peer Member, more ...Metric) {
		m := metric("ns", "attach gdb and ask for a name", n)
		if most > 0 {
			m.Name += fmt.Sprintf(" (%s: %s)", peer.Worker, count(most))
		}
		cases = append(cases, Case{Group: group, Members: []Member{{WeldStill, "generate"}, peer}, Args: args(10_000, "stay", most), Repeats: n, Rounds: rounds, Fresh: true, Look: true,
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
