package search

import (
	"io/fs"
	"os"
	"syscall"
	"time"

	"weld/internal/rawfile"
)

// FS is a view of a file system with the paths of the operating system. Errors should be (errors.Is) fs.ErrNotExist
// and fs.ErrPermission where they apply. Implementations must allow concurrent calls.
type FS interface {
	Stat(path string) (fs.FileInfo, error)  // follows symbolic links
	Lstat(path string) (fs.FileInfo, error) // does not
	ReadFile(path string) ([]byte, error)   // what it returns is the caller's

	// Map is ReadFile for a file of which little is needed, and that is not changed in place: what it returns is valid
	// until unmap, which may be nil, is called.
	Map(path string) (data []byte, unmap func(), err error)
}

// maxFile bounds what is read of a cache, path or linker file, in bytes. Real ones have less than a mebibyte.
const maxFile = 32 << 20

type osFS struct{}

func (osFS) Stat(path string) (fs.FileInfo, error)  { return os.Stat(path) }
func (osFS) Lstat(path string) (fs.FileInfo, error) { return os.Lstat(path) }

// ReadFile reads a regular file of at most maxFile bytes.
func (osFS) ReadFile(path string) ([]byte, error) {
	// Opening a FIFO would block until there is a writer.
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	} else if !fi.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errNotRegular}
	}
	if fi.Size() > maxFile {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errTooLarge}
	}
	return rawfile.ReadFile(path)
}

// Map maps a regular file of at most maxFile bytes.
func (osFS) Map(path string) (data []byte, unmap func(), err error) {
	fd, err := rawfile.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer syscall.Close(fd)
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return nil, nil, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	switch {
	case st.Mode&syscall.S_IFMT != syscall.S_IFREG:
		return nil, nil, &fs.PathError{Op: "read", Path: path, Err: errNotRegular}
	case st.Size > maxFile:
		return nil, nil, &fs.PathError{Op: "read", Path: path, Err: errTooLarge}
	case st.Size == 0:
		return nil, nil, nil
	}
	if data, err = syscall.Mmap(fd, 0, int(st.Size), syscall.PROT_READ, syscall.MAP_PRIVATE); err != nil {
		return nil, nil, &fs.PathError{Op: "mmap", Path: path, Err: err}
	}
	return data, func() { syscall.Munmap(data) }, nil
}

// settled is how old a change must be before an unchanged time stamp is believed: file systems stamp with the kernel's
// tick, so two changes within one tick look alike.
const settled = 100 * time.Millisecond

// unchanged reports whether the file seen as old, at the time seen, is the same and untouched as now.
func unchanged(old, now fs.FileInfo, seen time.Time) bool {
	return os.SameFile(old, now) && old.Size() == now.Size() && old.ModTime().Equal(now.ModTime()) &&
		seen.Sub(old.ModTime()) > settled
}

// notDirectory is the error for a directory that is none.
func notDirectory(path string, err error) error {
	if err == nil {
		return &fs.PathError{Op: "stat", Path: path, Err: errNotDir}
	}
	return err
}
