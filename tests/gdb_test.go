package tests

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"weld/internal/testenv"
)

// An unmodified gdb sees what a static binary loads: a breakpoint that was pending is set and hit, the library is listed,
// and the line and arguments of the fixture are shown.
func TestGDB(t *testing.T) {
	testenv.Need(t, "gdb")
	d := testenv.NewDir(t)
	lib := d.Shared("libadd.so", d.Write("add.c", "int add_numbers(int a, int b)\n{\n\treturn a + b;\n}\n"), "-g", "-O0")
	weld := testenv.GoProgram(t, "weld/cmd/weld")
	cmd := exec.Command("gdb", "-nx", "-q", "-batch", "-iex", "set auto-load off", "-ex", "set breakpoint pending on",
		"-ex", "break add_numbers", "-ex", "run", "-ex", "bt 1", "-ex", "info sharedlibrary", "-ex", "continue",
		"--args", weld, "call", lib, "int add_numbers(int, int)", "40", "2")
	r := testenv.Run(t, cmd, time.Minute)
	out := string(r.Stdout)
	for _, want := range []string{"hit Breakpoint 1", "add_numbers (a=40, b=2)", "add.c:3", lib, "42", "exited normally"} {
		if !strings.Contains(out, want) {
			t.Errorf("gdb does not say %q:\n%s%s", want, out, r.Stderr)
		}
	}
}
