package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"weld"
	"weld/internal/testenv"
)

func init() {
	testenv.Child("libc of a library", libcChild)
	testenv.Child("freestanding", freestandingChild)
}

// The C library that comes up is the one that the library was built for. A
// process that has one already refuses libraries for the other.
func TestMusl(t *testing.T) {
	testenv.Need(t, "musl-gcc")
	d := testenv.NewDir(t)
	musl := d.MuslShared("libformusl.so", "musl.c")
	glibc := d.GlibcShared("libforglibc.so", "musl.c", "-pthread")
	for name, path := range map[string]string{"musl": musl, "libc.so.6": glibc} {
		r := testenv.Run(t, testenv.ChildCommand(t, "libc of a library", path), testenv.Patience)
		if startedWith != "" && startedWith != name {
			if r.Code != 1 || !strings.Contains(string(r.Stderr), "already has another C library") {
				t.Errorf("a library for %s in a process with %s: %v %q\n%s", name, startedWith, r, r.Stdout, tail(r.Stderr, 40))
			}
			continue
		}
		if want := "7 PATH 2.333 -1 9 1611 ok\n" + "681 681\n" + name + "\n"; string(r.Stdout) != want {
			t.Errorf("a library for %s: %v %q, want %q\n%s", name, r, r.Stdout, want, tail(r.Stderr, 40))
		}
	}
}

// startedWith names the C library of a test binary that is a dynamic program, as
// one with cgo or the race detector is.
var startedWith = func() string {
	data, _ := os.ReadFile("/proc/self/maps")
	for _, name := range []string{"libc.so.6", "musl"} {
		if strings.Contains(string(data), name) {
			return name
		}
	}
	return ""
}()

func libcChild(args []string) {
	lib, err := weld.Open(args[0], weld.Now)
	must(err)
	var f struct {
		Format   func(v int64) string                       `sym:"format"`
		Fail     func() (int32, syscall.Errno)              `sym:"fail"`
		InThread func() int64                               `sym:"in_thread"`
		Sort     func(v []int32, n int64, f *weld.Callback) `sym:"sort"`
		Make     func()                                     `sym:"make_last"`
		End      func(f *weld.Callback) int32               `sym:"thread_ends"`
	}
	must(weld.Bind(lib, &f))
	text := f.Format(7)
	rc, errno := f.Fail()
	cb, err := weld.NewCallback(func(a, b *int32) int32 { return *a - *b })
	must(err)
	v := make([]int32, 1000)
	for i := range v {
		v[i] = int32(i * 7919 % 1009)
	}
	f.Sort(v, int64(len(v)), cb)
	sorted := "not sorted"
	if slices.IsSorted(v) {
		sorted = "ok"
	}
	fmt.Println(text, rc, int(errno), f.InThread(), sorted)
	must(cb.Close())
	if cb, err = weld.NewCallback(func(n int32) int32 { runtime.GC(); return n }); err != nil {
		must(err)
	}
	f.Make()
	fmt.Println(f.End(cb), f.End(cb))
	must(cb.Close())
	maps, err := os.ReadFile("/proc/self/maps")
	must(err)
	if strings.Contains(string(maps), "musl") {
		fmt.Println("musl")
	}
	if strings.Contains(string(maps), "libc.so.6") {
		fmt.Println("libc.so.6")
	}
	must(lib.Close())
}

func freestandingChild(args []string) {
	lib, err := weld.Open(args[0], weld.Now)
	must(err)
	var f struct {
		Multiply func(a, b int64) int64                `sym:"multiply"`
		Count    func() int32                          `sym:"count"`
		Each     func(n int64, f *weld.Callback) int64 `sym:"each"`
	}
	must(weld.Bind(lib, &f))
	expect(f.Multiply(6, 7) == 42 && f.Count() == 101, "multiply or count is wrong")
	cb, err := weld.NewCallback(func(i int64) int64 { runtime.GC(); return i * i })
	must(err)
	expect(f.Each(10, cb) == 285, "callbacks are wrong")
	must(cb.Close())
	must(lib.Close())
	_, err = weld.Open("libc.so.6")
	fmt.Println(err != nil)
	fmt.Println("ok")
}

// Nothing brings up a C library before something needs it.
func TestFreestanding(t *testing.T) {
	d := testenv.NewDir(t)
	lib := d.Shared("libfree.so", "freestanding.c", "-nostdlib", "-ffreestanding", "-fno-stack-protector")
	runChild(t, "freestanding", lib)
	if startedWith != "" {
		return
	}
	// In a folder that is all there is, without any C library.
	root := filepath.Join(testenv.RunDir(t), "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{exe: "test", lib: "libfree.so"} {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, to), data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := testenv.ChildCommand(t, "freestanding", "/libfree.so")
	cmd.Path, cmd.Dir = "/test", "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	if os.Geteuid() != 0 {
		// A user namespace gives the right to chroot, where users may make one.
		probe := exec.Command("/bin/true")
		probe.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
		if err := probe.Run(); err != nil {
			t.Logf("not tried in an empty folder: no chroot for this user: %v", err)
			return
		}
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	r := testenv.Run(t, cmd, testenv.Patience)
	if string(r.Stdout) != "true\nok\n" {
		t.Errorf("in a folder without a C library: %v %q\n%s", r, r.Stdout, tail(r.Stderr, 40))
	}
}
