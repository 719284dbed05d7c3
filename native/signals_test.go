package native

import (
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

func BenchmarkSignalTable(b *testing.B) {
	for b.Loop() {
		signalTable()
	}
}
