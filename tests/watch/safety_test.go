package watch_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"weld/internal/testenv"
)

// textOf digests all code of a process.
func textOf(t *testing.T, pid int) [32]byte {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	h := sha256.New()
	for line := range strings.Lines(string(maps)) {
		var start, end int64
		var perm string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &start, &end, &perm); n == 3 && perm == "r-xp" && strings.Contains(line, "/") {
			b := make([]byte, end-start)
			if _, err := mem.ReadAt(b, start); err != nil {
				t.Fatal(err)
			}
			h.Write(b)
		}
	}
	return [32]byte(h.Sum(nil))
}

func tracer(t *testing.T, pid int) (tracer, state string) {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		switch key {
		case "TracerPid":
			tracer = value
		case "State":
			state = value[:1]
		}
	}
	return tracer, state
}

// 1,000 opens give the same results while they are watched, in the first thread and another; and all are seen.
func TestThousand(t *testing.T) {
	_, opener, libs := fixtures(t, false)
	p := launch(t, opener)
	before := textOf(t, p.pid())
	for _, command := range []string{"n", "t"} {
		w, _ := watch(t, p.pid(), "--by=breakpoints")
		p.send(fmt.Sprintf("%s 1000 %s", command, libs[1]))
		for i := range 2000 {
			e := w.next()
			want := []string{"load", "unload"}[i%2]
			if e.Event != want || e.Duration <= 0 || len(e.Objects) != 2 || e.Objects[0].Path != libs[1] && e.Objects[1].Path != libs[1] {
				t.Fatalf("event %d: %+v, want %s", i, e, want)
			}
		}
		p.expect("sum 2000")
		if textOf(t, p.pid()) != before {
			t.Error("the code of a watched process is changed")
		}
		w.stop(syscall.SIGINT)
		if by, state := tracer(t, p.pid()); by != "0" || state == "T" || state == "t" {
			t.Errorf("after Ctrl-C: TracerPid %s, state %s", by, state)
		}
		if textOf(t, p.pid()) != before {
			t.Error("the code of the process is changed after Ctrl-C")
		}
	}
	if got := p.ask("n 100 %s", libs[0]); got != "sum 100" {
		t.Error(got)
	}
	p.finish(7)
}

// A watcher that is killed in the middle, again and again, does not keep the process from its work.
func TestKilled(t *testing.T) {
	for _, by := range []string{"breakpoints", "syscalls"} {
		_, opener, libs := fixtures(t, false)
		p := launch(t, opener)
		before := textOf(t, p.pid())
		const rounds, each = 15, 500
		for i := range rounds {
			w, _ := watch(t, p.pid(), "--by="+by)
			p.send(fmt.Sprintf("%s %d %s", []string{"n", "t"}[i%2], each, libs[1]))
			for range i + 2 {
				w.next()
			}
			time.Sleep(time.Duration(i) * 37 * time.Microsecond)
			w.kill()
			p.expect(fmt.Sprintf("sum %d", 2*each))
			if by, state := tracer(t, p.pid()); by != "0" || state == "T" || state == "t" {
				t.Fatalf("round %d: TracerPid %s, state %s", i, by, state)
			}
		}
		if textOf(t, p.pid()) != before {
			t.Error("the code of the process is changed")
		}
		p.finish(7)
	}
}

// A process that becomes another program at any moment, when it is attached to or its lists are read, is watched all the
// same: what was read of the old one is no error.
func TestExecsMeanwhile(t *testing.T) {
	d, _, libs := fixtures(t, false)
	p := launch(t, d.Program("execer", "execer.c", "-pthread"), "500", libs[0])
	for range 30 {
		w, first := watch(t, p.pid())
		if len(first.Namespaces) > 1 {
			t.Errorf("%+v", first)
		}
		for execs := 0; execs < 5; {
			if w.next().Event == "exec" {
				execs++
			}
		}
		w.stop(syscall.SIGINT)
	}
	if by, state := tracer(t, p.pid()); by != "0" || state == "T" || state == "t" {
		t.Errorf("TracerPid %s, state %s", by, state)
	}
}

// A process that is stopped by job control stays so, and one that is watched can be stopped and continued.
func TestJobControl(t *testing.T) {
	_, opener, libs := fixtures(t, false)
	p := launch(t, opener)
	w, _ := watch(t, p.pid())
	syscall.Kill(p.pid(), syscall.SIGSTOP)
	p.send("n 1 " + libs[0])
	w.quiet(100 * time.Millisecond)
	syscall.Kill(p.pid(), syscall.SIGCONT)
	p.expect("sum 1")
	loads(w, "unload", libs[0])

	syscall.Kill(p.pid(), syscall.SIGSTOP)
	stopped := func() (by, state string) {
		for end := time.Now().Add(testenv.Patience); ; time.Sleep(time.Millisecond) {
			if by, state = tracer(t, p.pid()); strings.EqualFold(state, "T") || time.Now().After(end) {
				return by, state
			}
		}
	}
	stopped()
	w.stop(syscall.SIGTERM)
	if by, state := stopped(); by != "0" || state != "T" {
		t.Errorf("TracerPid %s, state %s, want a stopped process", by, state)
	}
	syscall.Kill(p.pid(), syscall.SIGCONT)
	if got := p.ask("n 10 %s", libs[0]); got != "sum 10" {
		t.Error(got)
	}
	p.finish(7)
}

// A look does not stop the process, and its lists are whole whenever it comes.
func TestLook(t *testing.T) {
	_, opener, libs := fixtures(t, false)
	p := launch(t, opener)
	p.send("t 4000 " + libs[1])
	for range 10 {
		e := look(t, p.pid())
		if n := e.Namespaces[0]; e.Event != "snapshot" || len(n.Objects) < 4 || len(n.Objects) > 6 || n.Objects[0].Path != opener {
			t.Errorf("%+v", e)
		}
	}
	p.expect("sum 8000")
	p.finish(7)
}

func look(t *testing.T, pid int) event {
	t.Helper()
	r := testenv.Run(t, weldCommand(t, "watch", "--once", "--json", fmt.Sprint(pid)), testenv.Patience)
	if r.Code != 0 {
		t.Fatalf("%v: %s", r, r.Stderr)
	}
	return decode(t, string(r.Stdout))
}
