package watch_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"weld/internal/testenv"
)

// fixtures compiles opener and two libraries, for glibc or musl.
func fixtures(t testing.TB, musl bool) (d *testenv.Dir, opener string, libs []string) {
	d = testenv.NewDir(t)
	shared := d.Shared
	if musl {
		testenv.Need(t, "musl-gcc")
		shared = d.MuslShared
		opener = d.Join("opener")
		src, _ := filepath.Abs("testdata/opener.c")
		if msg, err := exec.Command("musl-gcc", "-O1", "-o", opener, src).CombinedOutput(); err != nil {
			t.Fatalf("musl-gcc: %v\n%s", err, msg)
		}
	} else {
		opener = d.Program("opener", "opener.c")
	}
	libs = []string{shared("libone.so", "value.c", "-DVALUE=1", "-Wl,--build-id=0x0102030405060708"),
		shared("libtwo.so", "value.c", "-DVALUE=2", "-Wl,--build-id=sha1", "-Wl,--no-as-needed", "-lone", "-Wl,-rpath,"+d.Path)}
	return d, opener, libs
}

// linkerLog returns what LD_DEBUG=files has written of a process, in the form of changes: what ld.so itself has mapped
// and taken off.
func linkerLog(t testing.TB, pattern string, pid int) (lines []string) {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("%s.%d", pattern, pid))
	if err != nil {
		t.Fatal(err)
	}
	generating := regexp.MustCompile(`file=\S+ \[(\d+)\];  generating link map`)
	dynamic := regexp.MustCompile(`dynamic: 0x0*([0-9a-f]+)`)
	destroying := regexp.MustCompile(`file=(\S+) \[(\d+)\];  destroying link map`)
	space := ""
	for line := range strings.Lines(string(data)) {
		if m := generating.FindStringSubmatch(line); m != nil {
			space = m[1]
		} else if m := dynamic.FindStringSubmatch(line); m != nil {
			lines = append(lines, "+ 0x"+m[1]+" "+space)
		} else if m := destroying.FindStringSubmatch(line); m != nil && !strings.Contains(m[1], "ld-linux") {
			lines = append(lines, "- "+m[1]+" "+m[2])
		}
	}
	return lines
}

// withoutKernel takes out what the kernel has mapped, and what stands in each new namespace without being mapped: the
// program, the vDSO and ld.so.
func withoutKernel(events []event) []event {
	out := slices.Clone(events)
	for i := range out {
		out[i].Objects = slices.DeleteFunc(slices.Clone(out[i].Objects), func(o object) bool {
			return out[i].Namespace == 0 && (o.Name == "" || strings.Contains(o.Name, "vdso")) || strings.Contains(o.Name, "ld-linux")
		})
	}
	return out
}

// compareWithLog compares events with the log of ld.so. Objects of one closure may come off in another order.
func compareWithLog(t *testing.T, events []event, log []string) {
	t.Helper()
	got := changes(withoutKernel(events))
	sortRuns(got)
	sortRuns(log)
	if !slices.Equal(got, log) {
		t.Errorf("seen:\n%s\n\nld.so has done:\n%s", strings.Join(got, "\n"), strings.Join(log, "\n"))
	}
	if len(log) < 4 {
		t.Errorf("ld.so has done next to nothing: %q", log)
	}
}

// sortRuns sorts lines that follow each other and begin with "-".
func sortRuns(lines []string) {
	for i := 0; i < len(lines); {
		k := i
		for k < len(lines) && lines[k][0] == lines[i][0] {
			k++
		}
		if lines[i][0] == '-' {
			slices.Sort(lines[i:k])
		}
		i = k
	}
}

// A Python that opens and closes its extension modules.
func TestPython(t *testing.T) {
	testenv.Need(t, "python3")
	out, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		t.Fatal(err)
	}
	script := `
import importlib, ctypes, _ctypes, sys
for name in ("_struct", "_bisect", "_heapq", "_json", "_csv", "zlib", "_bz2", "_socket", "math"):
    file = getattr(importlib.import_module(name), "__file__", None)
    for i in range(3):
        if file:
            _ctypes.dlclose(ctypes.CDLL(file)._handle)
for i in range(5):
    _ctypes.dlclose(ctypes.CDLL(sys.argv[1])._handle)
print("done")
`
	_, _, libs := fixtures(t, false)
	for _, by := range []string{"breakpoints", "syscalls"} {
		log := filepath.Join(t.TempDir(), "log")
		events, text := observe(t, []string{"--by=" + by}, []string{"LD_DEBUG=files", "LD_DEBUG_OUTPUT=" + log}, "",
			strings.TrimSpace(string(out)), "-c", script, libs[1])
		if text != "done\n" || *events[len(events)-1].ExitStatus != 0 {
			t.Errorf("%s: Python says %q", by, text)
		}
		compareWithLog(t, events, linkerLog(t, log, events[0].PID))
	}
}

// Namespaces that come and go.
func TestNamespaces(t *testing.T) {
	_, opener, libs := fixtures(t, false)
	log := filepath.Join(t.TempDir(), "log")
	input := fmt.Sprintf("m %s\no %[1]s\nm %s\nc 0\nc 1\nm %[1]s\nc 2\nc 3\n", libs[1], libs[0])
	events, text := observe(t, nil, []string{"LD_DEBUG=files", "LD_DEBUG_OUTPUT=" + log}, input, opener)
	if strings.Count(text, "open ") != 4 || strings.Count(text, "close 0") != 4 {
		t.Errorf("the program says\n%s", text)
	}
	compareWithLog(t, events, linkerLog(t, log, events[0].PID))
	spaces := map[int]bool{}
	for _, e := range events {
		spaces[e.Namespace] = true
	}
	if !spaces[0] || !spaces[1] || !spaces[2] {
		t.Errorf("namespaces %v, want 0, 1 and 2", spaces)
	}
}

// expectLoad compares the load that comes next with what the program says of it.
func expectLoad(t *testing.T, w *watcher, answer string) event {
	t.Helper()
	var index int
	var addr, ld uint64
	var name string
	if _, err := fmt.Sscanf(answer, "open %d 0x%x 0x%x %s", &index, &addr, &ld, &name); err != nil {
		t.Fatalf("the program says %q: %v", answer, err)
	}
	e := w.next()
	o := e.Objects
	if e.Event != "load" || e.Duration <= 0 || e.Late || len(o) == 0 || o[0].Path != name || o[0].Address != addr || o[0].LD != ld || o[0].Size == 0 {
		t.Errorf("the program says %q, the watcher %+v", answer, e)
	}
	return e
}

// A program of glibc that runs already, with threads.
func TestAttach(t *testing.T) {
	for _, by := range []string{"breakpoints", "syscalls"} {
		_, opener, libs := fixtures(t, false)
		p := launch(t, opener)
		p.ask("o %s", libs[0])
		w, first := watch(t, p.pid(), "--by="+by)
		objects := first.Namespaces[0].Objects
		if first.Found != "DT_DEBUG" || first.Exe != opener || objects[0].Path != opener || objects[0].Size == 0 ||
			objects[len(objects)-1].Path != libs[0] || objects[len(objects)-1].BuildID != "0102030405060708" {
			t.Errorf("%+v", first)
		}
		answer := p.ask("o %s", libs[1])
		if by == "breakpoints" {
			expectLoad(t, w, answer)
		} else if e := w.next(); e.Event != "load" || e.Objects[0].Path != libs[1] {
			t.Errorf("%q: %+v", answer, e)
		}
		p.ask("c 1")
		if e := w.next(); e.Event != "unload" || len(e.Objects) != 1 || e.Objects[0].Path != libs[1] || e.Duration <= 0 {
			t.Errorf("%+v", e)
		}
		// What a thread does that is made later, and what a child does.
		p.ask("t 1 %s", libs[1])
		if e := w.next(); e.Event != "load" || e.TID == e.PID {
			t.Errorf("%+v", e)
		}
		if e := w.next(); e.Event != "unload" || e.TID == e.PID {
			t.Errorf("%+v", e)
		}
		if got := p.ask("f %s", libs[1]); got != "child 0x300" {
			t.Errorf("the child: %s", got)
		}
		if by == "breakpoints" {
			// What a thread does that cannot be stopped is seen later.
			if e, answer := (event{}), p.ask("B %s", libs[1]); !strings.HasPrefix(answer, "open 2 ") {
				t.Error(answer)
			} else if e = w.next(); e.Event != "load" || !e.Late || e.Objects[0].Path != libs[1] {
				t.Errorf("%+v", e)
			}
			p.ask("c 2")
			loads(w, "unload", libs[1])
		}
		w.stop(syscall.SIGTERM)
		if got := p.ask("o %s", libs[1]); !strings.HasPrefix(got, "open ") {
			t.Errorf("after the watch: %s", got)
		}
		p.finish(7)
	}
}

// A program that executes itself.
func TestExec(t *testing.T) {
	_, opener, libs := fixtures(t, false)
	p := launch(t, opener)
	w, _ := watch(t, p.pid())
	p.send("x " + opener)
	p.expect("ready")
	if e := w.next(); e.Event != "exec" || e.Exe != opener {
		t.Errorf("%+v", e)
	}
	if e := w.next(); e.Event != "load" || len(e.Objects) < 3 {
		t.Errorf("%+v", e)
	}
	expectLoad(t, w, p.ask("o %s", libs[0]))
	p.finish(7)
	if e := w.next(); e.Event != "exit" || *e.ExitStatus != 7 {
		t.Errorf("%+v", e)
	}
}

// A program of musl, from its first instruction and when it runs. musl keeps what is closed.
func TestMusl(t *testing.T) {
	_, opener, libs := fixtures(t, true)
	p := launch(t, opener)
	w, first := watch(t, p.pid())
	if objects := first.Namespaces[0].Objects; objects[0].Path != opener || !strings.Contains(objects[1].Path, "ld-musl") {
		t.Errorf("%+v", first)
	}
	expectLoad(t, w, p.ask("o %s", libs[0]))
	expectLoad(t, w, p.ask("o %s", libs[1]))
	p.ask("c 0")
	p.ask("c 1")
	w.quiet(0)
	w.stop(syscall.SIGINT)
	p.finish(7)

	events, text := observe(t, nil, nil, "o "+libs[1]+"\n", opener)
	if len(events) != 4 || events[1].Objects[0].Path != opener || len(events[2].Objects) != 2 ||
		!strings.Contains(text, fmt.Sprintf("%#x %s", events[2].Objects[0].LD, libs[1])) || *events[3].ExitStatus != 7 {
		t.Errorf("%+v\n%s", events, text)
	}
}

// A static Go program that opens libraries with weld.
func TestWeld(t *testing.T) {
	_, _, libs := fixtures(t, false)
	opener := testenv.GoProgram(t, "weld/tests/watch/testdata/weldopener")
	p := launch(t, opener)
	w, first := watch(t, p.pid())
	if !strings.HasPrefix(first.Found, "_r_debug of ") {
		t.Errorf("%+v", first)
	}
	for range 3 {
		var want object
		answer := p.ask("o %s", libs[1])
		if _, err := fmt.Sscanf(answer, "open 0x%x %s", &want.Address, &want.Path); err != nil {
			t.Fatal(answer)
		}
		seen := loads(w, "load", libs[0], libs[1])
		if o := seen[libs[1]]; o.Address != want.Address || len(o.BuildID) != 40 {
			t.Errorf("%s: %+v", answer, o)
		}
		if got := p.ask("c %s", libs[1]); got != "close <nil>" {
			t.Error(got)
		}
		loads(w, "unload", libs[0], libs[1])
	}
	w.stop(syscall.SIGINT)
	p.finish(0)
}

// The probes of a static program's run-time linker may be in an object that it loads: before the watch, and during it.
func TestProbesOfObject(t *testing.T) {
	d, _, libs := fixtures(t, false)
	probes := d.Shared("libprobes.so", "probes.c", "-nostdlib")
	for _, before := range []bool{true, false} {
		p := launch(t, testenv.GoProgram(t, "weld/tests/watch/testdata/weldopener"))
		if before {
			p.ask("o %s", probes)
		}
		w, first := watch(t, p.pid(), "--by=breakpoints")
		if got, want := len(first.By), map[bool]int{true: 4, false: 1}[before]; got != want {
			t.Errorf("changes are seen by %q, want %d", first.By, want)
		}
		if !before {
			p.ask("o %s", probes)
			loads(w, "load", probes)
		}
		p.ask("o %s", libs[0])
		loads(w, "load", libs[0])
		if got := p.ask("v %s", probes); got != "value 5" {
			t.Error(got)
		}
		if e := w.next(); e.Event != "relocation" || e.Duration <= 0 || e.Objects[len(e.Objects)-1].Path != libs[0] {
			t.Errorf("%+v", e)
		}
		w.stop(syscall.SIGINT)
	}
}

// loads reads events until each of the paths was seen in one of the given kind.
func loads(w *watcher, kind string, paths ...string) map[string]object {
	w.t.Helper()
	seen := map[string]object{}
	for missing := len(paths); missing > 0; {
		e := w.next()
		for _, o := range e.Objects {
			if _, again := seen[o.Path]; e.Event == kind && !again {
				seen[o.Path] = o
				if slices.Contains(paths, o.Path) {
					missing--
				}
			}
		}
	}
	return seen
}

// Probes of a run-time linker that has them, and r_brk of one that has not; from the first instruction, and attached.
func TestProbes(t *testing.T) {
	for _, probes := range []bool{true, false} {
		flags := []string{"list.c", "-static", "-nostdlib", "-fno-stack-protector", "-O1"}
		want := "load unload load unload exit"
		if probes {
			flags = append(flags, "-DPROBES")
			want = "load relocation unload load relocation unload exit"
		}
		list := testenv.NewDir(t).Program("list", flags...)
		events, text := observe(t, nil, nil, "xx", list)
		if text != "ready\ndone\ndone\n" {
			t.Errorf("the program says %q", text)
		}
		var kinds []string
		for _, e := range events[1:] {
			kinds = append(kinds, e.Event)
			if e.Event != "exit" && e.Duration <= 0 {
				t.Errorf("%+v", e)
			}
			if e.Event == "relocation" && e.Objects[len(e.Objects)-1].Name != "/no/such/third" {
				t.Errorf("%+v", e)
			}
		}
		if got := strings.Join(kinds, " "); got != want {
			t.Errorf("with probes %v: %s, want %s", probes, got, want)
		}
		if got := len(events[0].By); got != map[bool]int{true: 3, false: 1}[probes] {
			t.Errorf("changes are seen by %q", events[0].By)
		}
	}
}
