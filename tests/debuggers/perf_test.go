package debuggers

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"weld/internal/testenv"
)

// perf returns a perf that keeps what it has seen of binaries in a folder of the test.
func perf(t testing.TB, d *testenv.Dir, args ...string) *exec.Cmd {
	t.Helper()
	testenv.Need(t, "perf")
	cmd := exec.Command("perf", append([]string{"--no-pager", "--buildid-dir", d.Join("buildid")}, args...)...)
	cmd.Dir = d.Path
	return cmd
}

// noPerf reports whether the kernel lets nobody but root count events: then it says so, and that is all.
func noPerf(t testing.TB, out string) bool {
	t.Helper()
	data, _ := os.ReadFile("/proc/sys/kernel/perf_event_paranoid")
	level, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err == nil && (level <= 2 || os.Getuid() == 0) {
		return false
	}
	testenv.Expect(t, out, `perf_event_paranoid`)
	return true
}

// A program that spends its time in a library.
func TestPerf(t *testing.T) {
	testenv.Need(t, "objdump")
	for _, way := range []string{static, stripped, dynamic} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			d, lib := fixture(t)
			out := testenv.Tool(t, perf(t, d, "record", "-e", "cpu-clock:u", "-F", "2000", "-o", "perf.data", debuggee(t, way), "open "+lib, "spin libshapes.so burn_cycles 300"))
			if noPerf(t, out) {
				return
			}
			testenv.Expect(t, out, `^spun \d+$`)
			testenv.Expect(t, testenv.Tool(t, perf(t, d, "report", "-i", "perf.data", "--stdio")), `^ +(100|[3-9]\d)\.\d+% .* libshapes\.so +\[\.\] burn_cycles`)
			testenv.Expect(t, testenv.Tool(t, perf(t, d, "annotate", "-i", "perf.data", "--stdio", "-s", "burn_cycles")), `Disassembly of libshapes\.so|libshapes\.so`, `<burn_cycles>:`,
				`x = x \* 33 \+ i;`)
		})
	}
}

// The mapping of a library from memory leads to no file. With the build-id in the record perf finds a copy of it.
func TestPerfMemory(t *testing.T) {
	t.Parallel()
	d := testenv.NewDir(t)
	lib := d.Shared("libshapes.so", "shapes.c", "-O0", "-Wl,--build-id")
	out := testenv.Tool(t, perf(t, d, "record", "--buildid-mmap", "-e", "cpu-clock:u", "-F", "2000", "-o", "perf.data", debuggee(t, static), "load "+lib,
		"spin libshapes.so burn_cycles 300"))
	if noPerf(t, out) {
		return
	}
	report := []string{"report", "-i", "perf.data", "--stdio"}
	testenv.Expect(t, testenv.Tool(t, perf(t, d, report...)), `memfd:libshapes\.so \(deleted\) +\[\.\] 0x`)
	testenv.Tool(t, perf(t, d, "buildid-cache", "--add", lib))
	testenv.Expect(t, testenv.Tool(t, perf(t, d, report...)), `^ +(100|[3-9]\d)\.\d+% .* memfd:libshapes\.so \(deleted\) +\[\.\] burn_cycles`)
}
