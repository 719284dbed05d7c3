package main

import (
	"errors"
	"os"
	"syscall"

	"weld/internal/cproto"
)

// memoryReader reads memory of this process that a C function has pointed to, without a fault where there is none: the
// kernel copies it to a pipe, and says EFAULT.
type memoryReader struct{ r, w *os.File }

func newMemoryReader() (*memoryReader, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	return &memoryReader{r, w}, nil
}

func (m *memoryReader) Close() error { return errors.Join(m.r.Close(), m.w.Close()) }

// read is a cproto.Memory. A pipe has room for a page at the least.
func (m *memoryReader) read(addr uintptr, p []byte) int {
	done := 0
	for done < len(p) {
		part := min(len(p)-done, 4096-int(addr+uintptr(done))&4095)
		n := 0
		conn, err := m.w.SyscallConn()
		if err != nil {
			return done
		}
		if err := conn.Write(func(fd uintptr) bool {
			u, _, errno := syscall.Syscall(syscall.SYS_WRITE, fd, addr+uintptr(done), uintptr(part))
			if errno == 0 {
				n = int(u)
			}
			return errno != syscall.EAGAIN && errno != syscall.EINTR
		}); err != nil || n == 0 {
			return done
		}
		if _, err := m.r.Read(p[done : done+n]); err != nil {
			return done
		}
		done += n
	}
	return done
}

var _ cproto.Memory = (*memoryReader)(nil).read
