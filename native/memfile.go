package native

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// MemFile makes a file in memory that holds data, to be mapped, or opened by others by its FileName.
func MemFile(name string, data []byte) (fd int, err error) {
	const sysMemfdCreate, cloexec, allowSealing = 319, 1, 2
	n := append([]byte(cut(filepath.Base(name))), 0)
	r, _, e := syscall.Syscall(sysMemfdCreate, uintptr(unsafe.Pointer(&n[0])), cloexec|allowSealing, 0)
	if e != 0 {
		return -1, fmt.Errorf("make a file in memory for %s: %w", name, e)
	}
	if err := fill(int(r), "the file in memory for "+name, data); err != nil {
		return -1, err
	}
	return int(r), nil
}

// fill writes a file, which it closes if that fails.
func fill(fd int, what string, data []byte) error {
	for off := 0; off < len(data); {
		n, err := syscall.Pwrite(fd, data[off:], int64(off))
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			syscall.Close(fd)
			return fmt.Errorf("write %s: %w", what, err)
		}
		off += n
	}
	return nil
}

// FilesEnv names the environment variable with a folder for the files of ObjectFile.
const FilesEnv = "WELD_FILES"

// filesDir is that folder, with no symbolic links in its name; "" if there is none.
var filesDir = sync.OnceValues(func() (string, error) {
	dir := os.Getenv(FilesEnv)
	if dir == "" || Secure() {
		return "", nil
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", FilesEnv, err)
	}
	return dir, nil
})

// ObjectFile makes a file for an object that is in memory only, to be mapped, and returns the path by which debuggers read
// it. It is one in memory, which goes with the process; or one in the folder that the environment variable WELD_FILES names,
// which stays, so that who looks at a core dump has it.
func ObjectFile(name string, data []byte) (fd int, path string, err error) {
	dir, err := filesDir()
	if err != nil {
		return -1, "", err
	}
	if dir == "" {
		if fd, err = MemFile(name, data); err != nil {
			return -1, "", err
		}
		return fd, FileName(fd), nil
	}
	for {
		path := filepath.Join(dir, fmt.Sprintf("%s.%d.%d", cut(filepath.Base(name)), os.Getpid(), filesMade.Add(1)))
		fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CREAT|syscall.O_EXCL|syscall.O_CLOEXEC, 0o600)
		switch {
		case err == syscall.EEXIST: // of a process that had the same number
		case err != nil:
			return -1, "", fmt.Errorf("%s: %w", FilesEnv, &os.PathError{Op: "create", Path: path, Err: err})
		default:
			if err := fill(fd, path, data); err != nil {
				os.Remove(path)
				return -1, "", err
			}
			return fd, path, nil
		}
	}
}

// cut returns the end of a name, as long as the kernel takes it.
func cut(name string) string { return name[max(0, len(name)-200):] }

// filesMade counts the names that were tried.
var filesMade atomic.Int64

// FileName returns the path by which other processes open what a file descriptor of this one stands for.
func FileName(fd int) string { return fmt.Sprintf("/proc/%d/fd/%d", syscall.Getpid(), fd) }
