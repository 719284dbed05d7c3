package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"weld/internal/rtld"
	"weld/internal/testenv"
)

// traceRun runs a program by the kernel and by weld run with flags that observe, which write to the file that it
// returns, and checks that nothing else is different.
func traceRun(t *testing.T, flags []string, prog ...string) (trace []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "trace")
	run := func(args ...string) testenv.Result {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Stdin = strings.NewReader("some input\n")
		return testenv.Run(t, cmd, testenv.Patience)
	}
	want := run(prog...)
	args := append([]string{testenv.GoProgram(t, "weld/cmd/weld"), "run", "--trace=" + file}, flags...)
	got := run(append(args, prog...)...)
	if !bytes.Equal(got.Stdout, want.Stdout) || !bytes.Equal(got.Stderr, want.Stderr) || got.String() != want.String() {
		t.Errorf("%q: %v\n%s%s\nwanted %v\n%s%s", args, got, got.Stdout, got.Stderr, want, want.Stdout, want.Stderr)
	}
	trace, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

// TestTraceJSON reads what --trace --stats --json write, strictly.
func TestTraceJSON(t *testing.T) {
	d := testenv.NewDir(t)
	d.Shared("plugin.so", d.Write("plugin.c", "int five(void) { return 5; }"))
	lazy := d.Program("lazy", d.Write("lazy.c", `
		#include <dlfcn.h>
		#include <stdio.h>
		#include <sys/wait.h>
		#include <unistd.h>
		int main(void) {
			if (fork() == 0) { int (*five)(void) = (int (*)(void))dlsym(dlopen("`+d.Path+`/plugin.so", RTLD_LAZY), "five"); _exit(five()); }
			int status; wait(&status); printf("%d\n", WEXITSTATUS(status)); return 3; }`), "-Wl,-z,lazy")
	for _, test := range []struct {
		flags  []string
		prog   []string
		events string // some that are there
		exit   bool   // statistics at the exit
	}{
		{nil, []string{"/bin/true"}, "libc load relocate start init exit", false},
		{nil, []string{"/usr/bin/python3", "-c", "import ssl; print(ssl.OPENSSL_VERSION)"}, "load interpose dlsym open", true},
		{[]string{"--lazy"}, []string{lazy}, "bind dlsym load", true},
		{nil, []string{"/bin/sh", "-c", "echo out; echo error >&2; read x; echo $x; (exit 3); kill -USR1 $$"}, "load start", false},
	} {
		trace := traceRun(t, append(test.flags, "--json", "--stats"), test.prog...)
		kinds := map[string]int{}
		var stats []statsObject
		forked := false
		pid := 0
		for _, line := range bytes.Split(bytes.TrimSuffix(trace, []byte("\n")), []byte("\n")) {
			var e rtld.Event
			if bytes.HasPrefix(line, []byte(`{"event":"stats"`)) {
				var s statsObject
				strict(t, line, &s)
				stats = append(stats, s)
				continue
			}
			strict(t, line, &e)
			kinds[e.Kind]++
			if pid == 0 {
				pid = e.PID
			}
			forked = forked || e.PID != pid
			if e.Kind == rtld.EventLoad && (e.Addr == 0 || e.Size == 0 || e.Why == "") {
				t.Errorf("%s", line)
			}
		}
		for _, kind := range strings.Fields(test.events) {
			if kinds[kind] == 0 {
				t.Errorf("%q: no event %s", test.prog, kind)
			}
		}
		if forked != (test.prog[0] == lazy) {
			t.Errorf("%q: events in a child: %v", test.prog, forked)
		}
		if len(stats) == 0 || stats[0].At != "entry" || test.exit != (len(stats) > 1) {
			t.Errorf("%q: %+v", test.prog, stats)
			continue
		}
		var sum time.Duration
		for _, p := range stats[0].Phases {
			sum += p.Time
		}
		if s := stats[0]; s.Objects == 0 || s.Relocs.Applied() == 0 || s.Lookups == 0 || sum > s.Time || len(s.Phases) != int(rtld.NumPhases) || s.Before == 0 {
			t.Errorf("%q: %+v", test.prog, s)
		}
	}
}

func strict(t *testing.T, line []byte, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil || d.More() {
		t.Errorf("%s: %v", line, err)
	}
}

// TestTraceStatic traces a program without a run-time linker.
func TestTraceStatic(t *testing.T) {
	d := testenv.NewDir(t)
	prog := d.Program("static", d.Write("static.c", `#include <stdio.h>
		int main(void) { puts("static"); return 4; }`), "-static")
	trace := string(traceRun(t, []string{"--stats"}, prog))
	if !strings.Contains(trace, "  the program; ") || !strings.Contains(trace, " start ") || !strings.Contains(trace, "objects      1, ") {
		t.Errorf("%s", trace)
	}
}

// TestTraceDescriptors checks that the program has no descriptor below sinkFD that it has not without a trace, and that
// its limit does not matter.
func TestTraceDescriptors(t *testing.T) {
	weld := testenv.GoProgram(t, "weld/cmd/weld")
	list := func(limit, flags string) (low []string, high int) {
		script := "ulimit -n " + limit + "; exec " + weld + " run " + flags + " /bin/ls /proc/self/fd"
		cmd := exec.Command("/bin/sh", "-c", script)
		r := testenv.Run(t, cmd, testenv.Patience)
		if r.Code != 0 {
			t.Fatalf("%s: %v\n%s", script, r, r.Stderr)
		}
		for _, fd := range strings.Fields(string(r.Stdout)) {
			if len(fd) >= 4 {
				high++
			} else {
				low = append(low, fd)
			}
		}
		return low, high
	}
	without, _ := list("1024", "")
	for _, flags := range []string{"--trace", "--stats", "--trace=/dev/null", "--trace --json"} {
		low, high := list("1024", flags)
		if strings.Join(low, " ") != strings.Join(without, " ") || high != 1 {
			t.Errorf("%s: descriptors %v and %d high ones, %v without", flags, low, high, without)
		}
	}
	if low, high := list("40", "--trace"); high+len(low) > len(without)+1 {
		t.Errorf("%v and %d", low, high)
	}
}

// TestTraceLoss takes the trace its reader away: the program goes on.
func TestTraceLoss(t *testing.T) {
	weld := testenv.GoProgram(t, "weld/cmd/weld")
	for _, script := range []string{
		weld + " run --trace --stats /bin/echo done 2>&1 1>&3 3>&- | exit 0",                // nobody reads
		weld + " run --trace --stats /bin/echo done 2>&1 1>&3 3>&- | head -n 1 >&2",         // from the second line on
		weld + " run --trace --stats /bin/echo done 2>&-",                                   // there is no standard error
		weld + " run --trace=/dev/full --stats /bin/echo done",                              // no room
		"ulimit -f 0; " + weld + " run --trace=trace --stats /bin/echo done",                // the file must not grow: SIGXFSZ
		weld + " run --trace --stats /bin/bash -c 'exec 2>&- 1000>&-; echo done'",           // the program closes all
		weld + " run --trace --stats /bin/bash -c 'exec 1000</dev/null; (true); echo done'", // and has another file there
	} {
		cmd := exec.Command("/bin/sh", "-c", "{ "+script+"; } 3>&1; exit $?")
		cmd.Dir = t.TempDir()
		if r := testenv.Run(t, cmd, testenv.Patience); string(r.Stdout) != "done\n" || r.Code != 0 || r.Signal != syscall.Signal(0) {
			t.Errorf("%s: %v\n%s%s", script, r, r.Stdout, r.Stderr)
		}
	}
}
