package live

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"weld/internal/testenv"
)

// quickFolder is one in memory if there is such a file system: a disk takes many times as long.
func quickFolder(t *testing.T) string {
	if d, err := os.MkdirTemp("/dev/shm", "weld-live-test"); err == nil {
		t.Cleanup(func() { os.RemoveAll(d) })
		return d
	}
	return t.TempDir()
}

// TestSoakMany opens and closes objects, which leaves nothing.
func TestSoakMany(t *testing.T) {
	n := 2_000
	if testenv.Soak() {
		n = 100_000
	} else if testing.Short() || testenv.Race {
		n = 500
	}
	dir := quickFolder(t)
	one := func(opt Options) {
		o, err := New(nil, "test", opt)
		check(t, err)
		b := emit(t, o, "f", returns(1))
		check(t, o.Commit())
		if s, err := o.Lookup("f"); err != nil || s.Addr != b.Addr() {
			t.Fatal(s, err)
		}
		check(t, o.Close())
	}
	one(Options{Folder: dir})
	fds, maps, open := testenv.FDs(t), len(testenv.Maps(t)), len(objects.m)
	for i := range n {
		one(Options{Folder: dir, Memory: i%4 == 0})
	}
	if got := testenv.FDs(t); got != fds {
		t.Errorf("%d descriptors, there were %d", got, fds)
	}
	if got := len(testenv.Maps(t)); got > maps+50 { // those of the Go heap and of Go's threads
		t.Errorf("%d mappings, there were %d", got, maps)
	}
	if got := files(t, dir); got != nil {
		t.Errorf("left: %v", got)
	}
	if len(objects.m) != open || len(named.m) != 0 {
		t.Errorf("%d objects and %d files are remembered, there were %d", len(objects.m), len(named.m), open)
	}
	// And many at a time.
	var list []*Object
	for range 200 {
		o, err := New(nil, "test", Options{Folder: dir})
		check(t, err)
		list = append(list, o)
	}
	for _, o := range list {
		check(t, o.Close())
	}
	if got := testenv.FDs(t); got != fds {
		t.Errorf("%d descriptors, there were %d", got, fds)
	}
}

// TestFork has a child that is started while code is made: it inherits no descriptor.
func TestFork(t *testing.T) {
	o := newObject(t, Options{})
	stop := make(chan struct{})
	done := make(chan error)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			b, err := o.Alloc(16, 0, Text)
			if err == nil {
				err = b.Write(0, returns(1))
			}
			if err == nil {
				err = o.Bind(fmt.Sprint("f", i), b)
			}
			if err == nil {
				err = o.Commit()
			}
			if err != nil {
				done <- err
				return
			}
		}
	}()
	for range 20 {
		out, err := exec.Command("ls", "-l", "/proc/self/fd").Output()
		check(t, err)
		if bytes.Contains(out, []byte(filePrefix)) {
			t.Errorf("%s", out)
		}
	}
	close(stop)
	check(t, <-done)
	verify(t, o)
}
