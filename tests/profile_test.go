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
	Spin        func(ms int32) int32               `sym:"spin"`
	SpinErrno   func(ms int32) int32               `sym:"spin_errno"`
	SpinCalling func(f uintptr, n, ms int32) int32 `sym:"spin_calling"`
	CallBack    func(f uintptr, n int32) int32     `sym:"call_back"`
	SpinThread  func(ms int32) int32               `sym:"spin_thread"`
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
func callsBack(f func(uintptr, int32, int32) int32, cb uintptr) int32 { return f(cb, 3, ms(50)) + 1 }

//go:noinline
func calledBack(f func(int32) int32) int32 { return f(ms(100)) + 1 }

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

// longer is how many times as long as usual a child spins; see takeProfileOf.
var longer = 1

// ms is a time to spin.
func ms(n int) int32 { return int32(n * longer) }

// profileChild takes a profile of what its second argument says and writes it to its third. The first is the library, the
// fourth how many times as long as usual it spins.
func profileChild(args []string) {
	var s spins
	var err error
	longer, err = strconv.Atoi(args[3])
	die(err)
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
				gopprof.Do(context.Background(), gopprof.Labels("worker", fmt.Sprint(i)), func(context.Context) { callsSpin(s.Spin, ms(300)) })
			})
		}
		wg.Wait()
	},
	"leaf": func(s *spins, _ []string) {
		leaf, err := weld.Func[func(int32) int32](s.lib, "spin", weld.Leaf)
		die(err)
		callsSpin(leaf, ms(300))
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
			wg.Go(func() { s.SpinThread(ms(2500)) })
		}
		wg.Wait()
	},
	"closed": func(s *spins, args []string) {
		callsSpin(s.Spin, ms(300))
		die(s.lib.Close())
		lib, err := weld.Open(args[4])
		die(err)
		spin, err := weld.Func[func(int32) int64](lib, "spin_cxx")
		die(err)
		spin(ms(300))
		die(lib.Close())
	},
	"errno": func(s *spins, _ []string) {
		for range 5 {
			if e := s.SpinErrno(ms(100)); e != 123 {
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
		callsSpin(spin, ms(300))
	},
	// SIGPROF comes to all threads as fast as it can, so also between any two instructions of the gate.
	"storm": func(s *spins, _ []string) {
		end := time.Now().Add(time.Duration(longer) * 2500 * time.Millisecond)
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
				// Not in step with the samples, which come every 10 ms.
				for i := range 35 * longer {
					n := 4 + 7*i%13
					callsSpin(s.Spin, int32(n))
					burned.Add(burnGo(time.Duration(n) * time.Millisecond))
				}
			})
		}
		wg.Wait()
	},
}

// wanted says what samples a profile has to have: of those with a function as their leaf, or any for "", at least so many, and at least
// percent of all of those, with these callers, in this order with others between, and with this label of a worker unless it is "".
// What Go does at the same time, such as reading symbols, makes the more samples the slower the machine is: it does not count.
type wanted struct {
	least, percent int64
	function       string
	callers        []string
	worker         string
}

// in returns how many samples there are as wanted, and how many of the function in all.
func (w wanted) in(p *profile.Profile) (n, all int64) {
	leaf := func(stack []string, _ *profile.Sample) bool {
		return w.function == "" || len(stack) > 0 && stack[0] == w.function
	}
	n, _ = count(p, func(stack []string, s *profile.Sample) bool {
		return leaf(stack, s) && inOrder(stack, w.callers...) && (w.worker == "" || slices.Equal(s.Label["worker"], []string{w.worker}))
	})
	all, _ = count(p, leaf)
	return n, all
}

// takeProfile runs a child and returns the profile that it has written, its file, and the library.
func takeProfile(t *testing.T, want []wanted, what string, more ...string) (p *profile.Profile, path, lib string) {
	t.Helper()
	lib = testenv.NewDir(t).Shared("libspin.so", "profile.c", "-O1", "-fomit-frame-pointer")
	p, path = takeProfileOf(t, lib, want, what, more...)
	return p, path, lib
}

// takeProfileOf is takeProfile of a library. The kernel looks only at its ticks whether SIGPROF is due, and sends one for all
// that have become due since: where threads wait for processors, or the machine does, that is much less than one every 10 ms
// of processor time. So the child spins again, for longer, until there are samples enough.
func takeProfileOf(t *testing.T, lib string, want []wanted, what string, more ...string) (p *profile.Profile, path string) {
	t.Helper()
	path = testenv.NewDir(t).Join("cpu.pprof")
	few := func(w wanted) bool { n, _ := w.in(p); return n < w.least }
	enough := func() bool {
		n, _ := unnamed(p)
		return !slices.ContainsFunc(want, few) || n > 100 // which are those
	}
	for times := 1; times <= 32 && (p == nil || !enough()); times *= 2 {
		args := append([]string{lib, what, path, strconv.Itoa(times)}, more...)
		r := testenv.Run(t, testenv.ChildCommand(t, "profile", args...), testenv.Patience)
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
	}
	for _, w := range want {
		if n, all := w.in(p); n < w.least || 100*n < w.percent*all {
			t.Errorf("%d of %d samples in %s are as wanted: %+v\n%v", n, all, w.function, w, p)
		}
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

// unnamed counts the samples of code without a name, and all.
func unnamed(p *profile.Profile) (n, all int64) {
	return count(p, func(stack []string, _ *profile.Sample) bool {
		return slices.Contains(stack, "runtime._ExternalCode") || slices.Contains(stack, "[native code]") ||
			slices.Contains(stack, "weld/pprof.nativeCode")
	})
}

// allNamed fails the test if samples are of native code without a name. In a program built with cgo Go's runtime and the race
// detector call the C library by themselves, for mmap among others, of which Go's profiler knows no more than
// runtime._ExternalCode.
func allNamed(t *testing.T, p *profile.Profile) {
	t.Helper()
	n, all := unnamed(p)
	most := 1 + all/50
	if startedWith != "" {
		most = 5 + all/5
	}
	if n > most {
		t.Errorf("%d of %d samples are of code without a name\n%v", n, all, p)
	}
}

var callsSpins = []string{"inner", "spin", "weld/tests.callsSpin"}

func TestProfileCalls(t *testing.T) {
	want := []wanted{{60, 80, "burn", callsSpins, ""}}
	for i := range 4 {
		want = append(want, wanted{10, 0, "burn", callsSpins, fmt.Sprint(i)})
	}
	p, path, lib := takeProfile(t, want, "calls")
	allNamed(t, p)
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
	p, _, _ := takeProfile(t, []wanted{{15, 80, "burn", append(callsSpins[:3:3], "weld/tests.profileChild"), ""}}, "leaf")
	allNamed(t, p)
}

func TestProfileCallback(t *testing.T) {
	// Three quarters of the time are of the callback.
	p, _, _ := takeProfile(t, []wanted{
		{15, 20, "burn", []string{"inner", "spin", "weld/tests.calledBack", "weld/tests.callsBack", "weld/tests.profileChild"}, ""},
		{4, 0, "burn", []string{"inner", "spin_calling", "weld/tests.callsBack"}, ""},
		{15, 80, "burn", []string{"inner", "weld/tests.callsBack", "weld/tests.profileChild"}, ""},
	}, "callback")
	allNamed(t, p)
}

func TestProfileThread(t *testing.T) {
	p, _, _ := takeProfile(t, []wanted{{300, 80, "burn", []string{"inner", "body"}, ""}}, "thread")
	allNamed(t, p)
	if n, all := count(p, func(s []string, _ *profile.Sample) bool {
		return slices.ContainsFunc(s, func(f string) bool { return strings.HasPrefix(f, "runtime._Lost") || f == "weld/pprof.raise" })
	}); n != 0 {
		t.Errorf("%d of %d samples of native threads were lost\n%v", n, all, p)
	}
}

func TestProfileClosed(t *testing.T) {
	cxx := testenv.NewDir(t).Shared("libspincxx.so", "profile.cc")
	p, _, lib := takeProfile(t, []wanted{
		{15, 80, "burn", callsSpins, ""},
		{15, 80, "shapes::circle::turn", []string{"spin_cxx", "weld/tests.profileChild"}, ""},
	}, "closed", cxx)
	allNamed(t, p)
	for _, want := range []string{lib, cxx} {
		if !slices.ContainsFunc(p.Mapping, func(m *profile.Mapping) bool { return m.File == want && m.BuildID != "" }) {
			t.Errorf("the profile does not have the mapping of %s\n%v", want, p)
		}
	}
}

func TestProfileErrno(t *testing.T) {
	p, _, _ := takeProfile(t, []wanted{{25, 80, "burn", []string{"inner", "spin_errno"}, ""}}, "errno")
	allNamed(t, p)
}

func TestProfileMemory(t *testing.T) {
	p, _, _ := takeProfile(t, []wanted{{15, 80, "burn", callsSpins, ""}}, "memory")
	allNamed(t, p)
}

// Native code has as many samples as Go code that takes as long.
func TestProfileMixed(t *testing.T) {
	native, inGo := wanted{40, 80, "burn", callsSpins, ""}, wanted{40, 0, "weld/tests.burnGo", nil, ""}
	p, _, _ := takeProfile(t, []wanted{native, inGo}, "mixed")
	allNamed(t, p)
	n, _ := native.in(p)
	if m, _ := inGo.in(p); 4*n < m || 4*m < n {
		t.Errorf("%d samples are native and %d are Go's\n%v", n, m, p)
	}
}

func TestProfileStorm(t *testing.T) {
	takeProfile(t, []wanted{{1000, 0, "", nil, ""}, {20, 0, "", []string{"spin"}, ""}}, "storm")
}

// With musl, of which little says how its frames are left.
func TestProfileMusl(t *testing.T) {
	if startedWith != "" {
		return // which is not musl
	}
	testenv.Need(t, "musl-gcc")
	lib := testenv.NewDir(t).MuslShared("libspinmusl.so", "profile.c", "-O1", "-Wl,--eh-frame-hdr")
	p, _ := takeProfileOf(t, lib, []wanted{{60, 80, "burn", callsSpins, ""}}, "calls")
	allNamed(t, p)
	p, _ = takeProfileOf(t, lib, []wanted{{300, 80, "burn", []string{"inner", "body"}, ""}}, "thread")
	allNamed(t, p)
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
