package live_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"weld/internal/testenv"
)

// many is a program of more functions than a debugger is shown at once, some of which are defined one by one, and some anew.
func many() string {
	var s strings.Builder
	fn := func(name string, n int) { fmt.Fprintf(&s, "fn %s(x)\n  y = x + %d\n  return y\nend\n", name, n) }
	for i := range 1500 {
		fn(fmt.Sprint("old_", i), i)
	}
	fmt.Fprintf(&s, "print old_7(1)\n")
	for i := range 12 {
		fn(fmt.Sprint("new_", i), i)
		fmt.Fprintf(&s, "print new_%d(100)\n", i)
	}
	fn("old_7", 5000)
	fn("new_3", 6000)
	fmt.Fprintf(&s, "print old_7(1)\nprint new_3(1)\n")
	return s.String()
}

// What has many functions gdb is shown in parts; nothing else is different: breakpoints by name, before the function is there
// or is replaced, lines, frames, and each name once.
func TestGDBParts(t *testing.T) {
	const hit = `hit (Temporary )?[Bb]reakpoint \d+(\.\d+)?, `
	t.Parallel()
	out := gdb(t, []string{"break old_7", "break new_3", "tbreak new_11", "run", "bt 1", "next", "next", "continue", "bt", "info breakpoints", "continue",
		"info functions ^new_", "info symbol old_1499", "info line new_10", "info sharedlibrary calc", "continue", "bt 1", "continue", "info symbol $pc", "delete", "continue"},
		calc(t, static, many())...)
	testenv.Expect(t, out, `Breakpoint 1 \(old_7\) pending`, hit+`old_7 \(\) at .*/file0\.calc:30$`, `^#0  old_7 \(\) at .*:30$`, `^31\t  return y$`, `^8$`,
		hit+`new_3 \(\) at `, `^#0  new_3 \(\)`, `^#1 .* in statement_\d+ \(\)`, `^#\d+ .* weld/native\.`, `^#\d+ .* main\.main `,
		`^1 .* in old_7 at .*:30$`, `^103$`, hit+`new_11 \(\) at `, `new_0`, `new_11`, `^old_1499 in section \.text of .*weld-live\.`,
		`^Line \d+ of ".*file0\.calc" starts at address 0x\w+ <new_10>`, hit+`old_7 \(\) at .*:6063$`, `^#0  old_7 \(\)`, `^5001$`, hit+`new_3 \(\)`, `^new_3 \+ \d+ in section \.text of`, `^6001$`)
	if n := len(regexp.MustCompile(`(?m)^\d+:\t.*\bnew_\d+\(`).FindAllString(out, -1)); n != 12 {
		t.Errorf("%d functions are listed", n)
	}
	if n := strings.Count(out, "weld-live."); n < 6 {
		t.Errorf("it was not shown in parts:\n%s", out)
	}
	if regexp.MustCompile(`SIGTRAP|SIGSEGV|SIGILL|internal-error|Corrupted|warning: (?:.*overlap|.*section)`).MatchString(out) {
		t.Errorf("gdb is confused:\n%s", out)
	}
}

// When the debugger has gone the object is shown as itself, and the files of the parts go. What the program prints would stand
// amid what gdb says of the end: the program goes on meanwhile.
func TestPartsEnd(t *testing.T) {
	t.Parallel()
	args := calc(t, static, many())
	cmd := testenv.GDB(t, []string{"tty /dev/null", "tbreak new_9", "run", "info sharedlibrary calc", "detach"}, append([]string{"--args"}, args...)...)
	dir := t.TempDir()
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
	out := testenv.Tool(t, cmd)
	testenv.Expect(t, out, `new_9 \(\) at `, `weld-live\..*\n.*weld-live\.`, `^\[Inferior 1 \(process \d+\) detached\]`)
	// It is in a session of its own, and goes on to its end.
	pid := regexp.MustCompile(`process (\d+)\) detached`).FindStringSubmatch(out)
	for end := time.Now().Add(testenv.Patience); pid != nil && time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, err := os.Stat("/proc/" + pid[1] + "/exe"); err != nil {
			break
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "weld", "*"))
	check(t, err)
	if len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
