package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"weld/internal/testenv"
)

// TestSignal ends the command while a C function blocks: at once, and as the signal's default action does.
func TestSignal(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		var out strings.Builder
		cmd := &exec.Cmd{
			Path: self, Args: []string{"weld", "call", "libc.so.6", "unsigned sleep(unsigned)", "100"}, // see TestMain
			Stdout: &out, Stderr: &out,
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stop := time.AfterFunc(testenv.Patience, func() { cmd.Process.Kill() })
		sleeping := func() bool {
			calls, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", cmd.Process.Pid))
			return slices.ContainsFunc(calls, func(path string) bool {
				call, _ := os.ReadFile(path) // 230 is clock_nanosleep
				return regexp.MustCompile(`^230 0x0 `).Match(call)
			})
		}
		for end := time.Now().Add(testenv.Patience); !sleeping(); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				cmd.Process.Kill()
				t.Fatalf("the function does not come to sleep: %v\n%s", cmd.Wait(), &out)
			}
		}
		cmd.Process.Signal(sig)
		cmd.Wait()
		stop.Stop()
		if s := cmd.ProcessState.Sys().(syscall.WaitStatus); !s.Signaled() || s.Signal() != sig || out.Len() > 0 {
			t.Errorf("after %v: %v\n%s", sig, cmd.ProcessState, &out)
		}
	}
}
