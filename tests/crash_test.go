package tests

import (
	"bytes"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"weld"
	"weld/internal/testenv"
)

func init() { testenv.Child("crash", crashChild) }

// crashes are the functions of testdata/crash.c.
type crashes struct {
	Crash       func(how int32) int32          `sym:"crash"`
	CrashThread func(how int32) int32          `sym:"crash_thread"`
	CallBack    func(f uintptr, n int32) int32 `sym:"call_back"`
	WaitLong    func(flag *int32) int32        `sym:"wait_long"`
	RaiseKeeps  func(pid, tid int32) int32     `sym:"raise_keeps"`
	RaiseOwning func() int32                   `sym:"raise_owning"`
}

//go:noinline
func callsCrash(f func(int32) int32, how int32) int32 { return f(how) + 1 }

// crashChild does what its second argument says with the library that the first names.
func crashChild(args []string) {
	lib, err := weld.Open(args[0])
	die(err)
	var c crashes
	die(weld.Bind(lib, &c))
	how := int32(0)
	if len(args) > 2 {
		n, err := strconv.Atoi(args[2])
		die(err)
		how = int32(n)
	}
	switch args[1] {
	case "call":
		callsCrash(c.Crash, how)
	case "leaf":
		f, err := weld.Func[func(int32) int32](lib, "crash", weld.Leaf)
		die(err)
		callsCrash(f, how)
	case "thread":
		callsCrash(c.CrashThread, how)
	case "nested":
		cb, err := weld.NewCallback(func(n int32) int32 { return callsCrash(c.Crash, n) })
		die(err)
		c.CallBack(cb.Addr(), how)
	case "panic":
		cb, err := weld.NewCallback(func(n int32) int32 { panic("not caught") })
		die(err)
		c.CallBack(cb.Addr(), how)
	case "closed":
		cb, err := weld.NewCallback(func(n int32) int32 { return n })
		die(err)
		die(cb.Close())
		c.CallBack(cb.Addr(), how)
	case "cxx":
		cxx, err := weld.Open(args[3])
		die(err)
		f, err := weld.Func[func(int32) int32](cxx, "throw_uncaught")
		die(err)
		callsCrash(f, 1)
	case "notify":
		got := make(chan os.Signal, 10)
		signal.Notify(got, syscall.SIGABRT, syscall.SIGTRAP)
		runtime.LockOSThread()
		if n := c.RaiseKeeps(int32(syscall.Getpid()), int32(syscall.Gettid())); n != 0 {
			die(fmt.Errorf("%d registers have changed", n))
		}
		fmt.Println(<-got)
		fmt.Println(callsCrash(c.Crash, 1), <-got)
		fmt.Println(callsCrash(c.Crash, 2), <-got)
		fmt.Println(c.CrashThread(1), <-got)
		callsCrash(c.Crash, how) // abort ends the process whoever has been notified
	case "wait", "waitleaf":
		runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))) // a leaf call keeps its P, and the signal is sent by another goroutine
		f := c.WaitLong
		if args[1] == "waitleaf" {
			f, err = weld.Func[func(*int32) int32](lib, "wait_long", weld.Leaf)
			die(err)
		}
		go func() {
			for atomic.LoadInt32(&waiting[1]) == 0 {
				time.Sleep(time.Millisecond)
			}
			sig := syscall.SIGQUIT
			if how == 1 {
				sig = syscall.SIGABRT
			}
			syscall.Kill(syscall.Getpid(), sig)
		}()
		callsWait(f)
	case "elsewhere": // on a native thread that the C library did not begin with
		cb, err := weld.NewCallback(func(n int32) int32 {
			go func() {
				runtime.LockOSThread()
				if r := c.RaiseOwning(); r != 0 {
					die(fmt.Errorf("a mutex that is held while a signal is raised: %#x", r))
				}
				callsCrash(c.Crash, n)
				die(fmt.Errorf("not reached"))
			}()
			select {}
		})
		die(err)
		c.CallBack(cb.Addr(), how)
	}
	fmt.Println("not reached")
}

// waiting is what wait_long waits for, and that it does.
var waiting [2]int32

//go:noinline
func callsWait(f func(*int32) int32) int32 { return f(&waiting[0]) + waiting[0] }

// What a report of a crash in native code says, and how the process ends: as it does where Go code has crashed.
func TestCrash(t *testing.T) {
	d := testenv.NewDir(t)
	lib := d.Shared("libcrash.so", "crash.c", "raise.s", "-O1", "-fomit-frame-pointer")
	cxx := d.Shared("libcrashcxx.so", "crash_cxx.cc")
	inside := []string{"native callers:", lib + "+0x", " in crash_inside+0x", " in crash+0x"}
	goSide := []string{"weld/tests.callsCrash(", "weld/tests.crashChild("}
	for _, c := range []struct {
		name   string
		args   []string
		want   [][]string
		code   int
		signal syscall.Signal
		env    string
	}{
		{"abort", []string{"call", "0"}, [][]string{{"weld: SIGABRT in native code: ", "libc.so.6+", " in abort+0x", " in die_of+0x"}, inside, goSide, {"SIGABRT: abort"}}, 2, 0, ""},
		{"abort in a leaf call", []string{"leaf", "0"}, [][]string{{"weld: SIGABRT in native code: "}, inside, goSide}, 2, 0, ""},
		{"abort in a callback", []string{"nested", "0"}, [][]string{{"weld: SIGABRT in native code: "}, inside, goSide}, 2, 0, ""},
		{"abort in a thread", []string{"thread", "0"}, [][]string{{"weld: SIGABRT in native code, on a thread made by it: "}, inside, {" in body+0x"}, goSide}, 2, 0, ""},
		{"raise", []string{"call", "1"}, [][]string{{"weld: SIGABRT in native code: "}, inside, goSide}, 2, 0, ""},
		{"breakpoint", []string{"call", "2"}, [][]string{{"weld: SIGTRAP in native code: "}, inside, goSide}, 2, 0, ""},
		{"trap", []string{"call", "3"}, [][]string{{"weld: SIGILL in native code: "}, inside, goSide}, 2, 0, ""},
		{"raise of SIGFPE", []string{"call", "4"}, [][]string{{"weld: SIGFPE in native code: "}, inside, goSide}, 2, 0, ""},
		{"fault", []string{"call", "5"}, [][]string{{"weld: SIGSEGV in native code: ", "addr=0x10"}, inside, goSide}, 2, 0, ""},
		{"fault in a thread", []string{"thread", "5"}, [][]string{{"weld: SIGSEGV in native code, on a thread made by it: "}, inside, {" in body+0x"}}, 2, 0, ""},
		{"division", []string{"call", "6"}, [][]string{{"weld: SIGFPE in native code: "}, inside, goSide}, 2, 0, ""},
		{"core of a fault", []string{"call", "5"}, [][]string{{"weld: SIGSEGV in native code: "}, inside, goSide}, -1, syscall.SIGABRT, "crash"},
		{"core of abort", []string{"call", "0"}, [][]string{{"weld: SIGABRT in native code: "}, inside, goSide}, -1, syscall.SIGABRT, "crash"},
		{"exception", []string{"cxx", "0", cxx}, [][]string{{"nobody catches this", "weld: SIGABRT in native code: ", " in throw_uncaught+0x"}, goSide}, 2, 0, ""},
		{"panic in a callback", []string{"panic", "0"}, [][]string{{"panic: not caught", "weld/tests.crashChild.func2("}, {"weld/tests.crashChild("}}, 2, 0, ""},
		{"closed callback", []string{"closed", "0"}, [][]string{{"panic: callback from 0x", lib, "in call_back+0x", "native code called a callback that is closed"}}, 2, 0, ""},
		{"SIGQUIT", []string{"wait", "0"}, [][]string{{"SIGQUIT: quit", "weld/tests.callsWait("}}, 2, 0, ""},
		{"SIGQUIT in a leaf call", []string{"waitleaf", "0"}, [][]string{{"SIGQUIT: quit"}}, 2, 0, ""},
		{"SIGABRT from outside", []string{"wait", "1"}, [][]string{{"SIGABRT: abort", "weld/tests.callsWait("}}, 2, 0, ""},
		{"notified", []string{"notify", "0"}, [][]string{{"weld: SIGABRT in native code: "}, inside}, -1, syscall.SIGABRT, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmd := testenv.ChildCommand(t, "crash", append([]string{lib}, c.args...)...)
			cmd.Dir = d.Path
			if c.env != "" {
				cmd.Env = append(cmd.Env, "GOTRACEBACK="+c.env)
			}
			r := testenv.Run(t, cmd, testenv.Patience)
			if r.Code != c.code || r.Signal != c.signal || bytes.Contains(r.Stdout, []byte("not reached")) {
				t.Errorf("%v, wanted exit status %d or %v\n%s%s", r, c.code, c.signal, r.Stdout, r.Stderr)
			}
			for _, group := range c.want {
				rest := string(r.Stderr)
				for _, w := range group {
					_, after, ok := strings.Cut(rest, w)
					if !ok {
						t.Errorf("the report does not say %q, of %q in this order:\n%s", w, group, r.Stderr)
						break
					}
					rest = after
				}
			}
			if c.name == "notified" && string(r.Stdout) != "aborted\n3 aborted\n3 trace/breakpoint trap\n0 aborted\n" {
				t.Errorf("the program was told of\n%s%s", r.Stdout, r.Stderr)
			}
		})
	}
}

// With musl, whose abort is another one.
func TestCrashMusl(t *testing.T) {
	if startedWith != "" {
		return // which is not musl
	}
	testenv.Need(t, "musl-gcc")
	lib := testenv.NewDir(t).MuslShared("libcrashmusl.so", "crash.c", "raise.s", "-O1", "-Wl,--eh-frame-hdr")
	const reported, foreign = "weld: SIGABRT in native code: ", "weld: SIGABRT in native code, on a thread made by it: "
	const abort, raise, assert, kill = "0", "1", "7", "8"
	for _, c := range []struct{ what, how, want, in string }{
		{"call", abort, reported, "abort"}, {"thread", abort, foreign, "abort"},
		{"elsewhere", abort, reported, "abort"}, {"elsewhere", raise, reported, "raise"},
		{"elsewhere", assert, reported, "abort"}, {"elsewhere", kill, reported, "pthread_kill"}, {"thread", kill, foreign, "pthread_kill"},
	} {
		r := testenv.Run(t, testenv.ChildCommand(t, "crash", lib, c.what, c.how), testenv.Patience)
		if r.Code != 2 || !bytes.Contains(r.Stderr, []byte(c.want)) || !bytes.Contains(r.Stderr, []byte(" in "+c.in+"+0x")) ||
			!bytes.Contains(r.Stderr, []byte(" in crash_inside+0x")) {
			t.Errorf("%s %s: %v\n%s", c.what, c.how, r, r.Stderr)
		}
		if !bytes.Contains(r.Stderr, []byte("SIGABRT: abort")) || !bytes.Contains(r.Stderr, []byte("weld/tests.callsCrash(")) {
			t.Errorf("%s %s: Go does not tell of its callers\n%s", c.what, c.how, r.Stderr)
		}
	}
}
