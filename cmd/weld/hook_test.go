package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"weld/internal/cproto"
	"weld/internal/testenv"
)

// hooked compiles the program that the tests step in at, and its library.
func hooked(t *testing.T) string {
	t.Helper()
	d := testenv.NewDir(t)
	d.Shared("libshape.so", "shape.c")
	return d.Program("hooked", "hooked.c", "-lshape", "-lpthread", "-Wl,-rpath,"+d.Path)
}

// weldRun runs a program under weld run with flags.
func weldRun(t *testing.T, flags []string, prog ...string) testenv.Result {
	t.Helper()
	args := append(append([]string{"run"}, flags...), prog...)
	r := testenv.Run(t, exec.Command(testenv.GoProgram(t, "weld/cmd/weld"), args...), testenv.Patience)
	if r.TimedOut {
		t.Fatalf("%q does not end\n%s%s", args, r.Stdout, r.Stderr)
	}
	return r
}

// TestHookCat has cat fail as it does when the kernel says EIO, which it does for the first page of /proc/self/mem.
func TestHookCat(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	data := bytes.Repeat([]byte("0123456789abcde\n"), 40000)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	want := testenv.Run(t, exec.Command("cat", "/proc/self/mem"), testenv.Patience)
	if want.Code != 1 || !strings.Contains(string(want.Stderr), "Input/output error") {
		t.Fatalf("cat /proc/self/mem: %v %s", want, want.Stderr)
	}
	got := weldRun(t, []string{"--hook", "fail=read:3:EIO"}, "cat", file)
	if s := strings.ReplaceAll(string(got.Stderr), file, "/proc/self/mem"); s != string(want.Stderr) || got.String() != want.String() {
		t.Errorf("%v, %q; for the real error %v, %q", got, s, want, want.Stderr)
	}
	if n := len(got.Stdout); n == 0 || n >= len(data) || !bytes.HasPrefix(data, got.Stdout) {
		t.Errorf("%d bytes of %d before the third read", n, len(data))
	}
	if got := weldRun(t, []string{"--hook", "fail=read:300:EIO"}, "cat", file); !bytes.Equal(got.Stdout, data) || got.Code != 0 || len(got.Stderr) != 0 {
		t.Errorf("a call that does not come: %v %s", got, got.Stderr)
	}
}

// TestHookFail: results and errno by the type of the function; arguments of all kinds in calls that do not fail.
func TestHookFail(t *testing.T) {
	got := weldRun(t, []string{"--hook", "fail=open:2-3:EACCES,fopen:1+:ENFILE,pthread_mutex_lock:1:EDEADLK",
		"--hook", "fail=shape_scale:2:EIO:0", "--hook", "fail=shape_sum:2+:EIO"}, hooked(t), "fails")
	const want = "open 0 0\nopen -1 13\nopen -1 13\nopen 0 0\nfopen 0 23\nlock 35 0\nscale 8\nsum 45\n"
	if string(got.Stdout) != want || got.Code != 5 || len(got.Stderr) != 0 {
		t.Errorf("%v\n%s%swanted\n%s", got, got.Stdout, got.Stderr, want)
	}
	got = weldRun(t, []string{"--hook", "fail=shape_sum:1:EIO:77", "--hook", "count=shape_sum"}, hooked(t), "fails")
	if !strings.Contains(string(got.Stdout), "sum 77\n") || string(got.Stderr) != "         1 shape_sum\n" {
		t.Errorf("%v\n%s%s", got, got.Stdout, got.Stderr)
	}
	got = weldRun(t, []string{"--hook", "fail=shape_scale:1:EIO"}, hooked(t), "fails")
	if got.Code != statusCannot || !strings.Contains(string(got.Stderr), "a result of type double does not tell of an error") {
		t.Errorf("a function that returns a double: %v\n%s", got, got.Stderr)
	}
}

// TestHookCountPreload compares with a library in LD_PRELOAD that counts the same.
func TestHookCountPreload(t *testing.T) {
	testenv.Need(t, "ls", "sort", "grep")
	d := testenv.NewDir(t)
	counter := d.Shared("counter.so", "counter.c")
	big := d.Write("big", strings.Repeat("some line\nand another\n", 5000))
	for _, prog := range [][]string{{"ls", "-ln", "/usr/lib"}, {"sort", big}, {"grep", "-c", "another", big}} {
		file := d.Write("counts", strings.Repeat("\x00", 16))
		cmd := exec.Command(prog[0], prog[1:]...)
		cmd.Env = append(os.Environ(), "LD_PRELOAD="+counter, "COUNTER="+file)
		want := testenv.Run(t, cmd, testenv.Patience)
		b, err := os.ReadFile(file)
		if err != nil || want.Code != 0 {
			t.Fatal(want, err)
		}
		text := fmt.Sprintf("%10d malloc\n%10d free\n", binary.NativeEndian.Uint64(b), binary.NativeEndian.Uint64(b[8:]))
		out := d.Join("out")
		got := weldRun(t, []string{"--hook=count=malloc,free", "--hook-output=" + out}, prog...)
		if b, err := os.ReadFile(out); err != nil || string(b) != text {
			t.Errorf("%q: %v\n%spreloaded:\n%s", prog, err, b, text)
		}
		if !bytes.Equal(got.Stdout, want.Stdout) || len(got.Stderr) != 0 || got.Code != 0 {
			t.Errorf("%q: %v\n%s", prog, got, got.Stderr)
		}
	}
}

// TestHookCountExact counts calls in threads and signal handlers, and prints at every way to end that it can.
func TestHookCountExact(t *testing.T) {
	prog := hooked(t)
	for how, status := range map[string]int{"main": 5, "_exit": 3, "thread": 4} {
		got := weldRun(t, []string{"--json", "--hook", "count=getppid,no_such"}, prog, "counts", how)
		var o struct{ Counts map[string]int }
		first, rest, _ := strings.Cut(string(got.Stderr), "\n")
		if err := json.Unmarshal([]byte(first), &o); err != nil {
			t.Fatalf("%s: %v: %s", how, err, got.Stderr)
		}
		if fmt.Sprintln(o.Counts["getppid"]) != string(got.Stdout) || o.Counts["no_such"] != 0 || len(o.Counts) != 2 || got.Code != status {
			t.Errorf("%s: %v\n%sthe program's own: %s", how, got, got.Stderr, got.Stdout)
		}
		if rest != `{"undefined":["no_such"]}`+"\n" {
			t.Errorf("%s: %s", how, rest)
		}
	}
}

// TestHookTrace compares lines with those that are right, types being from debug information, from the table and from a
// prototype.
func TestHookTrace(t *testing.T) {
	prog := hooked(t)
	want := testenv.Run(t, exec.Command(prog, "types"), testenv.Patience)
	names := "shape_add,shape_scale,shape_big,shape_colour,shape_many,int shape_sum(int n, int, ...),shape_nothing,shape_long,shape_twice"
	got := weldRun(t, []string{"--hook", "trace=" + names, "--hook", "trace=const char *shape_name(const char *s, void *p)",
		"--hook", "trace=snprintf,puts,open"}, prog, "types")
	if !bytes.Equal(got.Stdout, want.Stdout) || got.Code != want.Code {
		t.Errorf("%v\n%swithout weld %v\n%s", got, got.Stdout, want, want.Stdout)
	}
	lines := regexp.MustCompile(`0x[0-9a-f]{4,}`).ReplaceAllString(string(got.Stderr), "PTR")
	x := strings.Repeat("x", shownBytes)
	const e = `"a \"quoted\"\tline\n\001\377 and é"`
	if wanted := `shape_add(-1, 1099511627776) = -1
shape_scale({x=3, y=0.5}, 2.5) = 3.75
shape_big(-9, {a={1, 2, 3, 4, 5}}) = {a={-9, 2, 3, 4, 5}}
shape_colour(RED, true, 'q', 65535) = GREEN
shape_name(` + e + `, PTR) = ` + e + `
shape_name("none", NULL) = NULL
shape_name("` + x + `"..., PTR) = "` + x + `"...
shape_many(1, 2, 3, 4, 5, 6, 7, 8, 9.75) = 45
shape_sum(10, 1, ...) = 55
shape_nothing() = void
shape_long(3) = ?
shape_add(5, 1) = 6
shape_add(6, 1) = 7
shape_twice(PTR, 5) = 7
snprintf(PTR, 200, "%s %d %5.2f %c %lu %%", "text", -7, 1.5, '!', 1099511627776) = 31
puts("text -7  1.50 ! 1099511627776 %") = 32
open("/no/such/file", 0) = -1 ENOENT
`; lines != wanted {
		t.Errorf("got\n%swanted\n%s", lines, wanted)
	}
	got = weldRun(t, []string{"--json", "--hook", "trace=open,shape_scale"}, prog, "types")
	if s := string(got.Stderr); !strings.Contains(s, `{"call":"shape_scale","args":["{x=3, y=0.5}","2.5"],"result":"3.75","pid":`) ||
		!strings.Contains(s, `{"call":"open","args":["\"/no/such/file\"","0"],"result":"-1","errno":"ENOENT","pid":`) {
		t.Errorf("as JSON:\n%s", s)
	}
}

// TestHookTracePaths: calls that a longjmp ends, that a child makes, and that do not return.
func TestHookTracePaths(t *testing.T) {
	got := weldRun(t, []string{"--hook", "trace=shape_add,shape_twice,exit,int _setjmp(void *)"}, hooked(t), "paths")
	lines := regexp.MustCompile(`\b0x\w+|\d{3,}`).ReplaceAllString(string(got.Stderr), "N")
	lines = regexp.MustCompile(`(?m)^_?setjmp\(.*\) = \?\n`).ReplaceAllString(lines, "") // a macro, or not
	if want := "[pid N] shape_add(0, N) = N\n[pid N] exit(0) = ?\n"; lines != want || string(got.Stdout) != "jumped 7\n" || got.Code != 5 {
		t.Errorf("%v\n%s%swanted\n%s", got, got.Stdout, lines, want)
	}
}

// TestHookChildOfThread: a child that has no Go calls the function itself.
func TestHookChildOfThread(t *testing.T) {
	got := weldRun(t, []string{"--hook", "trace=shape_add"}, hooked(t), "threads")
	if want := "shape_add(100, 1) = 101\nshape_add(300, 1) = 301\n"; string(got.Stderr) != want || got.Code != 5 {
		t.Errorf("%v\n%swanted\n%s", got, got.Stderr, want)
	}
}

// TestHookUsage has errors of the command line, and of what cannot be known.
func TestHookUsage(t *testing.T) {
	for _, test := range []struct {
		flags  []string
		status int
		want   string
	}{
		{[]string{"--hook", "blame=open"}, statusUsage, "it begins with none of count=, trace=, fail="},
		{[]string{"--hook", "count="}, statusUsage, `"" is not the name of a function`},
		{[]string{"--hook", "trace=int open(const char *"}, statusUsage, "prototype: column"},
		{[]string{"--hook", "fail=read:3"}, statusUsage, "is not NAME:N:ERRNO"},
		{[]string{"--hook", "fail=read:0:EIO"}, statusUsage, "they count from 1"},
		{[]string{"--hook", "fail=read:5-4:EIO"}, statusUsage, "is no range of calls"},
		{[]string{"--hook", "fail=read:1:EBOGUS"}, statusUsage, "is no errno"},
		{[]string{"--hook", "fail=read:1:EIO:x"}, statusUsage, "is no integer"},
		{[]string{"--hook-output", "x"}, statusUsage, "--hook-output goes with --hook"},
		{[]string{"--hook", "count=read", "--hook-output", "/no/such/dir/x"}, statusNotFound, "/no/such/dir/x"},
		{[]string{"--hook", "trace=fmemopen"}, statusCannot, "its types are not known: give a prototype"},
		{[]string{"--hook", "count=stdout"}, statusCannot, "it is a variable, not a function"},
	} {
		got := weldRun(t, test.flags, "true")
		if got.Code != test.status || !strings.Contains(string(got.Stderr), test.want) || strings.Count(string(got.Stderr), "\n") != 1 {
			t.Errorf("%q: %v, %s", test.flags, got, got.Stderr)
		}
	}
}

// TestHookStatic: there is nothing to step in at.
func TestHookStatic(t *testing.T) {
	d := testenv.NewDir(t)
	prog := d.Program("static", d.Write("static.c", "int main(void) { return 0; }"), "-static")
	got := weldRun(t, []string{"--hook", "count=malloc"}, prog)
	if got.Code != statusCannot || !strings.Contains(string(got.Stderr), "the program is a static one") {
		t.Errorf("%v: %s", got, got.Stderr)
	}
}

// TestKnownPrototypes: all entries of the table can be read, and each is found by its name.
func TestKnownPrototypes(t *testing.T) {
	n := 0
	for line := range strings.SplitSeq(strings.TrimSpace(prototypes), "\n") {
		for s := range strings.SplitSeq(line, "; ") {
			p, err := cproto.Parse(s)
			if err != nil {
				t.Errorf("%s: %v", s, err)
			} else if k := known(p.Name); k == nil || k.String() != p.String() {
				t.Errorf("%s: found %v", s, k)
			}
			n++
		}
	}
	if n < 80 {
		t.Errorf("%d prototypes", n)
	}
}

func TestErrnoNames(t *testing.T) {
	for e := range errnoNames {
		if name := errnoNames[e]; name != "" {
			if n, ok := errnoNamed(strings.ToLower(name)); !ok || int(n) != e {
				t.Errorf("%s is %d, found %d", name, e, n)
			}
		}
	}
	if e, ok := errnoNamed("EWOULDBLOCK"); !ok || errnoName(e) != "EAGAIN" {
		t.Error("EWOULDBLOCK")
	}
}
