package watch_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"weld/internal/testenv"
)

// kinds returns the kinds of events that follow each other, and checks that their times ascend and that each has a duration.
func kinds(t *testing.T, events []event) string {
	t.Helper()
	var all []string
	for i, e := range events {
		all = append(all, e.Event)
		if i > 0 && e.Time < events[i-1].Time {
			t.Errorf("%s at %d comes after %s at %d", e.Event, e.Time, events[i-1].Event, events[i-1].Time)
		}
		if e.Duration <= 0 || e.Late {
			t.Errorf("%+v", e)
		}
	}
	return strings.Join(all, " ")
}

// take reads so many events.
func (w *watcher) take(n int) (events []event) {
	w.t.Helper()
	for range n {
		events = append(events, w.next())
	}
	return events
}

// A process of weld's stops twice for an open and a close, and the three events are told all the same: on one thread and
// on several that wait for each other, and soon after they happen.
func TestSampled(t *testing.T) {
	_, _, libs := fixtures(t, false)
	other := filepath.Join(t.TempDir(), "libother.so")
	if data, err := os.ReadFile(libs[0]); err != nil || os.WriteFile(other, data, 0o700) != nil {
		t.Fatal(err)
	}
	p := launch(t, testenv.GoProgram(t, "weld/tests/watch/testdata/weldopener"))
	p.ask("n 1 %s", libs[0])
	w, first := watch(t, p.pid(), "--by=breakpoints")
	if by := strings.Join(first.By, " "); !strings.Contains(by, "probe map_complete") || strings.Contains(by, "reloc_start") {
		t.Fatalf("changes are seen by %q", first.By)
	}
	begin := time.Now()
	if got := p.ask("o %s", libs[1]); !strings.HasPrefix(got, "open ") {
		t.Fatal(got)
	}
	events := w.take(2)
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("a load and a relocation are told after %v", took)
	}
	if got := kinds(t, events); got != "load relocation" || !slices.Equal(events[0].Objects, events[1].Objects) {
		t.Errorf("%s: %+v", got, events)
	}
	p.ask("c %s", libs[1])
	w.take(1)
	for _, paths := range [][]string{{libs[0]}, {libs[0], other}} {
		const each = 300
		p.send(fmt.Sprintf("n %d %s", each, strings.Join(paths, " ")))
		events := w.take(3 * each * len(paths))
		if got, want := kinds(t, events), strings.TrimSpace(strings.Repeat("load relocation unload ", each*len(paths))); len(paths) == 1 && got != want {
			t.Errorf("%s", got)
		}
		seen := map[string]int{}
		for _, e := range events {
			for _, o := range e.Objects {
				seen[e.Event+" "+o.Path]++
			}
		}
		for _, path := range paths {
			for _, kind := range []string{"load ", "relocation ", "unload "} {
				if got := seen[kind+path]; got != each {
					t.Errorf("%s%s is told %d times, want %d", kind, path, got, each)
				}
			}
		}
		p.expect(fmt.Sprintf("opened %d <nil>", each))
	}
	w.quiet(0)
	w.stop(syscall.SIGINT)
	if by, state := tracer(t, p.pid()); by != "0" || state == "T" || state == "t" {
		t.Errorf("TracerPid %s, state %s", by, state)
	}
	p.ask("n 1 %s", libs[0])
	p.finish(0)
}

// probed compiles the program that has a list and probes of its own.
func probed(t *testing.T) string {
	return testenv.NewDir(t).Program("list", "list.c", "-static", "-nostdlib", "-fno-stack-protector", "-O1", "-DPROBES")
}

// More is sampled than there is room for: threads stop from then on, and nothing is lost.
func TestOverrun(t *testing.T) {
	p := launch(t, probed(t))
	w, first := watch(t, p.pid(), "--by=breakpoints")
	if len(first.By) != 4 {
		t.Fatalf("changes are seen by %q", first.By)
	}
	for i := range 3 {
		p.send("q") // and a change, by the newline
		p.expect("done")
		p.expect("done")
		events := w.take(3)
		if i == 0 && events[0].Duration == 0 {
			events[0].Duration = 1 // its beginning is among what was lost
		}
		if got := kinds(t, events); got != "load relocation unload" {
			t.Error(got)
		}
	}
	w.quiet(0)
	w.stop(syscall.SIGINT)
}

// Where another one uses a debug register there are too few to sample any.
func TestFewRegisters(t *testing.T) {
	p := launch(t, probed(t))
	attr := new(bytes.Buffer) // struct perf_event_attr of a breakpoint that is never reached
	for _, f := range []any{uint32(5), uint32(72), [5]uint64{4: 1<<0 | 1<<5 | 1<<6}, uint32(0), uint32(4), uint64(0x1000), uint64(8)} {
		binary.Write(attr, binary.LittleEndian, f)
	}
	if attr.Len() != 72 {
		t.Fatal(attr.Len())
	}
	fd, _, errno := syscall.Syscall6(298, uintptr(unsafe.Pointer(&attr.Bytes()[0])), uintptr(p.pid()), ^uintptr(0), ^uintptr(0), 1<<3, 0)
	if errno != 0 {
		t.Fatalf("perf_event_open: %v", errno)
	}
	defer syscall.Close(int(fd))
	w, first := watch(t, p.pid(), "--by=breakpoints")
	if len(first.By) != 3 || !strings.HasPrefix(first.By[0], "r_brk") {
		t.Errorf("changes are seen by %q", first.By)
	}
	p.send("")
	if got := kinds(t, w.take(3)); got != "load relocation unload" {
		t.Error(got)
	}
	w.stop(syscall.SIGINT)
}
