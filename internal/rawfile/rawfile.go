// Package rawfile reads files with system calls alone. Package os has the runtime's poller watch what it opens, which
// costs as much again, and leaves the poller's own descriptors open in the process: a program that weld runs would find
// them there, and could close them.
package rawfile

import (
	"io"
	"io/fs"
	"syscall"
)

// Open opens a file for reading, close-on-exec, and returns its descriptor. It does not wait on a FIFO. The error is an
// *fs.PathError.
func Open(name string) (int, error) {
	for {
		fd, err := syscall.Open(name, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
		if err == nil {
			return fd, nil
		}
		if err != syscall.EINTR {
			return -1, &fs.PathError{Op: "open", Path: name, Err: err}
		}
	}
}

// ReadFile returns what is in a file. The error is an *fs.PathError.
func ReadFile(name string) ([]byte, error) {
	fd, err := Open(name)
	if err != nil {
		return nil, err
	}
	defer syscall.Close(fd)
	size := 0
	var st syscall.Stat_t
	if syscall.Fstat(fd, &st) == nil {
		size = int(min(max(st.Size, 0), 1<<30)) // files of /proc have none
	}
	b := make([]byte, 0, size+512)
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := syscall.Read(fd, b[len(b):cap(b)])
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return nil, &fs.PathError{Op: "read", Path: name, Err: err}
		case n == 0:
			return b, nil
		default:
			b = b[:len(b)+n]
		}
	}
}

// Descriptor is an io.ReaderAt of an open file.
type Descriptor int

func (d Descriptor) ReadAt(b []byte, off int64) (int, error) {
	for {
		n, err := syscall.Pread(int(d), b, off)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return 0, err
		case n < len(b):
			return n, io.EOF
		}
		return n, nil
	}
}
