package run_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"weld/internal/testenv"
)

// runTable runs the cases of a table as parallel subtests.
func runTable(t *testing.T, cases []Case) {
	t.Helper()
	names := map[string]bool{}
	for _, c := range cases {
		if names[c.Name] {
			t.Fatalf("two cases are named %s", c.Name)
		}
		names[c.Name] = true
		if c.Slow && testing.Short() {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			c.judge(t)
		})
	}
}

// judge runs the case natively, checks that it did what it is meant to, runs it under weld and compares.
func (c *Case) judge(t *testing.T) {
	need(t, c.Needs...)
	prefix := weldPrefix(t)
	fixtures := c.compileFixtures(t)
	// Both runs have the same folder, so that no path has to be taken out of what they print. It is
	// not the test's own temporary folder, which other users cannot enter.
	dir := filepath.Join(testenv.RunDir(t), strings.NewReplacer("/", "-").Replace(strings.TrimPrefix(t.Name(), "Test")))
	t.Cleanup(func() { os.RemoveAll(dir) })

	c.fill(t, dir, fixtures)
	want := c.run(t, dir, nil)
	c.expect(t, want)
	if t.Failed() {
		t.FailNow()
	}
	t.Logf("natively: %s\nstdout:\n%s\nstderr:\n%s", want.end, clip(want.stdout), clip(want.stderr))
	c.fill(t, dir, fixtures)
	got := c.run(t, dir, prefix)
	compare(t, want, got)
}

// An outcome is all that is compared of a run.
type outcome struct {
	stdout, stderr string // normalised
	end            string // in words: exit status, death by signal
	files          string // one line for each file left in the folder
}

// run runs the case in its folder, with prefix in front of the program.
func (c *Case) run(t *testing.T, dir string, prefix []string) outcome {
	t.Helper()
	defer sweep(dir)
	var o outcome
	switch {
	case c.Session != nil:
		o = c.converse(t, dir, prefix)
	case c.Dialog != nil:
		o = c.typeAt(t, dir, prefix)
	default:
		cmd := c.command(dir, prefix, c.Argv)
		if c.Stdin != "" {
			cmd.Stdin = strings.NewReader(strings.ReplaceAll(c.Stdin, "{dir}", dir))
		}
		r := testenv.Run(t, cmd, c.timeout())
		o = outcome{stdout: string(r.Stdout), stderr: string(r.Stderr), end: r.String()}
	}
	for _, n := range c.Normal {
		o.stdout, o.stderr = n(o.stdout), n(o.stderr)
	}
	o.files = c.snapshot(t, dir)
	return o
}

func (c *Case) timeout() time.Duration { return testenv.Patience }

// command returns the process for argv with its words expanded, in the case's folder and environment
// and as its user.
func (c *Case) command(dir string, prefix, argv []string) *exec.Cmd {
	argv = expand(argv, dir, prefix)
	cmd := &exec.Cmd{Args: argv, Dir: dir, Env: baseEnv(dir)}
	for _, e := range c.Env {
		e = strings.ReplaceAll(e, "{dir}", dir)
		cmd.Env = append(cmd.Env, strings.ReplaceAll(e, "{run}", strings.Join(prefix, " ")))
	}
	cmd.Path = lookPath(argv[0], cmd.Env)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if c.asUser() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: userID, Gid: userID}
	}
	return cmd
}

// lookPath finds a program in the last PATH of an environment, as a shell with that environment would.
func lookPath(name string, env []string) string {
	if strings.Contains(name, "/") {
		return name
	}
	for _, e := range slices.Backward(env) {
		list, ok := strings.CutPrefix(e, "PATH=")
		if !ok {
			continue
		}
		for _, d := range filepath.SplitList(list) {
			if info, err := os.Stat(filepath.Join(d, name)); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return filepath.Join(d, name)
			}
		}
		break
	}
	return name
}

// expand puts prefix where argv says {run}, or in front, and dir where it says {dir}.
func expand(argv []string, dir string, prefix []string) []string {
	if !slices.Contains(argv, "{run}") {
		argv = append([]string{"{run}"}, argv...)
	}
	var out []string
	for _, a := range argv {
		if a == "{run}" {
			out = append(out, prefix...)
		} else {
			out = append(out, strings.ReplaceAll(a, "{dir}", dir))
		}
	}
	return out
}

// expect checks a native run against what the case says of it.
func (c *Case) expect(t *testing.T, o outcome) {
	t.Helper()
	end := testenv.Result{Code: c.Status, Signal: c.Signal}.String()
	if o.end != end || !strings.Contains(o.stdout+o.stderr, c.Want) {
		t.Errorf("natively: %s, want %s and %q in the output\nstdout:\n%s\nstderr:\n%s", o.end, end, c.Want, clip(o.stdout), clip(o.stderr))
	}
	if c.Leaves != "" && !strings.Contains(o.files, " "+c.Leaves+"\n") {
		t.Errorf("natively: %s is not left:\n%s", c.Leaves, o.files)
	}
	if c.Want == "" && c.Leaves == "" && c.Status == 0 && c.Signal == 0 {
		t.Errorf("nothing is expected of the native run: the case shows nothing")
	}
}

// compare reports each difference of a run under weld from the native one.
func compare(t *testing.T, want, got outcome) {
	t.Helper()
	if got.end != want.end {
		t.Errorf("%s, natively %s", got.end, want.end)
	}
	for _, s := range []struct{ name, want, got string }{
		{"standard output", want.stdout, got.stdout},
		{"standard error", want.stderr, got.stderr},
		{"files", want.files, got.files},
	} {
		if s.got != s.want {
			t.Errorf("%s differs:\n%s", s.name, difference(s.want, s.got))
		}
	}
}

// difference shows the lines around the first one that differs: "-" native, "+" under weld.
func difference(want, got string) string {
	const context, most = 3, 20
	a, b := strings.SplitAfter(want, "\n"), strings.SplitAfter(got, "\n")
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	end := func(lines []string) int { return min(len(lines), n+most) }
	var out strings.Builder
	fmt.Fprintf(&out, "first at line %d of %d natively, %d under weld\n", n+1, len(a), len(b))
	for _, l := range a[max(0, n-context):n] {
		fmt.Fprintf(&out, "  %q\n", clip(l))
	}
	for _, l := range a[min(n, len(a)):end(a)] {
		fmt.Fprintf(&out, "- %q\n", clip(l))
	}
	for _, l := range b[min(n, len(b)):end(b)] {
		fmt.Fprintf(&out, "+ %q\n", clip(l))
	}
	return out.String()
}

// clip shortens what is too long to be read.
func clip(s string) string {
	const most = 4000
	if len(s) <= most {
		return s
	}
	return s[:most/2] + fmt.Sprintf(" [... %d bytes ...] ", len(s)-most) + s[len(s)-most/2:]
}

// snapshot describes the files in dir, a line each: mode, size, digest, name.
func (c *Case) snapshot(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if c.ignores(name) {
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&out, "%v %8d %.6x %s\n", info.Mode(), len(data), sha256.Sum256(data), name)
		case info.Mode()&os.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&out, "%v %s -> %s\n", info.Mode(), name, target)
		default:
			fmt.Fprintf(&out, "%v %s\n", info.Mode(), name)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return out.String()
}

func (c *Case) ignores(name string) bool {
	for _, p := range c.Ignore {
		if folder, ok := strings.CutSuffix(p, "/"); ok && (name == folder || strings.HasPrefix(name, p)) {
			return true
		}
		if ok, _ := filepath.Match(p, name); ok {
			return true
		}
	}
	return false
}

// sweep kills the processes of the case that have left its process group and outlived it. They are
// known by the HOME they inherited, which is the case's folder.
func sweep(dir string) {
	procs, _ := filepath.Glob("/proc/[0-9]*")
	home := []byte("HOME=" + dir + "\x00")
	for _, p := range procs {
		env, err := os.ReadFile(p + "/environ")
		if err != nil || !bytes.Contains(env, home) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(p)); err == nil {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}
