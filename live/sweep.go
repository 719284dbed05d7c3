package live

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

var swept struct {
	sync.Mutex
	dirs map[string]bool
}

// young is how long a file is left alone: one that has just been made is not locked yet.
const young = 2 * time.Second

// sweep removes the files of processes that have ended without closing their objects, once for each folder.
func sweep(dir string) {
	swept.Lock()
	defer swept.Unlock()
	if swept.dirs[dir] {
		return
	}
	if swept.dirs == nil {
		swept.dirs = map[string]bool{}
	}
	swept.dirs[dir] = true
	Sweep(dir)
}

// Sweep removes the files that processes have left in a folder which ended without closing their objects, and returns
// how many. The first New with a file in a folder does so. A file is left if the process in its name runs, or
// any process has it open as an object: one of another PID namespace, or a child.
func Sweep(dir string) (n int, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return 0, &Error{Op: "sweep", Path: dir, Reason: ErrFolder, Err: err}
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return 0, &Error{Op: "sweep", Path: dir, Reason: ErrFolder, Err: err}
	}
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		return 0, nil // who runs cannot be told
	}
	for _, name := range names {
		pid, start, ok := parseFileName(name)
		if !ok {
			continue
		}
		if t, err := startTime(pid); err == nil && t == start || err != nil && !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if removeDead(filepath.Join(dir, name)) {
			n++
		}
	}
	return n, nil
}

// removeDead removes a file unless a process has it locked.
func removeDead(path string) bool {
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer syscall.Close(fd)
	var st syscall.Stat_t
	if syscall.Fstat(fd, &st) != nil || st.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return false
	}
	if time.Since(time.Unix(st.Ctim.Unix())) < young {
		return false
	}
	if syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return false
	}
	return syscall.Unlink(path) == nil
}
