package live

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"weld/internal/rtld"
	"weld/native"
)

// file is what an object is stored in.
type file struct {
	fd   int    // -1 if it is not open
	path string // by which this and other processes open it
	name string // the path to remove in the end, "" for a file in memory
	size uint64 // what it must have
	why  error  // why it is in memory, if that was not asked for
	ino  uint64
	dev  uint64
	pid  int  // of the process that has made it
	ram  bool // it is on a file system that is memory (tmpfs)
	lost bool // it was truncated, and is not what it was even if it is as long again
}

var fileCount atomic.Uint64

// newFile makes the file of an object: in dir, or in the first of the default folders that can be used, or in memory. A file
// in a folder that is mounted noexec cannot be mapped as text, so then it is in memory.
func newFile(object, dir string, memory bool) (*file, error) {
	if memory {
		return memoryFile(object, nil)
	}
	dirs, private := []string{dir}, false
	if dir == "" {
		dirs, private = defaultFolders(), true
	}
	var why []error
	for _, d := range dirs {
		f, err := folderFile(object, d, private)
		if err == nil {
			return f, nil
		}
		if !private && !errors.Is(err, errNoExec) {
			return nil, err
		}
		why = append(why, err)
	}
	return memoryFile(object, errors.Join(why...))
}

// defaultFolders returns where files go if the caller does not say: by preference where they do not go to a disk.
func defaultFolders() (list []string) {
	if d := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(d) {
		list = append(list, filepath.Join(d, "weld"))
	}
	if d, err := os.UserCacheDir(); err == nil {
		list = append(list, filepath.Join(d, "weld", "live"))
	}
	return append(list, filepath.Join(os.TempDir(), fmt.Sprintf("weld-%d", os.Getuid())))
}

// privateFolder makes a folder that only this user can write to, or checks that it is one.
func privateFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	switch {
	case !fi.IsDir():
		return &fs.PathError{Op: "use", Path: dir, Err: syscall.ENOTDIR}
	case !ok || int(st.Uid) != os.Getuid() || fi.Mode().Perm()&0o022 != 0:
		return &fs.PathError{Op: "use", Path: dir, Err: errors.New("others can write to it")}
	}
	return nil
}

var errNoExec = errors.New("it is mounted noexec")

// folderFile makes a file in a folder.
func folderFile(object, dir string, private bool) (*file, error) {
	fail := func(path string, err error) error {
		return &Error{Op: "create", Object: object, Path: path, Reason: ErrFolder, Err: err}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fail(dir, err)
	}
	if private {
		if err := privateFolder(dir); err != nil {
			return nil, fail(dir, err)
		}
	}
	start, err := startTime("self")
	if err != nil {
		return nil, fail(dir, err)
	}
	sweep(dir)
	path := filepath.Join(dir, fileName(object, os.Getpid(), start, fileCount.Add(1)))
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CREAT|syscall.O_EXCL|syscall.O_CLOEXEC|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fail(path, err)
	}
	f := &file{fd: fd, path: path, name: path, pid: os.Getpid()}
	named.add(f)
	if err := f.lock(); err != nil {
		f.close()
		return nil, fail(path, err)
	}
	if err := f.identify(); err != nil {
		f.close()
		return nil, fail(path, err)
	}
	if err := mapText(object, fd); errors.Is(err, syscall.EPERM) {
		f.close()
		return nil, fail(dir, errNoExec)
	} else if err != nil {
		f.close()
		return nil, &Error{Op: "create", Object: object, Path: path, Reason: ErrNoMemory, Err: err}
	}
	return f, nil
}

// mapText is a variable so that tests can be on a file system that is mounted noexec.
var mapText = mapTextPage

// mapTextPage tries to map a page of text. mmap(2): EPERM if the mount does not allow execution.
func mapTextPage(object string, fd int) error {
	p, err := mapMemory(object, 0, page, syscall.PROT_READ|syscall.PROT_EXEC, syscall.MAP_PRIVATE, fd, 0)
	if err == nil {
		err = native.Unmap(p, page)
	}
	return err
}

// memoryFile makes a file that has no name.
func memoryFile(object string, why error) (*file, error) {
	fd, err := native.MemFile(object+".so", nil)
	if err != nil {
		return nil, &Error{Op: "create", Object: object, Reason: ErrNoMemory, Err: err}
	}
	const addSeals, shrink = 1033, 2 // nobody can make it shorter (fcntl(2))
	syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), addSeals, shrink)
	f := &file{fd: fd, path: native.FileName(fd), why: why}
	if err := f.identify(); err != nil {
		f.close()
		return nil, &Error{Op: "create", Object: object, Reason: ErrNoMemory, Err: err}
	}
	return f, nil
}

func (f *file) identify() error {
	var st syscall.Stat_t
	if err := syscall.Fstat(f.fd, &st); err != nil {
		return err
	}
	f.dev, f.ino = uint64(st.Dev), st.Ino
	const tmpfsMagic = 0x01021994 // statfs(2)
	var fs syscall.Statfs_t
	f.ram = syscall.Fstatfs(f.fd, &fs) == nil && fs.Type == tmpfsMagic
	return nil
}

func (f *file) lock() error {
	err := syscall.Flock(f.fd, syscall.LOCK_EX|syscall.LOCK_NB)
	if err == syscall.ENOSYS || err == syscall.EOPNOTSUPP || err == syscall.ENOLCK {
		return nil // then the number of the process in the name has to do
	}
	return err
}

func (f *file) close() {
	f.unlink()
	if f.fd >= 0 {
		syscall.Close(f.fd)
	}
}

// unlink takes the file's name away, in the process that has made it.
func (f *file) unlink() {
	if f.name == "" || f.pid != os.Getpid() {
		return
	}
	named.remove(f)
	// It may be another one by now.
	var st syscall.Stat_t
	if syscall.Lstat(f.name, &st) == nil && (f.ino == 0 || uint64(st.Dev) == f.dev && st.Ino == f.ino) {
		syscall.Unlink(f.name)
	}
}

// named are the files that have a name, so that an exit of native code takes it away.
var named fileSet

type fileSet struct {
	mu sync.Mutex
	m  map[*file]bool
}

func init() { rtld.AtExit = named.unlink }

func (n *fileSet) add(f *file) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.m == nil {
		n.m = map[*file]bool{}
	}
	n.m[f] = true
}

func (n *fileSet) remove(f *file) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.m, f)
}

// unlink takes all names away.
func (n *fileSet) unlink() {
	n.mu.Lock()
	list := slices.Collect(maps.Keys(n.m))
	n.mu.Unlock()
	for _, f := range list {
		f.unlink()
	}
}

// ftruncate is a variable so that tests can have file systems with no room.
var ftruncate = syscall.Ftruncate

// setSize gives the file its size. What has not been allocated is holes. One that somebody has truncated stays as it is.
func (f *file) setSize(n uint64) error {
	if err := f.check(); errors.Is(err, ErrTruncated) {
		return err
	}
	if err := underLimit(n); err != nil {
		return err
	}
	for {
		err := ftruncate(f.fd, int64(n))
		if err == syscall.EINTR {
			continue
		}
		if err == nil {
			f.size = n
		}
		return err
	}
}

// underLimit tells whether a file may be that large (RLIMIT_FSIZE). To try is answered with a SIGXFSZ, which ends a Go
// program.
func underLimit(n uint64) error {
	const rlimitFsize = 1
	var l syscall.Rlimit
	if err := syscall.Getrlimit(rlimitFsize, &l); err == nil && n > l.Cur {
		return syscall.EFBIG
	}
	return nil
}

// fallocate is a variable so that tests can have a full disk.
var fallocate = syscall.Fallocate

// allocate has the file system take n bytes at off, so that a write through memory cannot fail for want of them, which would
// be a SIGBUS.
func (f *file) allocate(off, n uint64) error {
	const keepSize = 1
	for {
		err := fallocate(f.fd, keepSize, int64(off), int64(n))
		switch err {
		case syscall.EINTR:
			continue
		case syscall.EOPNOTSUPP, syscall.ENOSYS:
			return f.fill(off, n)
		}
		return err
	}
}

// fill is allocate where the file system cannot: as posix_fallocate does it, what is there already is written again.
func (f *file) fill(off, n uint64) error {
	b := make([]byte, 64<<10)
	for n > 0 {
		k := min(n, uint64(len(b)))
		w, err := syscall.Pwrite(f.fd, b[:k], int64(off))
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		off, n = off+uint64(w), n-uint64(w)
	}
	return nil
}

// check tells whether the file is what it was: ErrTruncated if it is shorter, or was, ErrDeleted if it has no name
// any more.
func (f *file) check() error {
	var st syscall.Stat_t
	if err := syscall.Fstat(f.fd, &st); err != nil {
		return err
	}
	switch {
	case f.lost || uint64(st.Size) < f.size:
		return ErrTruncated
	case f.name != "" && st.Nlink == 0:
		return ErrDeleted
	}
	return nil
}

// The name of a file says whose it is: weld-live.PID.START.NUMBER.OBJECT.so, where START is when the process began, in
// clock ticks since the machine did (field 22 of /proc/PID/stat), so that another process of the same number is not taken
// for it.
const filePrefix = "weld-live."

func fileName(object string, pid int, start, n uint64) string {
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.+", r) {
			return r
		}
		return '_'
	}, object)
	if len(clean) > 100 {
		clean = clean[:100]
	}
	return fmt.Sprintf("%s%d.%d.%d.%s.so", filePrefix, pid, start, n, clean)
}

func parseFileName(name string) (pid string, start uint64, ok bool) {
	rest, ok := strings.CutPrefix(name, filePrefix)
	part := strings.SplitN(rest, ".", 4)
	if !ok || len(part) != 4 || !strings.HasSuffix(part[3], ".so") {
		return "", 0, false
	}
	n, err := strconv.Atoi(part[0])
	start, err2 := strconv.ParseUint(part[1], 10, 64)
	if err != nil || err2 != nil || n <= 0 {
		return "", 0, false
	}
	return part[0], start, true
}

// startTime returns when a process began.
func startTime(pid string) (uint64, error) {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		if pid == "self" && errors.Is(err, fs.ErrNotExist) {
			return 0, nil // no /proc; nobody can ask then
		}
		return 0, err
	}
	// The second field is a name in parentheses that may have any character.
	s := string(b)
	fields := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	if len(fields) < 20 {
		return 0, fmt.Errorf("/proc/%s/stat: %q", pid, s)
	}
	return strconv.ParseUint(fields[19], 10, 64)
}
