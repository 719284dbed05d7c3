package debuggers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"weld/internal/testenv"
)

// attached runs a debugger that attaches to a process, and does something once it has. The commands are run through ready
// first: it returns the one that says that the process is stopped.
func attached(t testing.TB, debugger func(ready string) *exec.Cmd, then func()) string {
	t.Helper()
	mark := testenv.NewDir(t).Join("attached")
	end := testenv.Begin(t, debugger("touch "+mark))
	appears(t, mark)
	then()
	return end()
}

// gdb on a process that has opened libraries already, and opens more.
func TestGDBAttach(t *testing.T) {
	for _, way := range []string{static, dynamic} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			d, lib := fixture(t)
			square := d.Shared("libsquare.so", "square.cc", "-O0", "-Wl,-Bsymbolic-functions")
			p := launch(t, exec.Command(debuggee(t, way), "open "+lib))
			out := attached(t, func(ready string) *exec.Cmd {
				return testenv.GDB(t, []string{"info sharedlibrary", "info probes stap rtld", "break add_numbers", "break Square::area", "shell " + ready,
					"continue", "bt 1", "continue", "bt 1", "detach"}, "-p", fmt.Sprint(p.pid()))
			}, func() {
				p.send("call libshapes.so add_numbers 40 2")
				p.send("open %s", square)
				p.send("call libsquare.so area_of 5 3")
			})
			testenv.Expect(t, out, libc)
			testenv.Expect(t, out, listed(lib), `^stap +rtld +map_complete .*/proc/\d+/fd/\d+`, `Breakpoint 1 at 0x`, `Breakpoint 2 \(Square::area\) pending`,
				hit+`add_numbers \(a=40, b=2\)`, `^#0  add_numbers \(a=40, b=2\) at `, hit+`Square::area \(this=0x\w+, times=3\)`, `detached`)
			p.until("result 42")
			p.until("result 75")
			// It goes on as before.
			p.send("close libsquare.so")
			p.until("closed")
			p.send("call libshapes.so add_numbers 1 2")
			p.until("result 3")
		})
	}
}

// gdb at a distance: gdbserver itself knows only lists that DT_DEBUG leads to, and gdb looks at the process's memory then.
func TestGDBServer(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "gdbserver")
	_, lib := fixture(t)
	program := debuggee(t, static)
	out := testenv.Tool(t, testenv.GDB(t, []string{"set sysroot /", fmt.Sprintf("target remote | exec gdbserver --once - %s 'open %s' 'call libshapes.so add_numbers 40 2'", program, lib),
		"break add_numbers", "continue", "bt 1", "info sharedlibrary", "kill"}, program))
	testenv.Expect(t, out, `Breakpoint 1 \(add_numbers\) pending`, hit+`add_numbers \(a=40, b=2\)`, `^#0  add_numbers`, libc, listed(lib))
}

// A core that gdb writes.
func TestGcore(t *testing.T) {
	t.Parallel()
	d, lib := fixture(t)
	core := d.Join("gcore")
	out := under(t, static, []string{"break twice", "run", "gcore " + core}, "load "+lib, "open "+lib, "call libshapes.so add_numbers 40 2")
	testenv.Expect(t, out, `Saved corefile`)
	lookAtCore(t, debuggee(t, static), core, lib, `^#0  twice \(n=42\) at `, `^#1 .* add_numbers \(a=40, b=2\) at `)
}

// With a folder for the files of what is in memory only, the core leads to them: a library from memory has its symbols, and
// the backtrace goes on to Go's functions.
func TestCoreWithFiles(t *testing.T) {
	t.Parallel()
	d, lib := fixture(t)
	core := d.Join("filed")
	cmd := testenv.GDB(t, []string{"break twice", "run", "gcore " + core, "kill"}, "--args", debuggee(t, static), "load "+lib, "nest libshapes.so call_back 1")
	cmd.Env = append(testenv.ToolEnv(nil), "WELD_FILES="+t.TempDir())
	testenv.Expect(t, testenv.Tool(t, cmd), hit+`twice \(n=0\)`, `Saved corefile`)
	out := testenv.Tool(t, testenv.GDB(t, []string{"info sharedlibrary", "bt"}, debuggee(t, static), core))
	testenv.Expect(t, out, `/libshapes\.so\.\d+\.\d+$`, chain(0, 1))
}

// lookAtCore checks what gdb shows of a core, with the libraries and without what only the process had.
func lookAtCore(t testing.TB, program, core, lib string, frames ...string) {
	t.Helper()
	out := testenv.Tool(t, testenv.GDB(t, []string{"info sharedlibrary", "info threads", "thread apply all bt"}, program, core))
	testenv.Expect(t, out, `^ +No +/proc/\d+/fd/\d+$`, libc, listed(lib), `weld/native\.park`, `^Thread \d+ `)
	testenv.Expect(t, out, frames...)
}

// A core that the kernel writes, of a process that is aborted in the middle of a native call.
func TestKernelCore(t *testing.T) {
	t.Parallel()
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err != nil {
		t.Fatal(err)
	}
	d, lib := fixture(t)
	dir := t.TempDir()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &limit); err != nil {
		t.Fatal(err)
	}
	program := debuggee(t, static)
	cmd := exec.Command("sh", "-c", `ulimit -c unlimited 2>/dev/null || ulimit -c $(ulimit -Hc); exec "$@"`, "sh", program, "open "+lib)
	cmd.Env = append(os.Environ(), "GOTRACEBACK=crash")
	cmd.Dir = dir
	p := launch(t, cmd)
	p.send("mark waiting")
	p.send("call libshapes.so wait_here 600")
	p.until("mark waiting")
	inside(t, p.pid(), "nanosleep")
	if name := strings.TrimSpace(string(pattern)); strings.ContainsAny(name, "|%/") || os.Getuid() != 0 && limit.Max < 1<<30 {
		// The core would go elsewhere, or nowhere: what gdb writes of the process as it stands has the same parts.
		t.Logf("core_pattern is %q, the limit of the size of a core %d: gdb writes the core", name, limit.Max)
		core := d.Join("core")
		out := testenv.Tool(t, testenv.GDB(t, []string{"gcore " + core, "detach"}, "-p", fmt.Sprint(p.pid())))
		testenv.Expect(t, out, `Saved corefile`)
		lookAtCore(t, program, core, lib, `^#\d+ .* wait_here \(seconds=600\) at `)
		return
	}
	p.cmd.Process.Signal(syscall.SIGABRT)
	for range p.lines {
	}
	err = p.cmd.Wait()
	if ws, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || ws.Signal() != syscall.SIGABRT || !ws.CoreDump() {
		t.Fatalf("the program has ended with %v, want a core", err)
	}
	cores, _ := filepath.Glob(filepath.Join(dir, "core*"))
	if len(cores) != 1 {
		t.Fatalf("cores %q, want one", cores)
	}
	lookAtCore(t, program, cores[0], lib, `<signal handler called>`, `^#\d+ .* wait_here \(seconds=600\) at `)
}

// inside waits until a thread of a process is in a system call of a name, or sleeps in it as the kernel calls that.
func inside(t testing.TB, pid int, call string) {
	t.Helper()
	numbers := map[string]string{"nanosleep": "230 "} // clock_nanosleep
	for end := time.Now().Add(testenv.Patience); time.Now().Before(end); pause() {
		files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
		for _, f := range files {
			if data, err := os.ReadFile(f); err == nil && strings.HasPrefix(string(data), numbers[call]) {
				return
			}
		}
	}
	t.Errorf("no thread of process %d comes to be in %s", pid, call)
}
