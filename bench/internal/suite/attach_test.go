package suite

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"weld/bench/internal/prepare"
)

// opener is a C program that is a worker of one operation: it opens and closes the library that it is asked to, n times.
const opener = `
#include <dlfcn.h>
#include <stdio.h>
#include <time.h>
int main(void) {
  long n;
  char path[4000];
  struct timespec a, b;
  while (scanf("%*s %ld %3999s", &n, path) == 2) {
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (long i = 0; i < n; i++)
      dlclose(dlopen(path, RTLD_NOW));
    clock_gettime(CLOCK_MONOTONIC, &b);
    double total = (b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec);
    printf("ok\tns=%g\ttotal=%g\n", total / n, total);
    fflush(stdout);
  }
}
`

// blind attaches to a process and stops it nowhere.
const blind = `
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <unistd.h>
int main(int argc, char **argv) {
  if (ptrace(PTRACE_SEIZE, atoi(argv[1]), 0, 0))
    return 1;
  puts("attached");
  fflush(stdout);
  pause();
}
`

func compile(t *testing.T, code, output string, flags ...string) {
	t.Helper()
	cmd := exec.Command("gcc", append(flags, "-o", output, "-x", "c", "-")...)
	cmd.Stdin = strings.NewReader(code)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gcc (Debian package gcc): %v\n%s", err, out)
	}
}

// attachFixture returns a worker and the path of a library for it.
func attachFixture(t *testing.T) (worker, library string) {
	t.Helper()
	dir := t.TempDir()
	worker, library = filepath.Join(dir, "opener"), filepath.Join(dir, "libnone.so")
	compile(t, opener, worker)
	compile(t, "int none;", library, "-shared", "-fPIC")
	return worker, library
}

func attachRun(t *testing.T, commands map[string][]string, c Case) Result {
	t.Helper()
	results, err := Run(context.Background(), Config{Commands: commands, Rounds: 1, Time: time.Millisecond, Log: t.Output()}, []Case{c})
	if err != nil {
		t.Fatal(err)
	}
	return results[0]
}

func attachCase(library, what string) Case {
	return Case{Members: []Member{{Weld, "open_close"}, {Glibc, "open_close"}}, Args: []string{library}, Fresh: true, Warm: 5,
		Attach: what, Metrics: []Metric{{Key: "ns"}}}
}

func TestGdbAttached(t *testing.T) {
	gdb, err := prepare.FindProgram(context.Background(), prepare.Gdb)
	if err != nil {
		t.Fatal(err)
	}
	worker, library := attachFixture(t)
	commands := map[string][]string{Weld: {worker}, Glibc: {worker}, GdbAttached: GdbCommand(gdb.Path)}
	alone, watched := attachRun(t, commands, attachCase(library, "")), attachRun(t, commands, attachCase(library, GdbAttached))
	for i, m := range watched.Members {
		if m.Err != nil || alone.Members[i].Err != nil {
			t.Fatalf("member %d: %v, %v", i, m.Err, alone.Members[i].Err)
		}
		if with, without := m.Values["ns"][0], alone.Members[i].Values["ns"][0]; with < 2*without {
			t.Errorf("member %d: an open and close takes %.0f ns with gdb attached, %.0f without", i, with, without)
		}
	}
}

func TestDebuggerFailures(t *testing.T) {
	worker, library := attachFixture(t)
	for _, test := range []struct{ script, want string }{
		{"echo no permission; exit 3", "gone wrong: ended with exit status 3: no permission"},
		{"echo attached; exit 0", "gone wrong: ended with exit status 0: attached"}, // it says so, but nothing is traced
	} {
		r := attachRun(t, map[string][]string{Weld: {worker}, Glibc: {worker}, "gone wrong": {"/bin/sh", "-c", test.script}},
			attachCase(library, "gone wrong"))
		if err := r.Members[0].Err; err == nil || err.Error() != test.want {
			t.Errorf("%s: error is %v, want %q", test.script, err, test.want)
		}
	}
}

// TestDebuggerBlind has attached what stops the process nowhere: a measure of it would say nothing.
func TestDebuggerBlind(t *testing.T) {
	worker, library := attachFixture(t)
	path := filepath.Join(t.TempDir(), "blind")
	compile(t, blind, path)
	r := attachRun(t, map[string][]string{Weld: {worker}, Glibc: {worker}, "blind": {path}}, attachCase(library, "blind"))
	if err := r.Members[0].Err; err == nil || !strings.Contains(err.Error(), "blind: has used ") || !strings.Contains(err.Error(), "does not see it") {
		t.Errorf("error is %v", err)
	}
}

func TestLook(t *testing.T) {
	l, err := lookAt(os.Getpid())
	if err != nil || l.threads == 0 || l.traced != 0 || l.stopped != 0 {
		t.Errorf("this process: %+v, %v", l, err)
	}
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := lookAt(cmd.Process.Pid); err == nil || !strings.Contains(err.Error(), strconv.Itoa(cmd.Process.Pid)) {
		t.Errorf("a process that has ended: %v", err)
	}
	if _, err := cpuTime(cmd.Process.Pid); err == nil {
		t.Error("a process that has ended has a processor time")
	}
	if d, err := cpuTime(os.Getpid()); err != nil || d <= 0 || d > time.Hour {
		t.Errorf("processor time of this process: %v, %v", d, err)
	}
	var stopped look
	stopped.add("Name:\tx\nState:\tt (tracing stop)\nTracerPid:\t12\n")
	if stopped != (look{threads: 1, traced: 1, stopped: 1}) {
		t.Errorf("a stopped thread: %+v", stopped)
	}
}
