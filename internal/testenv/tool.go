package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Patience bounds what is waited for, such as each run of a debugger: many times what it takes on a busy machine.
const Patience = 3 * time.Minute

// ToolEnv completes the environment of a debugger or profiler and of what it starts; nil stands for that of the test. A thread
// that is preempted at a breakpoint comes by there twice, and not all debuggers are prepared for that.
func ToolEnv(env []string) []string {
	if env == nil {
		env = os.Environ()
	}
	return append(env, "LC_ALL=C", "DEBUGINFOD_URLS=", "TERM=dumb", "GODEBUG=asyncpreemptoff=1")
}

// Tool runs a debugger or profiler to its end, and returns what it and what it starts have written to standard output and error.
func Tool(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	return Begin(t, cmd)()
}

// Begin starts a debugger or profiler, and returns what waits for its end as [Tool] does.
func Begin(t testing.TB, cmd *exec.Cmd) (end func() string) {
	t.Helper()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Env = ToolEnv(cmd.Env)
	result := make(chan Result, 1)
	go func() { result <- Run(t, cmd, Patience) }()
	return func() string {
		t.Helper()
		if r := <-result; r.TimedOut {
			t.Fatalf("%v does not end:\n%s", cmd.Args, out.String())
		}
		return out.String()
	}
}

// GDB is gdb in batch mode, which does the commands one after the other, errors or not. It does not tell of threads that come
// and go: it writes its lines in pieces, and these while the program runs, whose own output would come to stand amid them.
func GDB(t testing.TB, commands []string, args ...string) *exec.Cmd {
	t.Helper()
	Need(t, "gdb")
	list := []string{"-nx", "-q", "-batch", "-iex", "set auto-load off", "-iex", "set width 0", "-iex", "set breakpoint pending on", "-iex", "set print thread-events off"}
	for _, c := range commands {
		list = append(list, "-ex", c)
	}
	return exec.Command("gdb", append(list, args...)...)
}

// LLDB is lldb in batch mode: version 19, which expectations are written for, or else the highest that there is. Go interrupts its
// threads by SIGURG, at which lldb stops if not told otherwise; [ToolEnv] tells Go to do without, because when one comes where a
// thread goes on from a breakpoint, lldb 19 stops there once more. What a program that lldb starts writes to standard output goes
// nowhere: lldb would pass it on at some later time.
func LLDB(t testing.TB, commands []string, args ...string) *exec.Cmd {
	t.Helper()
	program := "lldb"
	for n := 40; n >= 13; n-- {
		name := fmt.Sprintf("lldb-%d", n)
		if _, err := exec.LookPath(name); err == nil && (program == "lldb" || n == 19) {
			program = name
		}
	}
	Need(t, program)
	list := []string{"--no-lldbinit", "--batch", "-O", "settings set target.output-path /dev/null"}
	for _, c := range commands {
		list = append(list, "-o", c)
	}
	return exec.Command(program, append(list, args...)...)
}

// Expect checks that regular expressions match in an output, each behind the one before. Of a line ^ and $ are the ends.
func Expect(t testing.TB, out string, want ...string) {
	t.Helper()
	rest := out
	for _, w := range want {
		at := regexp.MustCompile("(?m)" + w).FindStringIndex(rest)
		if at == nil {
			t.Errorf("no %q in the rest of the output\n%s\nall of it:\n%s", w, rest, out)
			return
		}
		rest = rest[at[1]:]
	}
}
