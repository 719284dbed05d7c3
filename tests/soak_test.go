package tests

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"weld"
	"weld/internal/testenv"
)

// The tests named Soak run for a while with WELD_SOAK=1 and briefly without.

// TestSoakConcurrent opens, calls, calls back and closes from 64 goroutines
// under garbage collection stress.
func TestSoakConcurrent(t *testing.T) {
	length := 3 * time.Second
	if testenv.Soak() {
		length = time.Minute
	} else if testing.Short() {
		length = time.Second
	}
	d := testenv.NewDir(t)
	var paths []string
	for i := range 8 {
		d.Shared(fmt.Sprintf("libcallee%d.so", i), "lazy_callee.c")
		d.Shared(fmt.Sprintf("liblazy%d.so", i), "lazy.c", fmt.Sprintf("-lcallee%d", i), "-Wl,-z,lazy", "-Wl,-rpath,$ORIGIN")
		paths = append(paths, d.Join(fmt.Sprintf("liblazy%d.so", i)), d.Shared(fmt.Sprintf("libtls%d.so", i), "tls.c", "-pthread"))
	}
	libc := open(t, "libc.so.6")
	sort := bind[func(v []int32, n, size uint64, compare uintptr)](t, libc, "qsort")
	var opens, calls atomic.Int64
	defer debug.SetGCPercent(debug.SetGCPercent(5))
	deadline := time.Now().Add(length)
	var wg sync.WaitGroup
	for g := range 64 {
		wg.Go(func() {
			for i := g; time.Now().Before(deadline) && !t.Failed(); i++ {
				path := paths[i%len(paths)]
				mode := weld.Now
				if i%3 != 0 {
					mode = weld.Lazy
				}
				lib, err := weld.Open(path, mode)
				if err != nil {
					t.Error(err)
					return
				}
				opens.Add(1)
				if strings.Contains(path, "lazy") {
					f := bind[func(a, b, c, d, e, f, g, h float64) float64](t, lib, "call_doubles")
					for range 10 {
						calls.Add(1)
						if got := f(1, 2, 3, 4, 5, 6, 7, 8); got != 204 {
							t.Errorf("call_doubles gives %v", got)
						}
					}
				} else if got := bind[func() int64](t, lib, "in_thread")(); got/10000 != 515 {
					t.Errorf("in_thread gives %d", got)
				}
				if err := lib.Close(); err != nil {
					t.Error(err)
				}
				cb, err := weld.NewCallback(func(a, b *int32) int32 {
					if *a == 3 {
						runtime.Gosched()
					}
					return *a - *b
				})
				if err != nil {
					t.Error(err)
					return
				}
				v := []int32{5, 3, 9, 1, 7, int32(i), 2, 8}
				sort(v, uint64(len(v)), 4, cb.Addr())
				for k := 1; k < len(v); k++ {
					if v[k-1] > v[k] {
						t.Errorf("not sorted: %v", v)
					}
				}
				if err := cb.Close(); err != nil {
					t.Error(err)
				}
				_ = make([]byte, 10_000)
			}
		})
	}
	wg.Wait()
	t.Logf("%d opens, %d calls in %v", opens.Load(), calls.Load(), length)
}

// TestSoakOpenClose ends with the mappings, files and threads it began with.
func TestSoakOpenClose(t *testing.T) {
	rounds := 10_000
	if testing.Short() {
		rounds = 500
	}
	d := testenv.NewDir(t)
	d.Shared("libcallee.so", "lazy_callee.c")
	path := d.Shared("liblazy.so", "lazy.c", "-lcallee", "-Wl,-rpath,$ORIGIN")
	tls := d.Shared("libtls.so", "tls.c", "-pthread")
	bad := d.Shared("libbad.so", d.Write("bad.c", "int absent(void); int f(void) { return absent(); }\n"))
	round := func() {
		lib, err := weld.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := bind[func(n int64) int64](t, lib, "call_by_memory")(4); got != 8 {
			t.Fatalf("call_by_memory gives %d", got)
		}
		second, err := weld.Open(tls)
		if err != nil {
			t.Fatal(err)
		}
		if got := bind[func(int64) int32](t, second, "add")(1); got != 6 {
			t.Fatalf("the thread-local variable is %d, want a new one of 6", got)
		}
		if _, err := weld.Open(bad, weld.Now); err == nil {
			t.Fatal("a library with a missing symbol was opened")
		}
		if err := lib.Close(); err != nil {
			t.Fatal(err)
		}
		if err := second.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// Go's runtime makes its threads in the first rounds.
	for range max(100, rounds/10) {
		round()
	}
	runtime.GC()
	before, threads := hold(t), testenv.Threads(t)
	maps := len(testenv.Maps(t))
	for range rounds {
		round()
	}
	runtime.GC()
	before.same(t, fmt.Sprintf("%d rounds", rounds))
	// Go's runtime makes threads and maps memory of its own now and then, a few more when threads wait for processors.
	if now := testenv.Threads(t); now > threads+25 {
		t.Errorf("%d threads became %d", threads, now)
	}
	if now := len(testenv.Maps(t)); now > maps+50 {
		t.Errorf("%d mappings became %d", maps, now)
	}
}

func TestSoakCallbacks(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 50_000
	}
	call := bind[func(n int64, f uintptr) int64](t, open(t, testenv.NewDir(t).Shared("libfree.so", "freestanding.c")), "each")
	maps := len(testenv.Maps(t))
	live := make([]*weld.Callback, 1000)
	for i := range n {
		cb, err := weld.NewCallback(func(v int64) int64 { return v + int64(i) })
		if err != nil {
			t.Fatalf("callback %d: %v", i, err)
		}
		if i%1000 == 0 {
			if got := call(3, cb.Addr()); got != int64(3+3*i) {
				t.Fatalf("callback %d gives %d", i, got)
			}
		}
		if old := live[i%len(live)]; old != nil {
			if err := old.Close(); err != nil {
				t.Fatal(err)
			}
		}
		live[i%len(live)] = cb
	}
	for _, cb := range live {
		if err := cb.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if now := len(testenv.Maps(t)); now > maps+100 {
		t.Errorf("%d mappings became %d", maps, now)
	}
}

// A callback needs as much Go stack as it likes.
func TestCallbackGrowsStack(t *testing.T) {
	call := bind[func(n int64, f uintptr) int64](t, open(t, testenv.NewDir(t).Shared("libfree.so", "freestanding.c")), "each")
	const depth = 100 << 20 / 1024
	cb := callback(t, func(v int64) int64 { return deep(depth) + v })
	if got := call(2, cb.Addr()); got != 2*depth+1 {
		t.Errorf("two callbacks of depth %d give %d", depth, got)
	}
}

//go:noinline
func deep(n int64) int64 {
	var frame [1000]byte
	frame[n%1000] = 1
	if n == 0 {
		return 0
	}
	return deep(n-1) + int64(frame[n%1000])
}

// A profile is taken, and goroutines are preempted, while native code runs.
func TestProfileAndPreemption(t *testing.T) {
	libm := open(t, "libm.so.6")
	sin := bind[func(float64) float64](t, libm, "sin")
	leaf := bind[func(float64) float64](t, libm, "sin", weld.Leaf)
	z := open(t, "libz.so.1")
	crc := bind[func(crc uint64, p []byte, n uint32) uint64](t, z, "crc32")
	var profile bytes.Buffer
	if err := pprof.StartCPUProfile(&profile); err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 8<<20)
	want := crc(0, data, uint32(len(data)))
	end := time.Now().Add(time.Second)
	var wg sync.WaitGroup
	for range 2 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for time.Now().Before(end) {
				if got := crc(0, data, uint32(len(data))); got != want {
					t.Errorf("crc32 gives %#x, then %#x", want, got)
				}
				for x := range 1000 {
					if sin(float64(x)) != leaf(float64(x)) || math.Abs(sin(float64(x))-math.Sin(float64(x))) > 1e-12 {
						t.Errorf("sin(%d) is %v", x, sin(float64(x)))
					}
				}
			}
		})
	}
	// A tight loop of Go, which only a signal can preempt.
	var spins int64
	wg.Go(func() {
		for time.Now().Before(end) {
			for range 1_000_000 {
				spins++
			}
		}
	})
	for time.Now().Before(end) {
		runtime.GC()
	}
	wg.Wait()
	pprof.StopCPUProfile()
	if profile.Len() == 0 {
		t.Error("the profile is empty")
	}
}

func init() { testenv.Child("fault", faultChild) }

// A fault in native code ends the program with a report that names the library,
// the symbol and the place in the file.
func TestFaultReport(t *testing.T) {
	d := testenv.NewDir(t)
	lib := d.Shared("libfault.so", d.Write("fault.c", "long touch(long *p) { return *p; }\nlong deeper(long *p) { return touch(p) + 1; }\n"), "-fno-inline")
	r := testenv.Run(t, testenv.ChildCommand(t, "fault", lib), testenv.Patience)
	if r.Code == 0 || r.TimedOut {
		t.Errorf("the program did not end by the fault: %v", r)
	}
	for _, word := range []string{"libfault.so", "touch", "0x"} {
		if !bytes.Contains(r.Stderr, []byte(word)) {
			t.Errorf("the report does not contain %q: %v\n%s", word, r, tail(r.Stderr, 60))
		}
	}
}

func faultChild(args []string) {
	lib, err := weld.Open(args[0])
	must(err)
	f, err := weld.Func[func(p unsafe.Pointer) int64](lib, "deeper")
	must(err)
	fmt.Fprintln(os.Stderr, f(pointer(16)))
}
