package link

import (
	"os"
	"syscall"
)

// reserve has the file system set size bytes aside for f.
func reserve(f *os.File, size int64) error {
	err := syscall.Fallocate(int(f.Fd()), 0, 0, size)
	for err == syscall.EINTR {
		err = syscall.Fallocate(int(f.Fd()), 0, 0, size)
	}
	if err == syscall.EOPNOTSUPP || err == syscall.ENOSYS {
		return errNoReserve
	}
	return err
}
