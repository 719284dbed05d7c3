package link

import (
	"os"
	"syscall"
)

// reserve has the file system set size bytes aside for f, if it can: a full disk is an error at once, and writing is faster.
func reserve(f *os.File, size int64) error {
	err := syscall.Fallocate(int(f.Fd()), 0, 0, size)
	for err == syscall.EINTR {
		err = syscall.Fallocate(int(f.Fd()), 0, 0, size)
	}
	if err == syscall.EOPNOTSUPP || err == syscall.ENOSYS {
		return nil // it is found when the file is written
	}
	return err
}
