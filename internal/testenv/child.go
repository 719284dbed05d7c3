package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// childEnv names the environment variable that makes the test binary a child.
const childEnv = "WELD_TEST_CHILD"

var children = map[string]func(args []string){}

// Child registers a function that a process of its own can run: the test binary
// started again by ChildCommand. It is called from an init function.
func Child(name string, fn func(args []string)) {
	if children[name] != nil {
		panic("testenv: two children are named " + name)
	}
	children[name] = fn
}

// Main is the body of TestMain: it runs the child that this process is to be,
// or else the tests, and does not return.
func Main(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		fn := children[name]
		if fn == nil {
			fmt.Fprintln(os.Stderr, "testenv: no child named", name)
			os.Exit(2)
		}
		os.Unsetenv(childEnv)
		fn(os.Args[1:])
		os.Exit(0)
	}
	if name, value, ok := strings.Cut(raceEnv, "="); ok {
		os.Setenv(name, value)
	}
	code := m.Run()
	Clean()
	os.Exit(code)
}

// Clean removes what the tests have left: for a TestMain that does not end in Main.
func Clean() {
	if dir, err := runDir(); err == nil {
		os.RemoveAll(dir)
	}
}

// ChildCommand returns a command that runs the registered child in a new
// process. The environment is the caller's own and can be changed before Run.
func ChildCommand(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	if children[name] == nil {
		t.Fatalf("no child named %s is registered", name)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	return cmd
}

// ChildScript writes a program of the given name into a new folder, which runs the registered child, and returns the folder: for
// gcc -B and the like, which start a program by its name.
func ChildScript(t testing.TB, program, child string) (dir string) {
	t.Helper()
	cmd := ChildCommand(t, child)
	dir = t.TempDir()
	script := "#!/bin/sh\nexec env " + childEnv + "=" + child + " '" + cmd.Path + "' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, program), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A Result is what became of a process.
type Result struct {
	Stdout, Stderr []byte
	Code           int            // exit status, -1 if it did not exit by itself
	Signal         syscall.Signal // what ended it, or 0
	TimedOut       bool
}

// String says in words how the process ended.
func (r Result) String() string {
	switch {
	case r.TimedOut:
		return "timed out"
	case r.Signal != 0:
		return "killed by " + r.Signal.String()
	default:
		return fmt.Sprintf("exit status %d", r.Code)
	}
}

// Run runs cmd to its end, at most for the given time, and kills the whole
// process group then. Standard output and error are collected unless cmd has
// its own. It fails the test only if the process could not be started.
func Run(t testing.TB, cmd *exec.Cmd, timeout time.Duration) Result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &stderr
	}
	if raceEnv != "" {
		cmd.Env = append(cmd.Environ(), raceEnv)
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	// A grandchild that keeps the pipes open must not keep Wait from returning.
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Errorf("start of %s: %v", cmd.Path, err)
		return Result{Code: -1}
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	err := cmd.Wait()
	r := Result{TimedOut: !stop(), Code: cmd.ProcessState.ExitCode()}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		t.Errorf("%s: %v", cmd.Path, err)
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		r.Signal = ws.Signal()
	}
	// Children of the process that outlived it.
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	r.Stdout, r.Stderr = stdout.Bytes(), stderr.Bytes()
	return r
}
