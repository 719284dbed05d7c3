//go:build linux && amd64

package debug

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"weld/image/elf"
)

// A file of a process that is cut short while it is read is an error, and not the end of who watches the process.
func TestFileCutShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lib.so")
	if err := os.WriteFile(path, runtimeObject(), 0o600); err != nil {
		t.Fatal(err)
	}
	read := func(cut bool) (found map[string][]uint64, err error) {
		err = withFile(path, func(f *elf.File) error {
			if cut {
				if err := os.Truncate(path, 0); err != nil {
					return err
				}
			}
			found = probesOf(f, 0)
			return nil
		})
		return found, err
	}
	if found, err := read(false); err != nil || len(found) != int(numProbes) {
		t.Fatalf("%v, %v", found, err)
	}
	if _, err := read(true); !errors.Is(err, elf.ErrTruncated) {
		t.Errorf("%v, want %v", err, elf.ErrTruncated)
	}
	defer func() {
		if recover() != "on purpose" {
			t.Error("a panic that is none of a fault is caught")
		}
	}()
	if err := os.WriteFile(path, runtimeObject(), 0o600); err != nil {
		t.Fatal(err)
	}
	withFile(path, func(*elf.File) error { panic("on purpose") })
}
