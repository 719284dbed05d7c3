package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
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
		stop := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
		for range 500 {
			maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", cmd.Process.Pid))
			if err != nil || strings.Contains(string(maps), "libc.so.6") {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(200 * time.Millisecond) // the call is a moment later
		cmd.Process.Signal(sig)
		cmd.Wait()
		stop.Stop()
		if s := cmd.ProcessState.Sys().(syscall.WaitStatus); !s.Signaled() || s.Signal() != sig || out.Len() > 0 {
			t.Errorf("after %v: %v\n%s", sig, cmd.ProcessState, &out)
		}
	}
}
