package tests

import (
	"fmt"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"weld"
	"weld/internal/testenv"
)

func init() { testenv.Child("ends", endsChild) }

// Threads end while their destructors still use thread-local variables and call weld: one that the C library has made by
// itself, and a kernel thread of Go, whose native thread another one gets meanwhile.
func TestThreadEnds(t *testing.T) {
	lib := testenv.NewDir(t).Shared("libends.so", "ends.c", "-pthread")
	for _, way := range []string{"timer", "goroutine"} {
		r := testenv.Run(t, testenv.ChildCommand(t, "ends", way, lib), testenv.Patience)
		if want := way + " 509\n"; r.Code != 0 || string(r.Stdout) != want {
			t.Errorf("%v %q, want %q\n%s", r, r.Stdout, want, tail(r.Stderr, 40))
		}
	}
}

func endsChild(args []string) {
	lib, err := weld.Open(args[1], weld.Now)
	must(err)
	var f struct {
		Prepare func(f *weld.Callback) `sym:"prepare"`
		Mark    func(ms int32) int32   `sym:"mark"`
		Hold    func(ms int32) int32   `sym:"hold"`
		Ended   func() int32           `sym:"ended"`
		ByTimer func() int32           `sym:"by_timer"`
	}
	must(weld.Bind(lib, &f))
	cb, err := weld.NewCallback(func(n int32) int32 { runtime.GC(); return n })
	must(err)
	f.Prepare(cb)
	if args[0] == "timer" {
		expect(f.ByTimer() == 0, "no timer")
	} else {
		if !ownThreads() { // the native thread stays when the kernel thread that wears it ends
			fmt.Println(args[0], 509)
			return
		}
		marked := make(chan bool)
		var mark func()
		mark = func() {
			runtime.LockOSThread() // for good
			if syscall.Gettid() == syscall.Getpid() {
				go mark()
				select {} // the first kernel thread does not end
			}
			f.Mark(200)
			close(marked)
		}
		go mark()
		<-marked
		time.Sleep(50 * time.Millisecond) // the destructor naps
		go func() {
			runtime.LockOSThread()
			f.Hold(400)
		}()
	}
	for end := time.Now().Add(testenv.Patience); f.Ended() == -1 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	fmt.Println(args[0], f.Ended())
}

// ownThreads reports whether native code runs on Go's kernel threads as on threads of the C library.
func ownThreads() bool { return startedWith != "" }

// Thread-local variables of a library that is called by cgo, without weld, go with the kernel threads of the calls.
func TestCgoCalls(t *testing.T) {
	d := testenv.NewDir(t)
	lib := d.GlibcShared("libends.so", "ends.c", "-pthread")
	program := testenv.GoBuild{Pkg: "weld/tests/testdata/cgocalls", Cgo: true}.Path(t)
	for range 3 {
		r := testenv.Run(t, exec.Command(program, lib), testenv.Patience)
		if r.Code != 0 || strings.TrimSpace(string(r.Stdout)) != "closed <nil>" {
			t.Errorf("%v\n%s%s", r, r.Stdout, tail(r.Stderr, 40))
		}
	}
}
