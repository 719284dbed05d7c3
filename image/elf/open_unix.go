//go:build unix && !aix && !solaris && !illumos

package elf

import (
	"os"
	"syscall"
)

const openFlags = os.O_RDONLY | syscall.O_NONBLOCK

// mapFile maps size bytes of file, read-only and private.
func mapFile(_ string, file *os.File, size int64) ([]byte, func() error, error) {
	data, err := syscall.Mmap(int(file.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err != nil {
		return nil, nil, &os.PathError{Op: "mmap", Path: file.Name(), Err: err}
	}
	return data, func() error { return syscall.Munmap(data) }, nil
}
