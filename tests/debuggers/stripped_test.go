package debuggers

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"weld/internal/testenv"
)

// A debugger finds the list of a static binary by two symbols: _r_debug and _dl_debug_state. A binary that is linked with -s
// has neither, and one that is stripped later may keep them, or have them in a file of debugging information.
func TestStripped(t *testing.T) {
	testenv.Need(t, "strip", "objcopy")
	d, lib := fixture(t)
	whole := debuggee(t, static)
	run := func(name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = d.Path
		if msg, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd.Args, err, msg)
		}
	}
	run("strip", "--strip-all", "-K", "_r_debug", "-K", "_dl_debug_state", "-o", "kept", whole)
	run("objcopy", "--only-keep-debug", whole, "linked.debug")
	run("strip", "--strip-all", "-o", "linked", whole)
	run("objcopy", "--add-gnu-debuglink=linked.debug", "linked")
	todo := []string{"open " + lib, "call libshapes.so add_numbers 40 2", "mark used"}

	for _, c := range []struct {
		program string
		frame   string // that of the gate
	}{{"kept", `^#1  0x\w+ in (\?\?|__morestack) \(\)`}, {"linked", `^#1 .* ` + gate}} {
		t.Run(c.program, func(t *testing.T) {
			t.Parallel()
			out := testenv.Tool(t, testenv.GDB(t, []string{"break add_numbers", "run", "bt 2", "info sharedlibrary", "info probes stap rtld", "kill"},
				append([]string{"--args", d.Join(c.program)}, todo...)...))
			testenv.Expect(t, out, hit+`add_numbers \(a=40, b=2\)`, `^#0  add_numbers`, c.frame, libc, listed(lib), `^stap +rtld +map_complete`)
			out = testenv.Tool(t, testenv.LLDB(t, []string{"breakpoint set -n add_numbers", "process launch --stop-at-entry", "process handle SIGURG -n false -p true -s false", "continue", "kill"},
				append([]string{"--", d.Join(c.program)}, todo...)...))
			testenv.Expect(t, out, "`add_numbers\\(a=40, b=2\\)")
		})
	}
	// Nothing is seen of one that is linked with -s -w: no library is listed, no pending breakpoint is set.
	t.Run("-s -w", func(t *testing.T) {
		t.Parallel()
		out := under(t, stripped, []string{"catch syscall exit_group", "break add_numbers", "run", "info sharedlibrary"}, todo...)
		testenv.Expect(t, out, `^result 42$`, `call to syscall exit_group`, `No shared libraries loaded at this time`)
		never(t, out, hit+`add_numbers`)
	})
	// The library's file can be given by hand, at the address that the process says; and so can the object of the probes.
	t.Run("-s -w, by hand", func(t *testing.T) {
		t.Parallel()
		p := launch(t, exec.Command(debuggee(t, stripped), "open "+lib))
		out := attached(t, func(ready string) *exec.Cmd {
			return testenv.GDB(t, []string{"info sharedlibrary", fmt.Sprintf("add-symbol-file %s -o %#x", lib, mapped(t, p.pid(), lib)),
				fmt.Sprintf("add-symbol-file %s -o %#x", probesOf(t, p.pid()), mapped(t, p.pid(), "/memfd:weld-probes.so (deleted)")),
				"info probes stap rtld", "break add_numbers", "shell " + ready, "continue", "info locals", "bt 1", "detach"}, "-p", fmt.Sprint(p.pid()))
		}, func() { p.send("call libshapes.so add_numbers 40 2") })
		testenv.Expect(t, out, `No shared libraries loaded`, `^stap +rtld +map_complete`, `Breakpoint 1 at 0x\w+: file .*/shapes\.c`, hit+`add_numbers \(a=40, b=2\)`,
			`^sum = `, `^#0  add_numbers`, `detached`)
		p.until("result 42")
	})
	// weld watch says why it sees nothing.
	t.Run("-s -w, weld watch", func(t *testing.T) {
		t.Parallel()
		p := launch(t, exec.Command(debuggee(t, stripped), "open "+lib))
		out := testenv.Tool(t, exec.Command(testenv.GoProgram(t, "weld/cmd/weld"), "watch", "--once", fmt.Sprint(p.pid())))
		testenv.Expect(t, out, `no DT_DEBUG, and no symbol _r_debug`)
	})
}

// mapped returns the address of the first mapping of a file.
func mapped(t testing.TB, pid int, path string) (start uint64) {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(data)) {
		if strings.HasSuffix(strings.TrimSpace(l), " "+path) {
			fmt.Sscanf(l, "%x-", &start)
			return start
		}
	}
	t.Fatalf("%s is not mapped:\n%s", path, data)
	return 0
}

// probesOf returns the file of a process's probes.
func probesOf(t testing.TB, pid int) string {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if target, _ := os.Readlink(dir + "/" + f.Name()); strings.HasPrefix(target, "/memfd:weld-probes.so") {
			return dir + "/" + f.Name()
		}
	}
	t.Fatalf("process %d has no file of probes", pid)
	return ""
}
