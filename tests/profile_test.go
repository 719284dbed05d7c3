package tests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	gopprof "runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/google/pprof/profile"

	"weld"
	"weld/internal/testenv"
	"weld/pprof"
)

func init() { testenv.Child("profile", profileChild) }

// spins are the functions of testdata/profile.c.
type spins struct {
	Spin        func(ms int32) int32           `sym:"spin"`
	SpinErrno   func(ms int32) int32           `sym:"spin_errno"`
	SpinCalling func(f uintptr, n int32) int32 `sym:"spin_calling"`
	CallBack    func(f uintptr, n int32) int32 `sym:"call_back"`
	SpinThread  func(ms int32) int32           `sym:"spin_thread"`
	lib         *weld.Library
}

func die(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

//go:noinline
func callsSpin(f func(int32) int32, ms int32) int32 { return f(ms) + 1 }

//go:noinline
func callsBack(f func(uintptr, int32) int32, cb uintptr) int32 { return f(cb, 3) + 1 }

//go:noinline
func calledBack(f func(int32) int32) int32 { return f(100) + 1 }

var burned atomic.Int64

// burnGo uses processor time, as spin does.
//
//go:noinline
func burnGo(d time.Duration) (n int64) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	used := func() int64 {
		var ts syscall.Timespec
		const threadTime = 3 // CLOCK_THREAD_CPUTIME_ID
		syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, threadTime, uintptr(unsafe.Pointer(&ts)), 0)
		return ts.Nano()
	}
	for end := used() + int64(d); used() < end; {
		for range 10_000 {
			n = 3*n + 1
		}
	}
	return n
}

// grow uses a stack that has to be made larger.
//
//go:noinline
func grow(n int) int {
	if n == 0 {
		return 0
	}
	var big [512]byte
	big[n] = 1
	return grow(n-1) + int(big[n])
}

// profileChild takes a profile of what its second argument says and writes it to its third. The first is the library.
func profileChild(args []string) {
	var s spins
	var err error
	s.lib, err = weld.Open(args[0])
	die(err)
	die(weld.Bind(s.lib, &s))
	f, err := os.Create(args[2])
	die(err)
	die(pprof.StartCPUProfile(f))
	profiled[args[1]](&s, args)
	die(pprof.StopCPUProfile())
	die(f.Close())
}

var profiled = map[string]func(s *spins, args []string){
	"calls": func(s *spins, _ []string) {
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				gopprof.Do(context.Background(), gopprof.Labels("worker", fmt.Sprint(i)), func(context.Context) { callsSpin(s.Spin, 300) })
			})
		}
		wg.Wait()
	},
	"leaf": func(s *spins, _ []string) {
		leaf, err := weld.Func[func(int32) int32](s.lib, "spin", weld.Leaf)
		die(err)
		callsSpin(leaf, 300)
	},
	"callback": func(s *spins, _ []string) {
		cb, err := weld.NewCallback(func(int32) int32 { return calledBack(s.Spin) })
		die(err)
		callsBack(s.SpinCalling, cb.Addr())
	},
	"thread": func(s *spins, _ []string) {
		// More samples than Go keeps at once, of native threads alone.
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { s.SpinThread(2500) })
		}
		wg.Wait()
	},
	"closed": func(s *spins, args []string) {
		callsSpin(s.Spin, 300)
		die(s.lib.Close())
		lib, err := weld.Open(args[3])
		die(err)
		spin, err := weld.Func[func(int32) int64](lib, "spin_cxx")
		die(err)
		spin(300)
		die(lib.Close())
	},
	"errno": func(s *spins, _ []string) {
		for range 5 {
			if e := s.SpinErrno(100); e != 123 {
				die(fmt.Errorf("errno is %d after a signal", e))
			}
		}
	},
	"memory": func(s *spins, args []string) {
		b, err := os.ReadFile(args[0])
		die(err)
		lib, err := weld.Load("libinmemory.so", bytes.NewReader(b), int64(len(b)))
		die(err)
		spin, err := weld.Func[func(int32) int32](lib, "spin")
		die(err)
		callsSpin(spin, 300)
	},
	// SIGPROF comes to all threads as fast as it can, so also between any two instructions of the gate.
	"storm": func(s *spins, _ []string) {
		end := time.Now().Add(2500 * time.Millisecond)
		leaf, err := weld.Func[func(int32) int32](s.lib, "spin", weld.Leaf)
		die(err)
		cb, err := weld.NewCallback(func(n int32) int32 {
			runtime.Gosched()
			return s.Spin(0) + leaf(0) + n
		})
		die(err)
		var wg sync.WaitGroup
		while := func(f func() bool) {
			wg.Go(func() {
				for time.Now().Before(end) {
					if !f() {
						die(errors.New("a call has returned something else"))
					}
				}
			})
		}
		while(func() bool { return s.Spin(0) == 1 })
		while(func() bool { return leaf(0) == 1 })
		while(func() bool { return s.CallBack(cb.Addr(), 10) == 10*2+45 })
		while(func() bool { return s.SpinErrno(0) == 123 })
		while(func() bool { return s.SpinThread(0) == 0 })
		while(func() bool { runtime.GC(); return grow(100) == 100 })
		wg.Go(func() {
			for time.Now().Before(end) {
				tasks, err := os.ReadDir("/proc/self/task")
				die(err)
				for range 20 {
					for _, e := range tasks {
						tid, _ := strconv.Atoi(e.Name())
						syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(syscall.Getpid()), uintptr(tid), uintptr(syscall.SIGPROF))
					}
				}
			}
		})
		wg.Wait()
	},
	"mixed": func(s *spins, _ []string) {
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for range 20 {
					callsSpin(s.Spin, 10)
					burned.Add(burnGo(10 * time.Millisecond))
				}
			})
		}
		wg.Wait()
	},
}

// takeProfile runs a child and returns the profile that it has written, and its file.
func takeProfile(t *testing.T, what string, more ...string) (p *profile.Profile, path, lib string) {
	t.Helper()
	lib = testenv.NewDir(t).Shared("libspin.so", "profile.c", "-O1", "-fomit-frame-pointer")
	p, path = takeProfileOf(t, lib, what, more...)
	return p, path, lib
}

func takeProfileOf(t *testing.T, lib, what string, more ...string) (p *profile.Profile, path string) {
	t.Helper()
	path = testenv.NewDir(t).Join("cpu.pprof")
	r := testenv.Run(t, testenv.ChildCommand(t, "profile", append([]string{lib, what, path}, more...)...), testenv.Patience)
	if r.Code != 0 {
		t.Fatalf("%s: %v\n%s%s", what, r, r.Stdout, r.Stderr)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err = profile.ParseData(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.CheckValid(); err != nil {
		t.Fatal(err)
	}
	return p, path
}

// stackOf returns the functions of a sample, the leaf first.
func stackOf(s *profile.Sample) (list []string) {
	for _, l := range s.Location {
		for _, n := range l.Line {
			list = append(list, n.Function.Name)
		}
	}
	return list
}

// inOrder reports whether the names of want are in list in this order, with others between.
func inOrder(list []string, want ...string) bool {
	for _, s := range list {
		if len(want) > 0 && s == want[0] {
			want = want[1:]
		}
	}
	return len(want) == 0
}

// count adds up the samples that f is true of, and all.
func count(p *profile.Profile, f func(stack []string, s *profile.Sample) bool) (n, all int64) {
	for _, s := range p.Sample {
		all += s.Value[0]
		if f(stackOf(s), s) {
			n += s.Value[0]
		}
	}
	return n, all
}

// mostly fails the test if fewer than percent of the samples have a stack with these functions in this order, or if there
// are fewer than least of them, or if Go did not know where some were.
func mostly(t *testing.T, p *profile.Profile, percent, least int64, want ...string) {
	t.Helper()
	n, all := count(p, func(stack []string, _ *profile.Sample) bool { return inOrder(stack, want...) })
	if n < least || 100*n < percent*all {
		t.Errorf("%d of %d samples have the functions %v, wanted %d%% and %d\n%v", n, all, want, percent, least, p)
	}
	external, _ := count(p, func(stack []string, _ *profile.Sample) bool {
		return slices.Contains(stack, "runtime._ExternalCode") || slices.Contains(stack, "[native code]") ||
			slices.Contains(stack, "weld/pprof.nativeCode")
	})
	if 100*external > 2*all {
		t.Errorf("%d of %d samples are of code without a name\n%v", external, all, p)
	}
}

func TestProfileCalls(t *testing.T) {
	p, path, lib := takeProfile(t, "calls")
	mostly(t, p, 70, 60, "inner", "spin", "weld/tests.callsSpin")
	for i := range 4 {
		n, _ := count(p, func(stack []string, s *profile.Sample) bool {
			return slices.Contains(stack, "spin") && slices.Equal(s.Label["worker"], []string{fmt.Sprint(i)})
		})
		if n < 10 {
			t.Errorf("%d samples have the label of goroutine %d, which spun for 300 ms\n%v", n, i, p)
		}
	}
	testenv.Need(t, "go")
	tool := func(args ...string) string {
		r := testenv.Run(t, exec.Command("go", append([]string{"tool", "pprof"}, append(args, path)...)...), testenv.Patience)
		if r.Code != 0 {
			t.Errorf("go tool pprof %v: %v\n%s", args, r, r.Stderr)
		}
		return string(r.Stdout)
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"-top"}, []string{" burn", " inner", " weld/tests.callsSpin"}},
		{[]string{"-traces"}, []string{"spin\n             weld/native.", "weld/tests.callsSpin\n"}},
		{[]string{"-list=burn"}, []string{"profile.c", "sink += i * i"}},
		{[]string{"-disasm=burn"}, []string{"ROUTINE", "burn", "MOVQ"}},
		{[]string{"-raw"}, []string{lib}},
	} {
		out := tool(c.args...)
		for _, w := range c.want {
			if !strings.Contains(out, w) {
				t.Errorf("go tool pprof %v does not say %q:\n%s", c.args, w, out)
			}
		}
		if strings.Contains(out, "_ExternalCode") {
			t.Errorf("go tool pprof %v:\n%s", c.args, out)
		}
	}
}

func TestProfileLeaf(t *testing.T) {
	p, _, _ := takeProfile(t, "leaf")
	mostly(t, p, 60, 15, "inner", "spin", "weld/tests.callsSpin", "weld/tests.profileChild")
}

func TestProfileCallback(t *testing.T) {
	p, _, _ := takeProfile(t, "callback")
	mostly(t, p, 40, 15, "inner", "spin", "weld/tests.calledBack", "weld/tests.callsBack", "weld/tests.profileChild")
	mostly(t, p, 10, 4, "inner", "spin_calling", "weld/tests.callsBack")
}

func TestProfileThread(t *testing.T) {
	p, _, _ := takeProfile(t, "thread")
	mostly(t, p, 60, 300, "inner", "body")
	if n, all := count(p, func(s []string, _ *profile.Sample) bool {
		return slices.ContainsFunc(s, func(f string) bool { return strings.HasPrefix(f, "runtime._Lost") || f == "weld/pprof.raise" })
	}); n != 0 {
		t.Errorf("%d of %d samples of native threads were lost\n%v", n, all, p)
	}
}

func TestProfileClosed(t *testing.T) {
	cxx := testenv.NewDir(t).Shared("libspincxx.so", "profile.cc")
	p, _, lib := takeProfile(t, "closed", cxx)
	mostly(t, p, 30, 15, "inner", "spin", "weld/tests.callsSpin")
	mostly(t, p, 30, 15, "shapes::circle::turn", "spin_cxx")
	for _, want := range []string{lib, cxx} {
		if !slices.ContainsFunc(p.Mapping, func(m *profile.Mapping) bool { return m.File == want && m.BuildID != "" }) {
			t.Errorf("the profile does not have the mapping of %s\n%v", want, p)
		}
	}
}

func TestProfileErrno(t *testing.T) {
	p, _, _ := takeProfile(t, "errno")
	mostly(t, p, 60, 25, "inner", "spin_errno")
}

func TestProfileMemory(t *testing.T) {
	p, _, _ := takeProfile(t, "memory")
	mostly(t, p, 60, 15, "inner", "spin", "weld/tests.callsSpin")
}

func TestProfileMixed(t *testing.T) {
	p, _, _ := takeProfile(t, "mixed")
	mostly(t, p, 25, 15, "inner", "spin", "weld/tests.callsSpin")
	mostly(t, p, 20, 10, "weld/tests.burnGo")
}

func TestProfileStorm(t *testing.T) {
	p, _, _ := takeProfile(t, "storm")
	n, all := count(p, func(stack []string, _ *profile.Sample) bool {
		return slices.Contains(stack, "spin") || slices.Contains(stack, "now") || slices.Contains(stack, "call_back")
	})
	t.Logf("%d of %d samples are native", n, all)
	if all < 1000 || n < 20 {
		t.Errorf("%d of %d samples are native", n, all)
	}
}

// With musl, of which little says how its frames are left.
func TestProfileMusl(t *testing.T) {
	if startedWith != "" {
		return // which is not musl
	}
	testenv.Need(t, "musl-gcc")
	lib := testenv.NewDir(t).MuslShared("libspinmusl.so", "profile.c", "-O1", "-Wl,--eh-frame-hdr")
	p, _ := takeProfileOf(t, lib, "calls")
	mostly(t, p, 70, 60, "inner", "spin", "weld/tests.callsSpin")
	p, _ = takeProfileOf(t, lib, "thread")
	mostly(t, p, 60, 300, "inner", "body")
}

// A profile can be taken any number of times, while native code runs, and what the program does with signals is not
// touched. Go's own profiles are what they were.
func TestProfileRepeated(t *testing.T) {
	d := testenv.NewDir(t)
	lib := open(t, d.Shared("libspin.so", "profile.c", "-O1", "-fomit-frame-pointer"))
	var s spins
	bindAll(t, lib, &s)
	got := make(chan os.Signal, 1000)
	signal.Notify(got, syscall.SIGPROF, syscall.SIGUSR2)
	defer signal.Stop(got)
	stop := make(chan bool)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					s.Spin(1)
					runtime.Gosched() // Go's profiler notes that it is on when it schedules
				}
			}
		})
	}
	for range 100 {
		if err := pprof.StartCPUProfile(io.Discard); err != nil {
			t.Fatal(err)
		}
		if err := pprof.StartCPUProfile(io.Discard); !errors.Is(err, pprof.ErrRunning) {
			t.Fatalf("a second profile: %v", err)
		}
		if err := pprof.StopCPUProfile(); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := gopprof.StartCPUProfile(&b); err != nil {
		t.Fatal(err)
	}
	var pe *pprof.Error
	if err := pprof.StartCPUProfile(io.Discard); !errors.Is(err, pprof.ErrRunning) || !errors.As(err, &pe) {
		t.Errorf("beside runtime/pprof: %v", err)
	}
	used := func() int64 { // processor time
		var r syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &r)
		return r.Utime.Nano() + r.Stime.Nano()
	}
	for begin := used(); used() < begin+int64(300*time.Millisecond); {
		time.Sleep(10 * time.Millisecond)
	}
	gopprof.StopCPUProfile()
	close(stop)
	wg.Wait()
	p, err := profile.ParseData(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if n, all := count(p, func(stack []string, _ *profile.Sample) bool {
		return slices.Contains(stack, "weld/pprof.nativeCode")
	}); n != 0 || all == 0 {
		t.Errorf("%d of %d samples of Go's own profile are marked", n, all)
	}
	if err := pprof.StopCPUProfile(); err != nil {
		t.Errorf("without a profile: %v", err)
	}
	syscall.Kill(syscall.Getpid(), syscall.SIGUSR2)
	if sig := <-got; sig != syscall.SIGUSR2 {
		t.Errorf("the program was notified of %v", sig)
	}
}

// A writer that fails is told of.
func TestProfileWrite(t *testing.T) {
	if err := pprof.StartCPUProfile(failingWriter{}); err != nil {
		t.Fatal(err)
	}
	var pe *pprof.Error
	if err := pprof.StopCPUProfile(); !errors.As(err, &pe) || pe.Op != "write" || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("the error is %v", err)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, syscall.ENOSPC }
