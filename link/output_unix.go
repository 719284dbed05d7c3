//go:build unix

package link

import (
	"os"
	"syscall"
)

// mapOutput makes f size bytes long and maps it. A file system without room for it is an error here, not a signal when the
// mapping is written to.
func mapOutput(f *os.File, size int) ([]byte, func() error, error) {
	if err := reserve(f, int64(size)); err != nil {
		if err != errNoReserve {
			return nil, nil, err
		}
		return bufferOutput(f, size)
	}
	data, err := syscall.Mmap(int(f.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return bufferOutput(f, size)
	}
	return data, func() error { return os.NewSyscallError("munmap", syscall.Munmap(data)) }, nil
}
