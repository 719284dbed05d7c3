package native

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"
)

// TestSignalTable looks at the runtime's table of signals, which a Program changes (keepBlocked).
func TestSignalTable(t *testing.T) {
	table := signalTable()
	if table == nil {
		t.Fatal("the runtime's table of signals is not where it was in other versions of Go")
	}
	// runtime/runtime2.go
	const sigNotify, sigKill, sigThrow, sigUnblock = 1, 2, 4, 128
	for sig, want := range map[syscall.Signal]int32{
		syscall.SIGTERM: sigNotify + sigKill, syscall.SIGABRT: sigNotify + sigThrow, syscall.SIGPROF: sigNotify + sigUnblock,
		syscall.SIGUSR1: sigNotify, syscall.SIGKILL: 0,
	} {
		if got := table[sig].flags; got != want {
			t.Errorf("%v (%s): flags %#x, want %#x", sig, table[sig].name, got, want)
		}
	}
}

// TestWillHandle has a signal pending that is blocked: for that thread nobody is to wait (blockOthers).
func TestWillHandle(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const bit = 1 << (syscall.SIGCHLD - 1)
	var mask uint64
	sigprocmask(nil, &mask)
	blocked := mask | bit
	sigprocmask(&blocked, nil)
	defer sigprocmask(&mask, nil)
	sets := func() (pending, blocked uint64) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/status", syscall.Gettid()))
		if err != nil {
			t.Fatal(err)
		}
		return signalSet(string(status), "SigPnd"), signalSet(string(status), "SigBlk")
	}
	if p, b := sets(); p&bit != 0 || b != blocked {
		t.Errorf("pending %#x, blocked %#x, want %#x", p, b, blocked)
	}
	if err := syscall.Tgkill(syscall.Getpid(), syscall.Gettid(), syscall.SIGCHLD); err != nil {
		t.Fatal(err)
	}
	if p, b := sets(); p&bit == 0 || b != blocked {
		t.Errorf("pending %#x with SIGCHLD, blocked %#x, want %#x", p, b, blocked)
	}
	if willHandle(syscall.Gettid()) {
		t.Error("what blocks a signal would handle it")
	}
}

func BenchmarkSignalTable(b *testing.B) {
	for b.Loop() {
		signalTable()
	}
}
