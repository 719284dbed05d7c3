package debuggers

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"weld/internal/testenv"
)

// A miSession is a gdb that an editor talks to.
type miSession struct {
	t     testing.TB
	in    io.Writer
	lines chan string
	log   []string // all that it has said
	token int
}

func startMI(t testing.TB, program string, args ...string) *miSession {
	t.Helper()
	testenv.Need(t, "gdb")
	cmd := exec.Command("gdb", append([]string{"-nx", "-q", "--interpreter=mi3", "-iex", "set auto-load off", "--args", program}, args...)...)
	cmd.Env = testenv.ToolEnv(nil)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
	})
	m := &miSession{t: t, in: in, lines: make(chan string, 1000)}
	go func() {
		defer close(m.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			m.lines <- s.Text()
		}
	}()
	return m
}

// until returns the first line from now on that a regular expression matches.
func (m *miSession) until(re string) string {
	m.t.Helper()
	match := regexp.MustCompile(re)
	timeout := time.After(testenv.Patience)
	for {
		select {
		case l, ok := <-m.lines:
			if !ok {
				m.t.Fatalf("gdb has ended before %q:\n%s", re, strings.Join(m.log, "\n"))
			}
			m.log = append(m.log, l)
			if match.MatchString(l) {
				return l
			}
		case <-timeout:
			m.t.Fatalf("gdb does not say %q:\n%s", re, strings.Join(m.log, "\n"))
		}
	}
}

// do gives a command and returns the result record.
func (m *miSession) do(format string, args ...any) string {
	m.t.Helper()
	m.token++
	fmt.Fprintf(m.in, "%d"+format+"\n", append([]any{m.token}, args...)...)
	l := m.until(fmt.Sprintf(`^%d\^`, m.token))
	if strings.HasPrefix(l, fmt.Sprintf("%d^error", m.token)) {
		m.t.Errorf(format+": %s", append(args, l)...)
	}
	return l
}

func TestGDBMI(t *testing.T) {
	for _, way := range []string{static, dynamic} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			_, lib := fixture(t)
			m := startMI(t, debuggee(t, way), "open "+lib, "call libshapes.so add_numbers 40 2", "close libshapes.so", "mark closed", "ns one "+lib,
				"call libshapes.so twice 3")
			testenv.Expect(t, m.do("-break-insert -f add_numbers"), `pending="add_numbers"`)
			testenv.Expect(t, m.do("-break-insert -f shapes.c:%d", line(t, "shapes.c", "return doubled;")), `pending=`)
			m.do("-break-insert main.marked")
			m.do("-break-insert main.end")
			m.do("-inferior-tty-set /dev/null") // not amid the records
			m.do("-exec-run")
			loaded := `^=library-loaded,id=".*/libshapes\.so",target-name=".*/libshapes\.so"`
			m.until(loaded)
			m.until(`^=breakpoint-modified,bkpt={number="1".*func="add_numbers"`)
			testenv.Expect(t, m.until(`^\*stopped`), `reason="breakpoint-hit".*func="add_numbers",args=\[{name="a",value="40"},{name="b",value="2"}\],file=".*/shapes\.c"`)
			testenv.Expect(t, m.do("-stack-list-frames 0 1"), `level="0".*func="add_numbers".*level="1".*func="`+gate+`"`)
			m.do("-exec-next")
			m.until(`^\*stopped,reason="end-stepping-range"`)
			testenv.Expect(t, m.do("-stack-list-variables --simple-values"), `{name="sum",type="int",value="42"}`)
			testenv.Expect(t, m.do("-var-create counter_var * counter"), `value="5",type="int"`)
			testenv.Expect(t, m.do("-thread-info"), `target-id="Thread .*func="weld/native\.park"`)
			m.do("-exec-continue")
			testenv.Expect(t, m.until(`^\*stopped`), `func="twice",args=\[{name="n",value="42"}\]`)
			testenv.Expect(t, m.do("-var-update --all-values counter_var"), `value="47"`)
			m.do("-exec-finish")
			testenv.Expect(t, m.until(`^\*stopped`), `reason="function-finished".*func="add_numbers".*return-value="84"`)
			m.do("-exec-continue")
			m.until(`^=library-unloaded,id=".*/libshapes\.so"`)
			testenv.Expect(t, m.until(`^\*stopped`), `func="main\.marked"`)
			m.do("-exec-continue")
			m.until(loaded)
			testenv.Expect(t, m.until(`^\*stopped`), `func="twice",args=\[{name="n",value="3"}\]`)
			m.do("-exec-continue")
			testenv.Expect(t, m.until(`^\*stopped`), `func="main\.end"`)
			m.do("-gdb-exit")
		})
	}
}
