package run_test

import (
	"fmt"
	"math/bits"
	"os/exec"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"weld/internal/testenv"
)

func sleeps(out string, us int) Build {
	return Build{out, []string{"forksleeps.c", fmt.Sprintf("-DMICROSECONDS=%d", us)}}
}

// TestForkWhileBusy is not compared: natively a child waits for ever for a lock of ld.so that another thread had.
func TestForkWhileBusy(t *testing.T) {
	n := 400
	switch {
	case testenv.Soak():
		n = 20_000
	case testing.Short():
		n = 60
	}
	forkWhileBusy(t, n)
}

// TestForkOneProcessor is the same on one processor: there the Go runtime would run one goroutine at a time.
func TestForkOneProcessor(t *testing.T) {
	testenv.Need(t, "taskset")
	var mask [16]uint64 // of 1024 processors
	if _, _, e := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask))); e != 0 {
		t.Fatal(e)
	}
	for i, m := range mask {
		if m != 0 {
			forkWhileBusy(t, 60, "taskset", "-c", fmt.Sprint(64*i+bits.TrailingZeros64(m)))
			return
		}
	}
}

// forkWhileBusy runs forkbusy, with a command in front.
func forkWhileBusy(t *testing.T, children int, front ...string) {
	t.Helper()
	needWeld(t)
	c := Case{Build: []Build{
		plugin("libforkone.so"), plugin("libforktwo.so"), {"libforksleeps.so", []string{"forksleeps.c", `-DUNTIL="wake"`}}, {"forkbusy", words("forkbusy.c -pthread")},
	}}
	dir := c.compileFixtures(t)
	line := append(append(front, weldPrefix(t)...), "./forkbusy", fmt.Sprint(children))
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir, cmd.Env = dir, append(baseEnv(dir), "LD_LIBRARY_PATH="+dir)
	r := testenv.Run(t, cmd, testenv.Patience+time.Duration(children)*500*time.Millisecond)
	want := fmt.Sprintf("children %d of %d\nof a callback 1\nwhile an initialiser sleeps 1 1\nit ends 1\n", children, children)
	if r.Code != 0 || string(r.Stdout) != want {
		t.Errorf("%v, want %q\n%s%s", r, want, clip(string(r.Stdout)), clip(string(r.Stderr)))
	}
}

func TestForkDeep(t *testing.T) {
	runTable(t, []Case{{
		Name: "deep", Build: []Build{sleeps("libforkone.so", 0), sleeps("libforktwo.so", 0), {"forkdeep", words("forkdeep.c")}},
		Env: words("LD_LIBRARY_PATH={dir}"), Argv: words("./forkdeep"), Want: "all 1\n",
	}})
}
