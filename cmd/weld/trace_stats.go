package main

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"weld/internal/rtld"
)

// statistics prints what --stats asks for.
type statistics struct {
	tracer *rtld.Tracer
	out    *sink
	json   bool
	start  rtld.Stats // when the program began, or the child was forked
}

// statsObject is the JSON object of --stats.
type statsObject struct {
	Event string        `json:"event"` // "stats"
	At    string        `json:"at"`    // "entry" of the program, or "exit": what was done in between
	Time  time.Duration `json:"time_ns"`
	PID   int           `json:"pid"`

	// At entry: the processor time of the process before the command began, and its page faults until now.
	Before      time.Duration `json:"before_cpu_ns,omitempty"`
	MinorFaults int64         `json:"minor_faults,omitempty"`
	MajorFaults int64         `json:"major_faults,omitempty"`

	rtld.Stats
	Phases map[string]rtld.PhaseStats `json:"phases"`
}

func (s *statistics) atStart() {
	s.start = s.tracer.Stats()
	total := time.Since(s.tracer.Began)
	_, all := used()
	if s.json {
		o := s.object("entry", &s.start)
		o.Before, o.MinorFaults, o.MajorFaults = began.cpu, all.MinorFaults, all.MajorFaults
		s.out.object(o)
		return
	}
	s.out.write(statsTable(&s.start, total, all))
}

// inChild begins anew: a child tells of what it did itself.
func (s *statistics) inChild() { s.start = s.tracer.Stats() }

func (s *statistics) atExit() {
	now := s.tracer.Stats()
	d := since(&now, &s.start)
	if d.Opens+d.Binds+d.Objects == 0 {
		return
	}
	if s.json {
		s.out.object(s.object("exit", &d))
		return
	}
	mark := ""
	if pid := syscall.Getpid(); pid != s.out.pid {
		mark = fmt.Sprintf("[%d] ", pid)
	}
	s.out.write([]byte("weld: " + mark + "later: " + laterText(&d) + "\n"))
}

func (s *statistics) object(at string, st *rtld.Stats) *statsObject {
	o := &statsObject{Event: "stats", At: at, Time: time.Since(s.tracer.Began), PID: syscall.Getpid(), Stats: *st,
		Phases: map[string]rtld.PhaseStats{}}
	for p := range rtld.NumPhases {
		o.Phases[p.String()] = st.Phases[p]
	}
	return o
}

// since is what was counted between two moments.
func since(now, then *rtld.Stats) rtld.Stats {
	d := *now
	d.Objects -= then.Objects
	d.System -= then.System
	d.Bytes -= then.Bytes
	d.Relocs = d.Relocs.Sub(then.Relocs)
	d.Lookups -= then.Lookups
	d.CacheHits -= then.CacheHits
	d.Candidates -= then.Candidates
	d.Opens -= then.Opens
	d.Binds -= then.Binds
	d.Rebound -= then.Rebound
	d.Functions -= then.Functions
	d.Unloads -= then.Unloads
	for i := range d.Phases {
		d.Phases[i].Time -= then.Phases[i].Time
		d.Phases[i].MinorFaults -= then.Phases[i].MinorFaults
		d.Phases[i].MajorFaults -= then.Phases[i].MajorFaults
	}
	return d
}

// phaseNames say what the phases are.
var phaseNames = [rtld.NumPhases]string{
	rtld.PhasePlan: "plan, and all else of loading", rtld.PhaseLibc: "start the C library", rtld.PhaseSearch: "search and open",
	rtld.PhaseMap: "map", rtld.PhaseRelocate: "look up and relocate", rtld.PhaseProtect: "protect",
	rtld.PhasePublish: "publish to debuggers", rtld.PhaseInit: "initialise", rtld.PhaseFini: "finalise",
	rtld.PhaseLazy: "bind lazily", rtld.PhaseTrace: "observe",
}

// statsTable is the table of --stats: total is the time since the command began, all the page faults of the process.
func statsTable(s *rtld.Stats, total time.Duration, all rtld.PhaseStats) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "weld: %s until the program starts, %s without what observing takes; before that the kernel and the Go runtime, "+
		"%s of processor time\n", duration(total), duration(total-s.Phases[rtld.PhaseTrace].Time), duration(began.cpu))
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\ttime\tshare\tminor faults\tmajor faults\t  phase\n")
	line := func(name string, p rtld.PhaseStats) {
		share := 100 * p.Time.Seconds() / max(total.Seconds(), 1e-9)
		fmt.Fprintf(w, "\t%s\t%.1f %%\t%d\t%d\t  %s\n", duration(p.Time), share, p.MinorFaults, p.MajorFaults, name)
	}
	rest := rtld.PhaseStats{
		Time: total, MinorFaults: all.MinorFaults - began.faults.MinorFaults, MajorFaults: all.MajorFaults - began.faults.MajorFaults,
	}
	for p := range rtld.NumPhases {
		st := s.Phases[p]
		rest.Time -= st.Time
		rest.MinorFaults -= st.MinorFaults
		rest.MajorFaults -= st.MajorFaults
		if st.Time > 0 {
			line(phaseNames[p], st)
		}
	}
	line("the command itself", rest)
	w.Flush()
	fmt.Fprintf(&b, "\n  objects      %d, %s of addresses; %d of the C library; %s tried in vain\n", s.Objects, sizeText(s.Bytes), s.System,
		plural(uint64(s.Candidates), "file"))
	fmt.Fprintf(&b, "  relocations  %d: %s\n", s.Relocs.Applied(), relocsText(&s.Relocs))
	fmt.Fprintf(&b, "  lookups      %d, and %s; %s bound again\n", s.Lookups, plural(s.CacheHits, "cache hit"),
		plural(uint64(s.Rebound), "reference")+" of the C library")
	fmt.Fprintf(&b, "  initialisers %d\n", s.Functions)
	return b.Bytes()
}

// laterText says in a line what was done.
func laterText(s *rtld.Stats) string {
	var list []string
	add := func(n uint64, what string) {
		if n > 0 {
			list = append(list, plural(n, what))
		}
	}
	add(uint64(s.Opens), "open")
	add(uint64(s.Objects), "object")
	add(s.Relocs.Applied(), "relocation")
	add(uint64(s.Functions), "initialiser")
	add(uint64(s.Binds), "lazily bound call")
	add(s.Lookups, "lookup")
	add(s.CacheHits, "cache hit")
	add(uint64(s.Unloads), "unload")
	var times []string
	for p := range rtld.NumPhases {
		if t := s.Phases[p].Time; t > 0 {
			times = append(times, fmt.Sprintf("%s %s", p, duration(t)))
		}
	}
	return strings.Join(list, ", ") + "; " + strings.Join(times, ", ")
}
