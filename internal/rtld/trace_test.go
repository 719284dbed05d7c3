package rtld

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weld/internal/testenv"
	"weld/native"
)

// record has the events of do.
func record(t *testing.T, do func()) (list []*Event, stats Stats) {
	t.Helper()
	tr := &Tracer{Emit: func(e *Event) { list = append(list, e) }}
	Trace(tr)
	defer Trace(nil)
	do()
	if tr.mu.Lock(); len(tr.clocks) != 0 {
		t.Errorf("%d goroutines are in a phase", len(tr.clocks))
	}
	tr.mu.Unlock()
	for i, e := range list {
		if i > 0 && e.Time < list[i-1].Time {
			t.Errorf("event %d comes before the one before it", i)
		}
		b, err := json.Marshal(e)
		if err != nil || e.Kind == "" || e.PID == 0 {
			t.Errorf("%s: %v", b, err)
		}
	}
	return list, tr.Stats()
}

// outline is what tests compare of events: the kind and the names.
func outline(list []*Event, kinds ...string) (out []string) {
	for _, e := range list {
		if len(kinds) > 0 && !slices.Contains(kinds, e.Kind) {
			continue
		}
		s := e.Kind
		for _, v := range []string{filepath.Base(e.Object), e.Why, filepath.Base(e.By), e.Symbol, filepath.Base(e.Definition), filepath.Base(e.Instead)} {
			if v != "" && v != "." {
				s += " " + v
			}
		}
		out = append(out, s)
	}
	return out
}

func checkOutline(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("events\n\t%s\nwanted\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// tracedPair is a library that needs another one: both define both, and the second uses it.
func tracedPair(t *testing.T) (d *testenv.Dir, a string) {
	d = testenv.NewDir(t)
	lib(d, "tracedb", `
		int both(void) { return 2; }
		extern int absent(void) __attribute__((weak));
		int b(void) { return both() + (absent ? 100 : 0); }
		static int *up;
		__attribute__((constructor)) static void start(void) { static int n; up = &n; }
		__attribute__((destructor)) static void stop(void) { up = 0; }`)
	a = lib(d, "traceda", `
		extern int b(void);
		int both(void) { return 1; }
		int a(void) { return b(); }
		__attribute__((constructor)) static void start(void) {}
		__attribute__((destructor)) static void stop(void) {}`, "-L"+d.Path, "-ltracedb", "-Wl,-z,lazy")
	return d, a
}

func TestTrace(t *testing.T) {
	_, a := tracedPair(t)
	mustClose(t, mustOpen(t, "libm.so.6", 0)) // the C library is up
	var o *Object
	opening, stats := record(t, func() { o = mustOpen(t, a, 0) })
	checkOutline(t, outline(opening, EventLoad, EventRelocate, EventInit, EventOpen, EventInterpose),
		"load libtraceda.so open", "load libtracedb.so needed libtraceda.so",
		"relocate libtracedb.so", "relocate libtraceda.so",
		"init libtracedb.so", "init libtraceda.so", "open libtraceda.so open")
	weak := outline(opening, EventUndefined)
	if !slices.Contains(weak, "undefined libtracedb.so weak absent") {
		t.Errorf("the weak reference is not told of: %q", weak)
	}
	if stats.Objects != 2 || stats.Opens != 1 || stats.Functions < 2 || stats.Relocs.Lazy == 0 || stats.Lookups == 0 ||
		stats.Bytes != uint64(o.Mapping.Size+o.deps[0].Mapping.Size) {
		t.Errorf("%+v", stats)
	}
	for _, p := range []Phase{PhasePlan, PhaseSearch, PhaseMap, PhaseRelocate, PhaseProtect, PhasePublish, PhaseInit, PhaseTrace} {
		if stats.Phases[p].Time <= 0 {
			t.Errorf("no time in phase %v", p)
		}
	}
	load := opening[0]
	if load.Addr != o.Mapping.Addr || load.Size != o.Mapping.Size || load.BuildID != fmt.Sprintf("%x", o.BuildID) || load.Name != a ||
		load.Search <= 0 || load.Map <= 0 {
		t.Errorf("%+v", load)
	}

	calling, stats := record(t, func() {
		if r := call(t, o, "a"); r != 1 {
			t.Errorf("a() = %d", r)
		}
	})
	checkOutline(t, outline(calling), "bind libtraceda.so b libtracedb.so", "bind libtracedb.so both libtraceda.so")
	if calling[0].Addr != symbol(t, o, "b") || calling[0].Took <= 0 || stats.Binds != 2 || stats.Phases[PhaseLazy].Time <= 0 {
		t.Errorf("%+v\n%+v", calling[0], stats)
	}
	closing, stats := record(t, func() { mustClose(t, o) })
	checkOutline(t, outline(closing), "fini libtraceda.so", "fini libtracedb.so", "unload libtraceda.so", "unload libtracedb.so")
	if stats.Unloads != 2 {
		t.Errorf("%+v", stats)
	}

	// Bound at once: which definition came before which other is known.
	opening, _ = record(t, func() { o = mustOpen(t, a, Now) })
	if got := outline(opening, EventInterpose); !slices.Contains(got, "interpose libtracedb.so both libtraceda.so libtracedb.so") {
		t.Errorf("the interposed symbol is not told of: %q", got)
	}
	mustClose(t, o)
}

func TestTraceFailures(t *testing.T) {
	d, _ := tracedPair(t)
	list, stats := record(t, func() {
		ns := NewNamespace(Config{Path: []string{t.TempDir(), d.Path}})
		defer ns.Close()
		if _, err := ns.Open(Source{Name: "libtracedb.so"}, 0, nil); err != nil {
			t.Error(err)
		}
		if _, err := ns.Open(Source{Name: "libnowhere.so"}, 0, nil); err == nil {
			t.Error("libnowhere.so was opened")
		}
	})
	got := outline(list, EventNamespace, EventNamespaceEnd, EventOpen, EventUnload, EventLoad)
	checkOutline(t, got, "namespace", "load libtracedb.so open", "open libtracedb.so open", "open open", "unload libtracedb.so", "namespace-end")
	tried := list[1]
	if tried.Kind != EventSearch || tried.Name != "libtracedb.so" || tried.Error != "no such file or directory" || stats.Candidates < 2 {
		t.Errorf("%+v\n%+v", tried, stats)
	}
	for _, e := range list {
		if e.Namespace == 0 {
			t.Errorf("%s is told of the first namespace", e.Kind)
		}
		if e.Kind == EventOpen && e.Name == "libnowhere.so" && !strings.Contains(e.Error, "libnowhere.so: not found") {
			t.Errorf("%+v", e)
		}
	}
}

// TestTraceDlopen has native code open a library: the event names it and where it called from.
func TestTraceDlopen(t *testing.T) {
	d, a := tracedPair(t)
	opener := lib(d, "opener", `
		#include <dlfcn.h>
		void *h;
		int open_it(const char *name) { h = dlopen(name, RTLD_NOW); return h && dlsym(h, "a") && !dlsym(h, "nothing"); }
		int close_it(void) { return dlclose(h); }`)
	o := mustOpen(t, opener, Now)
	name, err := native.NewString(a)
	if err != nil {
		t.Fatal(err)
	}
	defer native.FreeString(name, a)
	list, _ := record(t, func() {
		if call(t, o, "open_it", name) != 1 {
			t.Error("dlopen failed")
		}
	})
	checkOutline(t, outline(list, EventLoad, EventOpen, EventDlsym), "load libtraceda.so dlopen libopener.so", "load libtracedb.so needed libtraceda.so",
		"open libtraceda.so dlopen libopener.so", "dlsym libopener.so a libtraceda.so")
	if last := list[len(list)-1]; last.Kind != EventUndefined || last.Why != WhyDlsym || last.Symbol != "nothing" {
		t.Errorf("%+v", last)
	}
	for _, e := range list {
		if e.Why == WhyDlopen && !o.Contains(e.ByAddr) {
			t.Errorf("%s: called from %#x, which is not in %s", e.Kind, e.ByAddr, o.Path)
		}
	}
	call(t, o, "close_it")
	mustClose(t, o)
}

// TestTraceCounts compares the numbers of relocations with readelf's.
func TestTraceCounts(t *testing.T) {
	testenv.Need(t, "readelf")
	d := testenv.NewDir(t)
	kinds := lib(d, "kinds", `
		#include <stdio.h>
		static __thread int local; __thread int global; extern int puts(const char *);
		static int one(void) { return 1; }
		static int (*pick(void))(void) { return one; }
		static int chosen(void) __attribute__((ifunc("pick")));
		int (*table[])(void) = { one, one, chosen };
		FILE **out = &stdout;
		int *tls(int n) { return n ? &local : &global; }
		int use(void) { return puts("") + chosen(); }`)
	packed := lib(d, "packed", "static int n; int *list[100] = {[0] = &n, [1] = &n, [70] = &n, [99] = &n};",
		"-nostdlib", "-Wl,-z,pack-relative-relocs")
	for _, path := range []string{kinds, packed, testenv.Library(t, "libstdc++6", "libstdc++.so.6.*"), testenv.Library(t, "zlib1g", "libz.so.1")} {
		var o *Object
		list, stats := record(t, func() { o = mustOpen(t, path, Now) })
		var got *Relocs
		sum := Relocs{}
		for _, e := range list {
			if e.Kind == EventRelocate {
				sum = sum.Add(*e.Relocs)
				if e.Object == o.Path {
					got = e.Relocs
				}
			}
		}
		want := readelfCounts(t, path)
		if path == packed && want.Relr == 0 || path == kinds && (want.TLS == 0 || want.Irelative == 0) {
			t.Errorf("%s: %+v is not what it was compiled for", path, want)
		}
		if got == nil || *got != want {
			t.Errorf("%s: %+v, readelf has %+v", path, got, want)
		}
		if sum != stats.Relocs {
			t.Errorf("%s: %+v in all, and %+v in the events", path, stats.Relocs, sum)
		}
		mustClose(t, o)
	}
}

func readelfCounts(t *testing.T, path string) (r Relocs) {
	t.Helper()
	out, err := exec.Command("readelf", "-rW", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(out), "\n") {
		if n, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok && rest == "offsets" { // of .relr.dyn
			fmt.Sscan(n, &r.Relr)
		}
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		switch strings.TrimPrefix(f[2], "R_X86_64_") {
		case "RELATIVE":
			r.Relative++
		case "IRELATIVE", "IRELATIV":
			r.Irelative++
		case "COPY":
			r.Copy++
		case "JUMP_SLOT", "JUMP_SLO":
			r.JumpSlot++
		case "GLOB_DAT", "64":
			r.Symbol++
		case "DTPMOD64", "DTPOFF64", "TPOFF64", "TLSDESC":
			r.TLS++
		}
	}
	return r
}
