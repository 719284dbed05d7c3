package link

import (
	"os"
	"syscall"
)

// tmpfsMagic is f_type of a file system in memory: TMPFS_MAGIC of <linux/magic.h>.
const tmpfsMagic = 0x01021994

// reserve has the file system set size bytes aside for f, if it can: a full disk is an error at once, and writing is faster.
func reserve(f *os.File, size int64) error {
	var fs syscall.Statfs_t
	if err := syscall.Fstatfs(int(f.Fd()), &fs); err == nil && fs.Type == tmpfsMagic {
		return nil // there it would take the memory and clear it, all on one thread
	}
	err := syscall.Fallocate(int(f.Fd()), 0, 0, size)
	for err == syscall.EINTR {
		err = syscall.Fallocate(int(f.Fd()), 0, 0, size)
	}
	if err == syscall.EOPNOTSUPP || err == syscall.ENOSYS {
		return nil // it is found when the file is written
	}
	return err
}
