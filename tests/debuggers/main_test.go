// Package debuggers drives the debuggers, profilers and tracers of the distribution, as they are, against programs that use
// weld: gdb, lldb, perf, bpftrace and valgrind.
//
//	main_test.go         the program, built in each of its ways, and what is expected of an output
//	gdb_test.go          gdb in batch mode: breakpoints, stepping, variables, threads, namespaces, events
//	gdb_attach_test.go   gdb on a process that runs, and on core dumps
//	gdb_mi_test.go       gdb as editors use it
//	interpreter_test.go  gdb where weld runs a program
//	hostprobes_test.go   gdb where another run-time linker has started the process, and has probes
//	stripped_test.go     what a debugger needs of a binary's symbols
//	probes_test.go       the probes: their order and arguments, in gdb, perf and bpftrace
//	lldb_test.go         lldb
//	perf_test.go         perf record, report and annotate
//	valgrind_test.go     valgrind
package debuggers

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"weld/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// The ways to build the debuggee.
const (
	static   = "static"   // CGO_ENABLED=0
	stripped = "stripped" // static, with -s -w
	dynamic  = "dynamic"  // CGO_ENABLED=1: started by the system's run-time linker
	unused   = "unused"   // CGO_ENABLED=1, but no package has C in it: static
)

// debuggee builds testdata/debuggee, once for each way.
func debuggee(t testing.TB, way string) string {
	t.Helper()
	b := testenv.GoBuild{Pkg: "weld/tests/debuggers/testdata/debuggee", Cgo: way == dynamic || way == unused}
	if way == stripped {
		b.Args = []string{"-ldflags=-s -w"}
	}
	if way == unused {
		b.Args = []string{"-tags=unused"}
	}
	return b.Path(t)
}

// fixture compiles the library that most tests open.
func fixture(t testing.TB) (d *testenv.Dir, lib string) {
	t.Helper()
	d = testenv.NewDir(t)
	return d, d.Shared("libshapes.so", "shapes.c", "-O0")
}

// line returns the number of the first line of a source in testdata that contains text.
func line(t testing.TB, source, text string) int {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", source))
	if err != nil {
		t.Fatal(err)
	}
	before, _, ok := strings.Cut(string(data), text)
	if !ok {
		t.Fatalf("%s has no line with %q", source, text)
	}
	return 1 + strings.Count(before, "\n")
}

// never checks that none of the regular expressions match in an output.
func never(t testing.TB, out string, unwanted ...string) {
	t.Helper()
	for _, u := range unwanted {
		if m := regexp.MustCompile("(?m)" + u).FindString(out); m != "" {
			t.Errorf("%q is in the output:\n%s", m, out)
		}
	}
}

// count checks how often a regular expression matches in an output.
func count(t testing.TB, out, re string, want int) {
	t.Helper()
	if got := len(regexp.MustCompile("(?m)"+re).FindAllString(out, -1)); got != want {
		t.Errorf("%q is %d times in the output, want %d:\n%s", re, got, want, out)
	}
}

// A program is a running debuggee that reads commands.
type program struct {
	t     testing.TB
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
}

// launch starts a debuggee, which does the given commands and then waits. It is killed with the test.
func launch(t testing.TB, cmd *exec.Cmd) *program {
	t.Helper()
	p := &program{t: t, cmd: cmd, lines: make(chan string, 100)}
	cmd.Args = append(cmd.Args, "-")
	cmd.Env = testenv.ToolEnv(cmd.Env)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	p.in = in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	p.until("ready ")
	return p
}

func (p *program) pid() int { return p.cmd.Process.Pid }

func (p *program) send(format string, args ...any) {
	p.t.Helper()
	if _, err := fmt.Fprintf(p.in, format+"\n", args...); err != nil {
		p.t.Error(err)
	}
}

// until reads lines up to one that has a prefix, and returns that.
func (p *program) until(prefix string) string {
	p.t.Helper()
	timeout := time.After(testenv.Patience)
	for {
		select {
		case l, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("the program has ended before %q: %v", prefix, p.cmd.Wait())
			}
			if strings.HasPrefix(l, prefix) {
				return l
			}
		case <-timeout:
			p.t.Fatalf("the program does not say %q", prefix)
		}
	}
}

// appears waits until a file exists.
func appears(t testing.TB, path string) {
	t.Helper()
	for end := time.Now().Add(testenv.Patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
	}
	t.Errorf("%s does not appear", path)
}

// pause is for what has to be tried again.
func pause() { time.Sleep(10 * time.Millisecond) }

// matches reports whether a regular expression matches in an output.
func matches(out, re string) bool { return regexp.MustCompile("(?m)" + re).MatchString(out) }
