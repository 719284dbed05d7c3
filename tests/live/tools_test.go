package live_test

import (
	"bufio"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"weld/internal/testenv"
)

const busy = `fn often(n)
  return n + 1
end
fn many(n)
  while n > 0
    often(n)
    n = n - 1
  end
  return n
end
fn spin(n)
  s = 0
  while n > 0
    s = s + n * 3
    n = n - 1
  end
  return s
end
print 1
load(1)
`

// running is the compiler at work, on what it is told line by line.
type running struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    *bufio.Scanner
	in     *os.File
	file   string // of its live object
	folder string
}

// start starts the compiler on a program, and waits for its first line. It goes on with what tell says, from generated code.
func start(t *testing.T, source string, env ...string) *running {
	t.Helper()
	args := calc(t, static, source)
	r := &running{t: t, folder: t.TempDir()}
	fifo := filepath.Join(t.TempDir(), "told.calc")
	check(t, syscall.Mkfifo(fifo, 0o600))
	r.cmd = exec.Command(args[0], append(args[1:], fifo)...)
	r.cmd.Env = append(append(testenv.ToolEnv(nil), "XDG_RUNTIME_DIR="+r.folder), env...)
	r.cmd.Dir = r.folder
	out, err := r.cmd.StdoutPipe()
	check(t, err)
	check(t, r.cmd.Start())
	t.Cleanup(func() {
		r.cmd.Process.Kill()
		r.cmd.Wait()
	})
	r.out = bufio.NewScanner(out)
	r.until("1")
	files, err := filepath.Glob(filepath.Join(r.folder, "weld", "*"))
	if check(t, err); len(files) != 1 {
		t.Fatalf("the object's files are %q", files)
	}
	r.file = files[0]
	r.in, err = os.OpenFile(fifo, os.O_WRONLY, 0)
	check(t, err)
	t.Cleanup(func() { r.in.Close() })
	return r
}

func (r *running) until(line string) {
	r.t.Helper()
	for r.out.Scan() {
		if r.out.Text() == line {
			return
		}
	}
	r.t.Fatalf("%v has ended without %q", r.cmd.Args, line)
}

// tell gives it the rest of its program.
func (r *running) tell(source string) {
	r.t.Helper()
	_, err := io.WriteString(r.in, source)
	check(r.t, errors.Join(err, r.in.Close()))
}

func (r *running) pid() string { return strconv.Itoa(r.cmd.Process.Pid) }

// perf names generated functions, and shows their source lines, by the object's file alone: no map, no injection.
func TestPerf(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "perf", "objdump", "sleep")
	r := start(t, busy)
	perf := func(args ...string) string {
		cmd := exec.Command("perf", append([]string{"--no-pager", "--buildid-dir", filepath.Join(r.folder, "buildid")}, args...)...)
		cmd.Dir = r.folder
		return testenv.Tool(t, cmd)
	}
	r.tell("spin(1000000000000)\n")
	r.spins()
	out := perf("record", "-e", "cpu-clock:u", "-F", "2000", "-o", "perf.data", "-p", r.pid(), "--", "sleep", "0.5")
	data, _ := os.ReadFile("/proc/sys/kernel/perf_event_paranoid")
	if level, err := strconv.Atoi(strings.TrimSpace(string(data))); err != nil || level > 2 && os.Getuid() != 0 {
		testenv.Expect(t, out, `perf_event_paranoid`) // the kernel lets nobody but root count: it says so
		return
	}
	testenv.Expect(t, perf("report", "-i", "perf.data", "--stdio"), `^ +(100|[5-9]\d)\.\d+% +calc\S* +weld-live\.\S+\.calc\.so +\[\.\] spin`)
	testenv.Expect(t, perf("annotate", "-i", "perf.data", "--stdio", "-s", "spin"), `<spin>:`, `s = s \+ n \* 3`, `imul`)
	if maps, _ := filepath.Glob("/tmp/perf-" + r.pid() + ".map"); maps != nil {
		t.Errorf("there is %q", maps)
	}
}

// symbolOffset returns where in a file the code of a function is.
func symbolOffset(t *testing.T, file, name string) uint64 {
	t.Helper()
	f, err := elf.Open(file)
	check(t, err)
	defer f.Close()
	symbols, err := f.Symbols()
	check(t, err)
	for _, s := range symbols {
		for _, p := range f.Progs {
			if s.Name == name && p.Type == elf.PT_LOAD && s.Value >= p.Vaddr && s.Value < p.Vaddr+p.Filesz {
				return s.Value - p.Vaddr + p.Off
			}
		}
	}
	t.Fatalf("no %s in %s", name, file)
	return 0
}

// uprobe is a counter of all that comes by at a place of a file.
type uprobe []int

// newUprobe makes one (perf_event_open(2), the dynamic PMU "uprobe").
func newUprobe(file string, offset uint64) (u uprobe, err error) {
	text, err := os.ReadFile("/sys/bus/event_source/devices/uprobe/type")
	if err != nil {
		return nil, err
	}
	typ, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, err
	}
	path := append([]byte(file), 0)
	var attr [128]byte // struct perf_event_attr
	binary.LittleEndian.PutUint32(attr[0:], uint32(typ))
	binary.LittleEndian.PutUint32(attr[4:], uint32(len(attr)))
	binary.LittleEndian.PutUint64(attr[56:], uint64(uintptr(unsafe.Pointer(&path[0])))) // uprobe_path
	binary.LittleEndian.PutUint64(attr[64:], offset)                                    // probe_offset
	const sysPerfEventOpen, closeOnExec, anyProcess, noGroup = 298, 8, ^uintptr(0), ^uintptr(0)
	// Of all processors: the compiler may have leave to run on others than this test.
	online, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return nil, err
	}
	var cpus []int
	for part := range strings.SplitSeq(strings.TrimSpace(string(online)), ",") { // as 0-3,6
		var first, last int
		if n, _ := fmt.Sscanf(part, "%d-%d", &first, &last); n == 1 {
			last = first
		}
		for ; first <= last; first++ {
			cpus = append(cpus, first)
		}
	}
	for _, cpu := range cpus {
		fd, _, errno := syscall.Syscall6(sysPerfEventOpen, uintptr(unsafe.Pointer(&attr)), anyProcess, uintptr(cpu), noGroup, closeOnExec, 0)
		runtime.KeepAlive(path)
		if errno != 0 {
			u.close()
			return nil, errno
		}
		u = append(u, int(fd))
	}
	return u, nil
}

func (u uprobe) count(t *testing.T) (n uint64) {
	for _, fd := range u {
		var b [8]byte
		_, err := syscall.Read(fd, b[:])
		check(t, err)
		n += binary.LittleEndian.Uint64(b[:])
	}
	return n
}

func (u uprobe) close() {
	for _, fd := range u {
		syscall.Close(fd)
	}
}

// A uprobe on a generated function, by the file and the symbol, counts every call; also while other code comes beside it, is replaced, and goes. Where
// the kernel permits none, the breakpoint of a debugger counts.
func TestUprobe(t *testing.T) {
	t.Parallel()
	// Beside the function others come, are replaced, and with the statements go.
	calls := "many(1000)\n"
	for i := range 20 {
		calls += fmt.Sprintf("fn beside(n)\n  return n + %d\nend\nbeside(1)\n", i)
	}
	calls += "many(234)\nprint 2\nload(2)\n"
	r := start(t, busy)
	u, err := newUprobe(r.file, symbolOffset(t, r.file, "often"))
	if err != nil {
		if os.Getuid() == 0 {
			t.Logf("no uprobes: %v; gdb counts", err)
		}
		out := gdb(t, []string{"break often", "ignore 1 100000", "run", "info breakpoints", "kill"}, calc(t, static, busy, calls)...)
		testenv.Expect(t, out, `already hit 1234 times`)
		return
	}
	defer u.close()
	tracer := exec.Command("bpftrace", "-e", fmt.Sprintf(`uprobe:%s:often { @calls = count(); } BEGIN { printf("ready\n"); }`, r.file))
	tracer.Env = testenv.ToolEnv(nil)
	testenv.Need(t, "bpftrace")
	said, err := tracer.StdoutPipe()
	check(t, err)
	check(t, tracer.Start())
	defer tracer.Process.Kill()
	lines := bufio.NewScanner(said)
	for lines.Scan() && lines.Text() != "ready" {
	}
	r.tell(calls)
	r.until("2")
	same(t, "calls counted", u.count(t), 1234)
	tracer.Process.Signal(os.Interrupt)
	var rest strings.Builder
	for lines.Scan() {
		fmt.Fprintln(&rest, lines.Text())
	}
	check(t, tracer.Wait())
	testenv.Expect(t, rest.String(), `^@calls: 1234$`)
}

// valgrind runs generated code, and memcheck has nothing to say of it. What it says of Go's runtime is as elsewhere.
func TestValgrind(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "valgrind")
	list, err := os.ReadFile("../debuggers/testdata/go.supp")
	check(t, err)
	supp := filepath.Join(t.TempDir(), "go.supp")
	check(t, os.WriteFile(supp, []byte(strings.ReplaceAll(string(list), "obj:*/debuggee-", "obj:*/calc-")), 0o644))
	out := run(t, exec.Command("valgrind", append([]string{"--undef-value-errors=no", "--suppressions=" + supp}, calc(t, static, areas)...)...))
	testenv.Expect(t, out, `^21$`, `^45$`, `^60$`, `^371$`)
	if regexp.MustCompile(`unhandled instruction|Assertion|Invalid|(?:at|by) 0x\w+: (?:square|area|statement_)|weld-live`).MatchString(out) {
		t.Errorf("valgrind: %s", out)
	}
}

// Cores have the names, lines and frames of generated functions: those that gdb writes, and those that the kernel does.
func TestCores(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "sh")
	frames := []string{`^#\d+ +(0x\w+ in )?spin \(\) at .*file0\.calc:1[345]$`, `^#\d+ .* in statement_2 \(\) at .*told\.calc:2$`, `weld/native\.`, `main\.\(\*calc\)\.run `, `main\.main `}
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	check(t, err)
	r := start(t, busy, "GOTRACEBACK=crash", "WELD_FILES="+t.TempDir())
	r.tell("print 2\nspin(1000000000000)\n")
	r.until("2")
	r.spins()
	core := filepath.Join(r.folder, "written")
	out := testenv.Tool(t, testenv.GDB(t, []string{"gcore " + core, "detach"}, "-p", r.pid()))
	testenv.Expect(t, out, `Saved corefile`)
	look := func(core string) {
		t.Helper()
		out := testenv.Tool(t, testenv.GDB(t, []string{"thread apply all bt", "info sharedlibrary", "disassemble spin,+4"}, r.cmd.Path, core))
		testenv.Expect(t, out, append(frames, `Yes +.*/weld-live\..*\.calc\.so$`, `<spin\+0>:\tpush +%rbp`)...)
	}
	look(core)
	var limit syscall.Rlimit
	check(t, syscall.Getrlimit(syscall.RLIMIT_CORE, &limit))
	if name := strings.TrimSpace(string(pattern)); strings.ContainsAny(name, "|%/") || os.Getuid() != 0 && limit.Max < 1<<30 {
		t.Logf("core_pattern is %q, the limit of the size of a core %d: the kernel's core would go elsewhere", name, limit.Max)
		return
	}
	most := syscall.Rlimit{Cur: ^uint64(0), Max: ^uint64(0)}
	if os.Getuid() != 0 {
		most = syscall.Rlimit{Cur: limit.Max, Max: limit.Max}
	}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(r.cmd.Process.Pid), syscall.RLIMIT_CORE, uintptr(unsafe.Pointer(&most)), 0, 0, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	check(t, r.cmd.Process.Signal(syscall.SIGABRT))
	for r.out.Scan() {
	}
	r.cmd.Wait()
	cores, _ := filepath.Glob(filepath.Join(r.folder, "core*"))
	if len(cores) != 1 {
		t.Fatalf("cores %q after %v, want one", cores, r.cmd.ProcessState)
	}
	look(cores[0])
}

// spins waits until the program has used processor time for a while.
func (r *running) spins() {
	r.t.Helper()
	used := func() int {
		b, err := os.ReadFile("/proc/" + r.pid() + "/stat")
		check(r.t, err)
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')'):]))
		n, err := strconv.Atoi(fields[12]) // utime
		check(r.t, err)
		return n
	}
	for from := used(); used() < from+10; {
		syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 10_000})
	}
}

// lldb too.
func TestLLDB(t *testing.T) {
	const stop = `stop reason = breakpoint \d+\.\d+( \d+\.\d+)*(.*\n).*frame #0: 0x\w+ `
	for _, c := range []struct {
		name, source   string
		commands, want []string
	}{
		{
			name: "by name and line", source: areas,
			commands: []string{"breakpoint set -r ^square$", "run", "bt", "next", "disassemble -n square -c 2", "finish", "continue", "breakpoint delete -f", "breakpoint set -r ^area$", "continue", "continue"},
			want: []string{`no locations \(pending\)`, stop + "weld-live\\.\\S*`square at file0\\.calc:2", "frame #1: .*`area at file0\\.calc:7", "frame #2: .*`statement_10 at file0\\.calc:10",
				"`weld/native\\.", "`main\\.main", `stop reason = step over`, `square at file0\.calc:3`, `push`, `stop reason = step out`, stop + ".*`square", stop + ".*`area at file0\\.calc:6"},
		},
		{
			name: "replaced", source: areas,
			commands: []string{"breakpoint set -r ^square$", "run", "continue", "continue", "continue", "bt 2"},
			want:     []string{stop + ".*`square at file0\\.calc:2", stop + ".*`square at file0\\.calc:2", stop + ".*`square at file0\\.calc:2", stop + ".*`square at file0\\.calc:17", "frame #1: .*`area"},
		},
		{
			name: "parts", source: many(),
			commands: []string{"breakpoint set -r ^new_5$", "breakpoint set -r ^old_7$", "run", "continue", "bt 2", "image lookup -s new_4", "continue"},
			want:     []string{stop + ".*`old_7 at file0\\.calc:30", stop + ".*`new_5 at ", "frame #1: .*`statement_", `\d symbols match 'new_4'`, "Summary: .*`new_4 at file0\\.calc:", stop + ".*`old_7 at file0\\.calc:6063"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			args := calc(t, static, c.source)
			out := run(t, testenv.LLDB(t, append(append([]string{"process handle SIGURG -n false -p true -s false"}, c.commands...), "kill"), append([]string{"--"}, args...)...))
			testenv.Expect(t, out, c.want...)
		})
	}
}
