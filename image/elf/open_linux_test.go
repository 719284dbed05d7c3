package elf

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
)

// TestOpenFIFO opens a FIFO that nobody writes to.
func TestOpenFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); !errors.Is(err, ErrNotRegular) {
		t.Error(err)
	}
}
