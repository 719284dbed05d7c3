package link

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"weld/internal/testenv"
)

// debuggee is a program for debuggers and profilers: C++, with a template that is inlined and a function that takes its time.
const debuggee = `#include <cstdio>
#include <cstdlib>
struct point { int x, y; };
template <typename T> static inline __attribute__((always_inline)) T scale(T p, int by) {
  T result = {p.x * by, p.y * by};
  asm volatile("" : : "r"(&result) : "memory");
  return result; // stop here
}
__attribute__((noinline)) unsigned busy(unsigned n) {
  unsigned h = 1;
  for (unsigned i = 0; i < n; i++) h = h * 31 + (h >> 3);
  return h;
}
__attribute__((noipa)) int beyond(int *p) { return p[4]; }
int main(int argc, char **argv) {
  point p = scale(point{3, 4}, 10);
  int *volatile heap = (int *)std::malloc(4 * sizeof(int));
  int read = argc > 1 ? beyond(heap) : 0;
  std::printf("%d %u\n", p.x + p.y, busy(argc > 2 ? 100000000 : 1000) ? 1 : 0);
  std::free(heap);
  return read == 12345;
}
`

// TestTools has gdb, valgrind and perf work on what weld links: static and dynamic, with sections collected.
func TestTools(t *testing.T) {
	ld := testenv.ChildScript(t, "ld", "ld")
	for _, c := range []struct {
		name  string
		flags []string
	}{
		{"pie", nil},
		{"no-pie", []string{"-no-pie", "-Wl,--gc-sections", "-ffunction-sections"}},
		{"static", []string{"-static"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := testenv.NewDir(t)
			d.Write("debuggee.cc", debuggee)
			run := func(name string, args ...string) string {
				t.Helper()
				testenv.Need(t, name)
				cmd := exec.Command(name, args...)
				cmd.Dir = d.Path
				cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBUGINFOD_URLS=")
				r := testenv.Run(t, cmd, runLimit)
				return string(r.Stdout) + string(r.Stderr)
			}
			wants := func(out string, want ...string) {
				t.Helper()
				for _, w := range want {
					if !strings.Contains(out, w) {
						t.Errorf("it does not say %q:\n%s", w, out)
					}
				}
			}
			if out := run("g++", append([]string{"-g", "-O0", "-B", ld, "debuggee.cc", "-o", "debuggee"}, c.flags...)...); out != "" {
				t.Fatal(out)
			}
			wants(run("gdb", "-nx", "-batch", "-ex", "break debuggee.cc:7", "-ex", "run", "-ex", "print result", "-ex", "backtrace", "-ex", "up", "-ex", "info source", "./debuggee"),
				"debuggee.cc:7", "$1 = {x = 30, y = 40}", "scale<point> (", "main (argc=1", "Current source file is debuggee.cc")
			if c.name != "static" { // valgrind has no malloc to stand in for there
				wants(run("valgrind", "./debuggee", "x"), "Invalid read of size 4", "beyond(int*) (debuggee.cc:14)", "main (debuggee.cc:18)", "70 1")
			}
			run("perf", "record", "-q", "-e", "cpu-clock:u", "-F", "499", "-o", "data", "./debuggee", "x", "x")
			wants(run("perf", "report", "-i", "data", "--stdio", "--sort", "symbol"), "busy")
		})
	}
}
