// Package watch_test judges weld watch: on programs of glibc, musl and weld, what it says is compared with what ld.so
// (LD_DEBUG=files) or the program itself says; and the program has to go on unchanged, whatever becomes of the watcher.
//
//	main_test.go    programs that do what they are told, and the watcher's lines
//	events_test.go  what is seen
//	safety_test.go  what is left behind: nothing
//	refuse_test.go  what cannot be watched, and how weld says so
package watch_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"weld/internal/testenv"
)

func TestMain(m *testing.M) { testenv.Main(m) }

// A program is a process that reads commands and answers them with a line each.
type program struct {
	t     testing.TB
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
}

// launch starts a program and waits until it is ready. It is killed with the test.
func launch(t testing.TB, path string, args ...string) *program {
	t.Helper()
	p := start(t, exec.Command(path, args...))
	p.expect("ready")
	return p
}

func start(t testing.TB, cmd *exec.Cmd) *program {
	t.Helper()
	p := &program{t: t, cmd: cmd, lines: make(chan string, 100)}
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	p.in = in
	if cmd.Stderr == nil {
		cmd.Stderr = os.Stderr
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	return p
}

func (p *program) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

func (p *program) pid() int { return p.cmd.Process.Pid }

func (p *program) line() string {
	p.t.Helper()
	select {
	case l, ok := <-p.lines:
		if ok {
			return l
		}
		p.t.Fatalf("the program has ended: %v", p.cmd.Wait())
	case <-time.After(testenv.Patience):
		p.t.Fatal("the program does not answer")
	}
	return ""
}

func (p *program) send(command string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, command+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

func (p *program) expect(want string) {
	p.t.Helper()
	if got := p.line(); got != want {
		p.t.Fatalf("the program says %q, want %q", got, want)
	}
}

// ask sends a command and returns the answer.
func (p *program) ask(format string, args ...any) string {
	p.t.Helper()
	p.send(fmt.Sprintf(format, args...))
	return p.line()
}

// finish ends the program and checks its exit status.
func (p *program) finish(status int) {
	p.t.Helper()
	p.in.Close()
	for range p.lines {
	}
	p.cmd.Wait()
	if got := p.cmd.ProcessState; got.ExitCode() != status {
		p.t.Errorf("the program has ended with %v, want exit status %d", got, status)
	}
}

type object struct {
	Name    string
	Path    string
	Address uint64
	Size    uint64
	BuildID string `json:"build_id"`
	LD      uint64 `json:"l_ld"`
}

// event is a line of weld watch --json.
type event struct {
	Event      string
	PID, TID   int
	Namespace  int
	Duration   int64 `json:"duration_ns"`
	Time       int64 `json:"time_ns"`
	Late       bool
	Objects    []object
	Exe, Found string
	By         []string
	Namespaces []struct {
		Namespace int
		Break     uint64 `json:"r_brk"`
		State     string `json:"r_state"`
		Objects   []object
	}
	ExitStatus *int `json:"exit_status"`
	Signal     string
}

// A watcher is a running weld watch.
type watcher struct {
	*program
}

// watch attaches to a process and returns when the watch has begun, with its first line.
func watch(t testing.TB, pid int, flags ...string) (*watcher, event) {
	t.Helper()
	args := append([]string{"watch", "--json"}, flags...)
	w := &watcher{start(t, exec.Command(testenv.GoProgram(t, "weld/cmd/weld"), append(args, fmt.Sprint(pid))...))}
	first := w.next()
	if first.Event != "attached" || first.PID != pid {
		t.Fatalf("the first line is %+v", first)
	}
	return w, first
}

func (w *watcher) next() event {
	w.t.Helper()
	return decode(w.t, w.line())
}

func decode(t testing.TB, line string) (e event) {
	t.Helper()
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return e
}

// quiet checks that nothing is told for a while.
func (w *watcher) quiet(d time.Duration) {
	w.t.Helper()
	select {
	case l, ok := <-w.lines:
		w.t.Fatalf("the watcher says %q (%v), want nothing", l, ok)
	case <-time.After(d):
	}
}

// stop ends the watch by a signal, and checks that it ends well.
func (w *watcher) stop(sig syscall.Signal) {
	w.t.Helper()
	w.cmd.Process.Signal(sig)
	last := ""
	for l := range w.lines {
		last = l
	}
	err := w.cmd.Wait()
	if err != nil || decode(w.t, last).Event != "detached" {
		w.t.Errorf("after %v: %v, and the last line is %q", sig, err, last)
	}
}

// observe runs a program to its end under weld watch and returns the lines and what the program has written.
func observe(t testing.TB, flags []string, env []string, input string, prog ...string) (events []event, out string) {
	t.Helper()
	file := testenv.NewDir(t).Join("watch.json")
	args := append(append([]string{"watch", "--json", "--output=" + file}, flags...), "--")
	cmd := exec.Command(testenv.GoProgram(t, "weld/cmd/weld"), append(args, prog...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin = strings.NewReader(input)
	r := testenv.Run(t, cmd, testenv.Patience)
	if r.Code != 0 || len(r.Stderr) > 0 {
		t.Fatalf("%v: %v\n%s", cmd.Args, r, r.Stderr)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		events = append(events, decode(t, line))
	}
	if len(events) < 2 || events[0].Event != "attached" || events[len(events)-1].Event != "exit" {
		t.Fatalf("not from attached to exit:\n%s", data)
	}
	return events, string(r.Stdout)
}

// changes returns "+ address path namespace" and "- path namespace" for the objects that came and went.
func changes(events []event) (lines []string) {
	for _, e := range events {
		for _, o := range e.Objects {
			switch e.Event {
			case "load":
				lines = append(lines, fmt.Sprintf("+ %#x %d", o.LD, e.Namespace))
			case "unload":
				lines = append(lines, fmt.Sprintf("- %s %d", o.Path, e.Namespace))
			}
		}
	}
	return lines
}
