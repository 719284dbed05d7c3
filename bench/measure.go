package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"weld/bench/internal/prepare"
	"weld/bench/internal/report"
	"weld/bench/internal/suite"
	"weld/bench/internal/wire"
)

// lookups is how many symbols are looked up, and mediumLookups how many a library must have to be measured.
const (
	lookups       = 10_000
	mediumLookups = 1_000
)

// measure builds the workers, finds the libraries and runs the cases.
func measure(ctx context.Context, o options, log io.Writer) (*report.Report, error) {
	source, err := filepath.Abs(o.source)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "weldbench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintln(log, "building workers and fixtures")
	files, err := prepare.Paths(source, dir)
	if err != nil {
		return nil, err
	}
	if err := files.Build(ctx, source, func(path string) bool { return path == files.DlWorker }); err != nil {
		return nil, err
	}
	r := &report.Report{Machine: report.ThisMachine(), Subject: suite.Weld, Rounds: o.rounds}
	commands := map[string][]string{
		suite.Weld:   {files.WeldWorker, files.Calls},
		suite.Cgo:    {files.CgoWorker},
		suite.Purego: {files.PuregoWorker, files.Calls},
		suite.Glibc:  {files.DlWorker},

		suite.WeldRun:   {files.StartWorker, files.Weld, "run"},
		suite.Native:    {files.StartWorker},
		suite.NativeNow: {files.StartWorker, "LD_BIND_NOW=1"},

		suite.WatchAttached: {files.Weld, "watch"},

		suite.WeldStill: {"env", "GODEBUG=asyncpreemptoff=1", files.WeldWorker, files.Calls},
		suite.GdbJIT:    {files.DlWorker},
		suite.DlopenAll: {files.DlWorker},
		suite.Libdlbind: {files.WeldWorker, files.Calls},

		suite.WeldUnchecked: {files.WeldWorker, files.Calls},
		suite.WeldTypes:     {files.StartWorker, files.Weld, "info", "--types", "--json"},
		suite.WeldGen:       {files.StartWorker, files.Weld, "gen"},
	}
	about, err := suite.Ask(ctx, commands[suite.Glibc], wire.Request{Op: "about"})
	if err != nil {
		return nil, err
	}
	r.Machine.Glibc = about["libc"]
	libraries := find(ctx, commands[suite.Glibc], r)
	cases, err := list(libraries, files, dir)
	if err != nil {
		return nil, err
	}
	cases = append(cases, debuggers(ctx, libraries, files, commands, r)...)
	cases = append(cases, suite.Generated(files.Generated, commands[suite.GdbAttached] != nil)...)
	cases = append(cases, suite.Types(files.Typed, files.TypedStripped)...)
	cases = append(cases, typed(ctx, o, commands, r)...)
	for _, slot := range prepare.ProgramSlots {
		p, err := prepare.FindProgram(ctx, slot)
		if err != nil {
			r.NotMeasured = append(r.NotMeasured, err.Error())
			continue
		}
		cases = append(cases, suite.Start(p, o.starts))
	}
	links, err := linkers(ctx, o, source, dir, files, commands, r)
	if err != nil {
		return nil, err
	}
	cases = append(cases, links...)
	if o.run != nil {
		cases = match(cases, o)
	}
	if len(cases) == 0 {
		return nil, errors.New("-run matches no measure")
	}
	if o.noise {
		r.Subject = "peer"
		for i := range cases {
			cases[i] = cases[i].Noise()
		}
	}
	wanted := named(cases, commands)
	delete(wanted, files.DlWorker) // is there
	if err := files.Build(ctx, source, func(path string) bool { return wanted[path] }); err != nil {
		return nil, err
	}
	results, err := suite.Run(ctx, suite.Config{Commands: commands, Rounds: o.rounds, Time: o.time, Log: log}, cases)
	if err != nil {
		return nil, err
	}
	r.Rows = report.Rows(results)
	return r, nil
}

// named returns what the cases, and the commands of their workers and debuggers, name.
func named(cases []suite.Case, commands map[string][]string) map[string]bool {
	names := make(map[string]bool)
	add := func(list []string) {
		for _, s := range list {
			names[s] = true
		}
	}
	for _, c := range cases {
		add(c.Args)
		add(commands[c.Attach])
		for _, m := range c.Members {
			add(commands[m.Worker])
		}
	}
	return names
}

// find returns the installed libraries and notes in r which are not.
func find(ctx context.Context, glibc []string, r *report.Report) []*prepare.Library {
	var libraries []*prepare.Library
	for _, slot := range prepare.Slots {
		l, err := prepare.Find(slot, func(soname string) (string, error) {
			v, err := suite.Ask(ctx, glibc, wire.Request{Op: "find", Args: []string{soname}})
			return v["path"], err
		})
		if err != nil {
			r.NotMeasured = append(r.NotMeasured, err.Error())
			continue
		}
		libraries = append(libraries, l)
	}
	return libraries
}

// list returns all measures of libraries and calls, those of a kind beside each other.
func list(libraries []*prepare.Library, files prepare.Files, dir string) ([]suite.Case, error) {
	cases := suite.Calls()
	var alone, closure, memory []suite.Case
	for _, l := range libraries {
		c := suite.Opens(l)
		alone, closure, memory = append(alone, c[0]), append(closure, c[1]), append(memory, c[2:]...)
	}
	cases = append(append(cases, alone...), closure...)
	for i, l := range libraries {
		names, err := l.Names(lookups)
		if err != nil {
			return nil, err
		}
		if len(names) < mediumLookups {
			continue
		}
		file := filepath.Join(dir, fmt.Sprintf("names%d", i))
		if err := os.WriteFile(file, []byte(strings.Join(names, "\n")+"\n"), 0o666); err != nil {
			return nil, err
		}
		cases = append(cases, suite.Lookup(l, file, len(names)))
	}
	cases = append(cases, suite.Lazy(files.Lazy))
	return append(cases, memory...), nil
}

// typed returns the measures of what is known of the C library, if its debugging information is installed, and of the libraries that -typed names.
func typed(ctx context.Context, o options, commands map[string][]string, r *report.Report) []suite.Case {
	abidw, err := exec.LookPath("abidw")
	if err != nil {
		r.NotMeasured = append(r.NotMeasured, "types: abidw is not installed (Debian: apt-get install abigail-tools)")
		return nil
	}
	commands[suite.Abidw] = []string{commands[suite.Native][0], abidw, "--noout"}
	var cases []suite.Case
	v, err := suite.Ask(ctx, commands[suite.Glibc], wire.Request{Op: "find", Args: []string{"libc.so.6"}})
	if err == nil {
		path, err := filepath.EvalSymlinks(v["path"])
		if err == nil {
			cases = suite.TypesOf(path)
		}
	}
	for _, path := range o.typed {
		cases = append(cases, suite.TypesOf(path)...)
	}
	return cases
}

// debuggers returns the measures of opening with a debugger attached: those of the fixture and of the smallest library. It
// adds to commands how gdb is attached, or notes in r that it is not installed.
func debuggers(ctx context.Context, libraries []*prepare.Library, files prepare.Files, commands map[string][]string, r *report.Report) []suite.Case {
	var attach []string
	if gdb, err := prepare.FindProgram(ctx, prepare.Gdb); err != nil {
		r.NotMeasured = append(r.NotMeasured, "gdb attached: "+err.Error())
	} else {
		commands[suite.GdbAttached] = suite.GdbCommand(gdb.Path)
		attach = append(attach, suite.GdbAttached)
	}
	attach = append(attach, suite.WatchAttached)
	cases := suite.Debuggers(filepath.Base(files.Tiny), files.Tiny, nil, attach)
	if len(libraries) > 0 {
		l := libraries[0]
		cases = append(cases, suite.Debuggers(l.Name, l.Path, l.Needed, attach)...)
	}
	return cases
}

// linkers returns the measures of links. It adds to commands how the linkers are started, or notes in r that they are not installed.
func linkers(ctx context.Context, o options, source, dir string, files prepare.Files, commands map[string][]string, r *report.Report) ([]suite.Case, error) {
	commands[suite.WeldLink] = []string{files.StartWorker, files.Weld, "link"}
	var peers []string
	for _, p := range suite.LinkPeers {
		names := map[string][]string{suite.Lld: {"ld.lld"}, suite.GNULd: {"ld.bfd", "ld"}, suite.Mold: {"mold"}}[p]
		path, err := prepare.FindLinker(names...)
		if err != nil {
			r.NotMeasured = append(r.NotMeasured, err.Error())
			continue
		}
		commands[p] = []string{files.StartWorker, path}
		if p == suite.Mold {
			commands[p] = append(commands[p], "--no-fork") // the process that is waited for does the work
		}
		peers = append(peers, p)
	}
	if len(peers) == 0 {
		return nil, nil
	}
	sub := filepath.Join(dir, "links")
	if err := os.Mkdir(sub, 0o777); err != nil {
		return nil, err
	}
	links, missing, err := prepare.Links(ctx, source, sub, func(name string) bool {
		return o.run == nil || o.run.MatchString("link: "+name) || o.run.MatchString("link: "+name+", processor time") || o.run.MatchString("link: "+name+", memory")
	})
	if err != nil {
		return nil, err
	}
	r.NotMeasured = append(r.NotMeasured, missing...)
	var cases []suite.Case
	for _, l := range links {
		cases = append(cases, suite.Link(l, peers))
	}
	return cases, nil
}

// match keeps the metrics that -run names, and the cases that have one.
func match(cases []suite.Case, o options) []suite.Case {
	var kept []suite.Case
	for _, c := range cases {
		var metrics []suite.Metric
		for _, m := range c.Metrics {
			if o.run.MatchString(c.Group + ": " + m.Name) {
				metrics = append(metrics, m)
			}
		}
		if c.Metrics = metrics; len(metrics) > 0 {
			kept = append(kept, c)
		}
	}
	return kept
}
