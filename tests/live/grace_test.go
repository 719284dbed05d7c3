package live_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"weld"
	"weld/internal/testenv"
	"weld/live"
	"weld/native"
)

// The space of freed code is used again when the calls that were in progress have ended, and not before.
func TestGrace(t *testing.T) {
	for _, counted := range []bool{false, true} {
		t.Run(fmt.Sprintf("counted %v", counted), func(t *testing.T) { grace(t, counted) })
	}
}

func grace(t *testing.T, counted bool) {
	o := newObject(t, nil, live.Options{Counted: counted})
	b := emit(t, o, "apply", apply)
	emit(t, o, "other", returns(1))
	check(t, o.Commit())
	run := function[func(*weld.Callback, int64) int64](t, o.Library(), "apply")
	entered, leave := make(chan bool), make(chan bool)
	cb, err := weld.NewCallback(func(n int64) int64 {
		entered <- true
		<-leave
		return n
	})
	check(t, err)
	defer cb.Close()
	result := make(chan int64)
	go func() { result <- run(cb, 42) }()
	<-entered
	check(t, b.Free())
	check(t, o.Commit())
	waits := func(wanted bool, patience time.Duration) {
		t.Helper()
		for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
			check(t, o.Commit())
			waiting := o.Usage().Waiting > 0
			if wanted && !waiting {
				t.Fatal("code that runs is used again")
			}
			if !wanted && !waiting {
				return
			}
			if time.Now().After(end) {
				if !wanted {
					t.Fatal("it is never used again")
				}
				return
			}
		}
	}
	waits(true, 600*time.Millisecond)
	if w := o.Waits(); w.Blocks != 1 || w.Calls != 1 && !w.Unknown {
		t.Errorf("it waits for %+v", w)
	}
	leave <- true
	same(t, "the call", <-result, 42)
	if native.OwnExecutable() || counted {
		waits(false, testenv.Patience)
		return
	}
	waits(true, 400*time.Millisecond) // whose threads are there is not known
	if w := o.Waits(); w != (live.Waits{Blocks: 1, Unknown: true}) {
		t.Errorf("it waits for %+v", w)
	}
	check(t, o.Quiesce())
	waits(false, 0)
	same(t, "what waits", o.Waits(), live.Waits{})
}

// The same in processes with threads of native code's own: each is waited for until it comes to Go from elsewhere.
func TestCGrace(t *testing.T) {
	cWays(t, "grace.c", func(t *testing.T, command func(string) *exec.Cmd) {
		for _, how := range []string{"held", "checkpoint", "ended"} {
			want := "held: not used again\ncalled: 1\n" + how + ": used again\n"
			switch {
			case how == "held":
				want = "held: not used again\ncalled: 1\nheld: not used again\n"
			case t.Name() == "TestCGrace/library" && !native.OwnExecutable():
				want = "held: not used again\ncalled: 1\n" + how + ": not used again\n"
			}
			r := testenv.Run(t, command(how), testenv.Patience)
			if string(r.Stdout) != want {
				t.Errorf("%s: %v\n%s%s", how, r, r.Stdout, r.Stderr)
			}
		}
	})
}

// So it is where seccomp forbids process_vm_readv, as some containers do.
func TestCGraceForbidden(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "gcc")
	d := testenv.NewDir(t)
	program := d.Program("grace", append(strict(t), "grace.c", "-rdynamic", "-pthread")...)
	cmd := exec.Command(d.Program("forbid", "forbid.c"), testenv.GoProgram(t, "weld/cmd/weld"), "run", program, "checkpoint")
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+t.TempDir())
	r := testenv.Run(t, cmd, testenv.Patience)
	if want := "held: not used again\ncalled: 1\ncheckpoint: used again\n"; string(r.Stdout) != want {
		t.Errorf("%v\n%s%s", r, r.Stdout, r.Stderr)
	}
}

// A call stays one in progress while it waits to answer an upcall: its frames are on the stack.
func TestGraceUpcall(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // what comes from native code waits for the only P
	o := newObject(t, nil, live.Options{})
	emit(t, o, "later", append([]byte{0xb9, 0, 0, 0, 0x04, 0xff, 0xc9, 0x75, 0xfc}, apply...)) // mov $1<<26, %ecx; dec %ecx; jne
	check(t, o.Commit())
	run := function[func(uintptr, int64) int64](t, o.Library(), "later")
	var answered atomic.Bool
	cb, err := weld.NewCallback(func(n int64) int64 {
		answered.Store(true)
		return n
	})
	check(t, err)
	defer cb.Close()
	for range 3 {
		answered.Store(false)
		result := make(chan int64)
		go func() { result <- run(cb.Addr(), 42) }()
		c := native.CallsNow(func(uintptr) bool { return true }, true)
		for calls, _, _ := c.Left(); calls == 0 && !answered.Load(); calls, _, _ = c.Left() { // it has not begun
			c.Drop()
			runtime.Gosched()
			c = native.CallsNow(func(uintptr) bool { return true }, true)
		}
		for !answered.Load() {
			if calls, _, _ := c.Left(); calls != 1 && !answered.Load() {
				t.Errorf("%d calls are in progress", calls)
				break
			}
		}
		c.Drop()
		same(t, "the call", <-result, 42)
	}
}
