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

// young is how long a file is left alone: one that has just been made is not locked yet. It is a variable for tests.
var young = 2 * time.Second

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

// owner is the process that the name of a file has.
type owner struct {
	pid   string
	start uint64
}

// Sweep removes the files that processes have left in a folder which ended without closing their objects, and returns
// how many. The first New with a file in a folder does so. A file is left if the process in its name runs, or if any
// process has that or another file of the same owner open as an object: one of another PID namespace, or a child. (What
// debuggers are shown beside an object is not locked itself.)
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
	dead := map[owner][]string{}
	for _, name := range names {
		pid, start, ok := parseFileName(name)
		if !ok {
			continue
		}
		if t, err := startTime(pid); err == nil && t == start || err != nil && !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		o := owner{pid, start}
		dead[o] = append(dead[o], filepath.Join(dir, name))
	}
	for _, paths := range dead {
		n += removeDead(paths)
	}
	return n, nil
}

// removeDead removes the files of an owner unless a process has one locked, or one has just been made: its lock, or that of an
// object beside which it is, may not be there yet. It returns how many it has removed.
func removeDead(paths []string) (n int) {
	free := paths[:0]
	for _, path := range paths {
		file, used := inUse(path)
		if used {
			return 0
		}
		if file {
			free = append(free, path)
		}
	}
	for _, path := range free {
		if syscall.Unlink(path) == nil {
			n++
		}
	}
	return n
}

// inUse tells whether there is such a file, and whether it is locked or young.
func inUse(path string) (file, used bool) {
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CLOEXEC|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false, false
	}
	defer syscall.Close(fd)
	var st syscall.Stat_t
	if syscall.Fstat(fd, &st) != nil || st.Mode&syscall.S_IFMT != syscall.S_IFREG {
		return false, false
	}
	return true, time.Since(time.Unix(st.Ctim.Unix())) < young || syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB) != nil
}
