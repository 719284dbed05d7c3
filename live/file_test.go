package live

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"weld/internal/testenv"
	"weld/native"
)

func files(t testing.TB, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	check(t, err)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestFolders(t *testing.T) {
	run, cache, tmp := t.TempDir(), t.TempDir(), t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", run)
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("TMPDIR", tmp)
	where := func() string {
		t.Helper()
		o, err := New(nil, "a b/c", Options{})
		check(t, err)
		defer o.Close()
		if in, why := o.InMemory(); in {
			return "memory: " + why.Error()
		}
		if !strings.HasSuffix(o.Path(), ".a_b_c.so") {
			t.Error(o.Path())
		}
		fi, err := os.Stat(filepath.Dir(o.Path()))
		check(t, err)
		if fi.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v", o.Path(), fi.Mode())
		}
		return filepath.Dir(o.Path())
	}
	if got := where(); got != filepath.Join(run, "weld") {
		t.Error(got)
	}
	// A folder that others can write to is not used.
	check(t, os.Chmod(filepath.Join(run, "weld"), 0o777))
	if got := where(); got != filepath.Join(cache, "weld", "live") {
		t.Error(got)
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	check(t, os.RemoveAll(filepath.Join(cache, "weld")))
	check(t, os.Symlink("/", filepath.Join(cache, "weld")))
	if os.Getuid() == 0 { // who may make /live, where the link leads
		check(t, os.Remove(filepath.Join(cache, "weld")))
		check(t, os.WriteFile(filepath.Join(cache, "weld"), nil, 0o600))
	}
	if got := where(); got != filepath.Join(tmp, fmt.Sprintf("weld-%d", os.Getuid())) {
		t.Error(got)
	}
	// And if there is none at all, the file is in memory.
	t.Setenv("TMPDIR", "/dev/null")
	t.Setenv("XDG_CACHE_HOME", "/dev/null")
	if got := where(); !strings.HasPrefix(got, "memory: ") || !strings.Contains(got, ErrFolder.Error()) {
		t.Error(got)
	}
	for _, dir := range []string{run, cache, tmp} {
		filepath.Walk(dir, func(path string, fi os.FileInfo, err error) error {
			if err == nil && strings.HasPrefix(fi.Name(), filePrefix) {
				t.Errorf("%s is left", path)
			}
			return nil
		})
	}
}

func TestMemory(t *testing.T) {
	o := newObject(t, Options{Memory: true})
	if in, why := o.InMemory(); !in || why != nil {
		t.Error(in, why)
	}
	b := emit(t, o, "f", returns(3))
	check(t, o.Commit())
	if n := native.Call(b.Addr()); n != 3 {
		t.Error(n)
	}
	if err := os.Truncate(o.Path(), 0); !errors.Is(err, syscall.EPERM) {
		t.Errorf("it is truncated: %v", err)
	}
	verify(t, o)
	readelf(t, o)
}

// TestNoExec has the folder on a file system that is mounted noexec: where a user may not mount, as the kernel says it.
func TestNoExec(t *testing.T) {
	mapText = func(string, int) error { return &native.MapError{What: "test", Size: page, Err: syscall.EPERM} }
	defer func() { mapText = mapTextPage }()
	dir := t.TempDir()
	o, err := New(nil, "test", Options{Folder: dir})
	check(t, err)
	defer o.Close()
	if in, why := o.InMemory(); !in || !strings.Contains(fmt.Sprint(why), "noexec") {
		t.Error(in, why)
	}
	if got := files(t, dir); got != nil {
		t.Errorf("left: %v", got)
	}
	emit(t, o, "f", returns(3))
	check(t, o.Commit())
	verify(t, o)
}

func init() {
	// noexec FOLDER: in a mount namespace of its own.
	testenv.Child("noexec", func(args []string) {
		if err := syscall.Mount("none", args[0], "tmpfs", syscall.MS_NOEXEC, "size=1m"); err != nil {
			fmt.Println("mount:", err)
			return
		}
		o, err := New(nil, "test", Options{Folder: args[0]})
		if err != nil {
			fmt.Println(err)
			return
		}
		in, why := o.InMemory()
		fmt.Println(in, why)
		// On a file system that is full, there is no object.
		if err := syscall.Mount("none", args[0], "tmpfs", 0, "size=256k"); err != nil {
			fmt.Println("mount:", err)
			return
		}
		o, err = New(nil, "test", Options{Folder: args[0]})
		if err != nil {
			fmt.Println(err)
			return
		}
		for err == nil {
			_, err = o.Alloc(16<<10, 0, Text)
		}
		fmt.Println(errors.Is(err, ErrNoSpace), errors.Is(err, syscall.ENOSPC))
		b, err := o.Alloc(16, 0, ROData)
		if err == nil {
			err = o.Bind("still", b)
		}
		if err == nil {
			err = o.Commit()
		}
		fmt.Println(err)
		if _, err := New(nil, "other", Options{Folder: args[0]}); err != nil {
			fmt.Println(errors.Is(err, ErrNoSpace))
		}
		list, _ := os.ReadDir(args[0])
		fmt.Println(len(list))
	})
	// limited FOLDER: with RLIMIT_FSIZE.
	testenv.Child("limited", func(args []string) {
		o, err := New(nil, "test", Options{Folder: args[0]})
		if err != nil {
			fmt.Println(err)
			return
		}
		if err := syscall.Setrlimit(1, &syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20}); err != nil {
			fmt.Println(err)
		}
		for err == nil {
			_, err = o.Alloc(16<<10, 0, Text)
		}
		fmt.Println(errors.Is(err, ErrNoSpace), errors.Is(err, syscall.EFBIG))
		syscall.Setrlimit(1, &syscall.Rlimit{Cur: 1 << 14, Max: 1 << 14})
		_, err = New(nil, "other", Options{Folder: args[0]})
		fmt.Println(errors.Is(err, ErrNoSpace), errors.Is(err, syscall.EFBIG))
		list, _ := os.ReadDir(args[0])
		fmt.Println(len(list))
		fmt.Println(o.Close())
	})
	// unwritable FOLDER: as a user who may not write there.
	testenv.Child("unwritable", func(args []string) {
		_, err := New(nil, "test", Options{Folder: args[0]})
		fmt.Println(errors.Is(err, ErrFolder), errors.Is(err, syscall.EACCES), err)
	})
	// abandon FOLDER: is killed without closing.
	testenv.Child("abandon", func(args []string) {
		o, err := New(nil, "test", Options{Folder: args[0]})
		fmt.Println(err)
		fmt.Println(o.Path())
		if len(args) > 1 {
			fmt.Scanln()
		}
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	})
}

func TestMounts(t *testing.T) {
	dir := t.TempDir()
	cmd := testenv.ChildCommand(t, "noexec", dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if err := cmd.Start(); errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL) {
		t.Log("this kernel lets no one mount; TestNoExec and TestFull have what can be had without")
		return
	} else if err == nil {
		cmd.Process.Kill()
		cmd.Wait()
	}
	again := testenv.ChildCommand(t, "noexec", dir)
	again.SysProcAttr = cmd.SysProcAttr
	r := testenv.Run(t, again, testenv.Patience)
	out := string(r.Stdout)
	if strings.HasPrefix(out, "mount:") {
		t.Logf("%s; TestNoExec and TestFull have what can be had without", out)
		return
	}
	want := "true live: create in test: " + dir + ": the folder cannot be used: it is mounted noexec\ntrue true\n<nil>\ntrue\n1\n"
	if out != want {
		t.Errorf("%v\n%s%s\nwanted:\n%s", r, out, r.Stderr, want)
	}
}

// TestFull has a disk that is full from some byte on.
func TestFull(t *testing.T) {
	left := int64(0)
	fallocate = func(fd int, mode uint32, off, n int64) error {
		if left -= n; left < 0 {
			return syscall.ENOSPC
		}
		return syscall.Fallocate(fd, mode, off, n)
	}
	defer func() { fallocate = syscall.Fallocate }()
	dir := t.TempDir()
	left = 1 << 30
	newObject(t, Options{Folder: t.TempDir()}).Close() // what the process needs for the first one
	fds, maps := testenv.FDs(t), len(testenv.Maps(t))
	tries := 0
	for range 3 {
		for size := int64(0); ; size += page {
			tries++
			left = size
			o, err := New(nil, "test", Options{Folder: dir})
			if err == nil {
				o.Close()
				break
			}
			if !errors.Is(err, ErrNoSpace) || !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			if got := files(t, dir); got != nil {
				t.Fatalf("left: %v", got)
			}
		}
	}
	if n := testenv.FDs(t); n != fds {
		t.Errorf("%d descriptors, there were %d", n, fds)
	}
	if n := len(testenv.Maps(t)); n > maps+tries/2 { // those of the Go heap and of Go's threads
		t.Errorf("%d mappings, there were %d before %d tries", n, maps, tries)
	}
	left = 1 << 20
	o := newObject(t, Options{Folder: dir})
	b := emit(t, o, "first", returns(1))
	check(t, o.Commit())
	// The disk fills up between any two steps of a commit; it can be repeated, and what was there stays.
	n, most := 0, 40_000
	if testenv.Race {
		most = 12_000
	}
	for step := int64(0); n < most; step += page {
		left = step
		for range 1000 {
			check(t, o.Bind(fmt.Sprintf("name_%d", n), b))
			n++
		}
		err := o.Commit()
		if err != nil {
			if !errors.Is(err, ErrNoSpace) {
				t.Fatal(err)
			}
			verify(t, o)
			if s, err := o.Lookup("first"); err != nil || s.Addr != b.Addr() {
				t.Fatal(s, err)
			}
			left = 1 << 30
			check(t, o.Commit())
		}
	}
	if got := o.Usage().Symbols; got != n+1 {
		t.Errorf("%d symbols, wanted %d", got, n+1)
	}
	verify(t, o)
}

func TestLimit(t *testing.T) {
	dir := t.TempDir()
	r := testenv.Run(t, testenv.ChildCommand(t, "limited", dir), testenv.Patience)
	if want := "true true\ntrue true\n1\n<nil>\n"; string(r.Stdout) != want {
		t.Errorf("%v\n%s%s", r, r.Stdout, r.Stderr)
	}
	if got := files(t, dir); got != nil {
		t.Errorf("left: %v", got)
	}
}

func TestUnwritable(t *testing.T) {
	dir := filepath.Join(testenv.RunDir(t), "unwritable")
	check(t, os.MkdirAll(dir, 0o755))
	check(t, os.Chmod(dir, 0o555))
	cmd := testenv.ChildCommand(t, "unwritable", dir)
	if os.Getuid() == 0 {
		exe := filepath.Join(testenv.RunDir(t), "live-test")
		data, err := os.ReadFile(cmd.Path)
		check(t, err)
		check(t, os.WriteFile(exe, data, 0o755))
		cmd.Path = exe
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	r := testenv.Run(t, cmd, testenv.Patience)
	if !bytes.HasPrefix(r.Stdout, []byte("true true live: create in test: "+dir)) {
		t.Errorf("%v\n%s%s", r, r.Stdout, r.Stderr)
	}
}

// TestSweep removes what processes have left, and only that.
func TestSweep(t *testing.T) {
	defer func(d time.Duration) { young = d }(young)
	young = time.Hour
	dir := t.TempDir()
	abandon := func() string {
		r := testenv.Run(t, testenv.ChildCommand(t, "abandon", dir), testenv.Patience)
		path := strings.TrimSpace(strings.TrimPrefix(string(r.Stdout), "<nil>\n"))
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%v %s %s", err, r.Stdout, r.Stderr)
		}
		return path
	}
	dead := abandon()
	mine := newObject(t, Options{Folder: dir})
	if _, err := os.Stat(dead); err != nil {
		t.Error("a file is removed that may have been made just now")
	}
	// One of a process that runs.
	cmd := testenv.ChildCommand(t, "abandon", dir, "wait")
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	buf := make([]byte, 1000)
	var text string
	for strings.Count(text, "\n") < 2 {
		n, err := out.Read(buf)
		check(t, err)
		text += string(buf[:n])
	}
	running := strings.TrimSpace(strings.TrimPrefix(text, "<nil>\n"))
	// One that looks like a dead process's, but is locked: it is that of a process that cannot be seen.
	locked := filepath.Join(dir, fileName("locked", 1<<22+1, 1, 1))
	f, err := os.Create(locked)
	check(t, err)
	defer f.Close()
	check(t, syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
	beside := filepath.Join(dir, fileName("2.locked", 1<<22+1, 1, 2))
	check(t, os.WriteFile(beside, nil, 0o600))
	other := filepath.Join(dir, "weld-live.txt")
	check(t, os.WriteFile(other, nil, 0o600))
	check(t, os.Mkdir(filepath.Join(dir, fileName("folder", 1<<22+1, 2, 1)), 0o700))
	// Another process has had the number.
	past := filepath.Join(dir, fileName("past", os.Getpid(), 1, 1))
	check(t, os.WriteFile(past, nil, 0o600))

	young = 0
	n, err := Sweep(dir)
	check(t, err)
	if n != 2 {
		t.Errorf("%d files are removed of %v", n, files(t, dir))
	}
	for path, want := range map[string]bool{dead: false, past: false, running: true, locked: true, beside: true, other: true, mine.Path(): true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	in.Close()
	cmd.Wait()
	// New sweeps a folder once.
	check(t, os.Remove(locked))
	check(t, os.Remove(beside))
	swept.Lock()
	delete(swept.dirs, dir)
	swept.Unlock()
	newObject(t, Options{Folder: dir})
	if _, err := os.Stat(running); err == nil {
		t.Error("New has not swept")
	}
	if _, err := Sweep("/dev/null/x"); !errors.Is(err, ErrFolder) {
		t.Error(err)
	}
}

func TestTruncated(t *testing.T) {
	o := newObject(t, Options{})
	b := emit(t, o, "f", returns(1))
	d, err := o.Alloc(100, 0, ROData)
	check(t, err)
	check(t, o.Commit())
	check(t, o.Bind("g", b))
	check(t, os.Truncate(o.Path(), 0))
	if err := o.Commit(); !errors.Is(err, ErrTruncated) {
		t.Error(err)
	}
	if err := d.Write(0, []byte{1}); !errors.Is(err, ErrTruncated) {
		t.Error(err)
	}
	if err := o.Save(filepath.Join(t.TempDir(), "x")); !errors.Is(err, ErrTruncated) {
		t.Error(err)
	}
	if s, err := o.Lookup("f"); err != nil || s.Addr != b.Addr() {
		t.Error(s, err)
	}
	check(t, os.Truncate(o.Path(), 1<<30)) // what was in it is gone
	if err := o.Commit(); !errors.Is(err, ErrTruncated) {
		t.Error(err)
	}
	check(t, o.Close())
	// Where the file is to be made longer before anybody has seen it.
	o = newObject(t, Options{})
	end := o.file.size - page
	check(t, os.Truncate(o.Path(), int64(end))) // of which nothing is in use
	if err := o.Save(filepath.Join(t.TempDir(), "x")); !errors.Is(err, ErrTruncated) {
		t.Error(err)
	}
	for _, k := range []Kind{Text, ROData, Data} {
		if _, err := o.Alloc(1<<20, 0, k); !errors.Is(err, ErrTruncated) {
			t.Errorf("%v: %v", k, err)
		}
	}
	check(t, o.Close())
}

func TestDeleted(t *testing.T) {
	o := newObject(t, Options{})
	emit(t, o, "f", returns(1))
	check(t, os.Remove(o.Path()))
	if err := o.Commit(); !errors.Is(err, ErrDeleted) {
		t.Error(err)
	}
	if s, err := o.Lookup("f"); err != nil || native.Call(s.Addr) != 1 {
		t.Error(s, err)
	}
	emit(t, o, "g", returns(2))
	check(t, o.Commit())
	if s, err := o.Lookup("g"); err != nil || native.Call(s.Addr) != 2 {
		t.Error(s, err)
	}
	// What stands there now is not ours.
	path := o.Path()
	check(t, os.WriteFile(path, []byte("other"), 0o600))
	check(t, o.Close())
	if _, err := os.Stat(path); err != nil {
		t.Error("another one's file is removed")
	}
}
