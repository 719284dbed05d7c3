package native

import (
	"errors"
	"os"
	"regexp"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"weld/internal/testenv"
)

func init() {
	testenv.Child("sampler", samplerChild)
	testenv.Child("sampler full", samplerFullChild)
}

// offsets compares what an assembly file defines under names of a prefix with what Go has.
func offsets(t *testing.T, file, prefix string, want map[string]uintptr) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^#define\s+(`+prefix+`\w+)\s+(\w+)`).FindAllStringSubmatch(string(data), -1) {
		got, err := strconv.ParseUint(m[2], 0, 64)
		if err != nil {
			t.Fatalf("%s: %v", m[0], err)
		}
		w, ok := want[m[1]]
		if !ok || uintptr(got) != w {
			t.Errorf("%s: %s is %d, wanted %d", file, m[1], got, w)
		}
		delete(want, m[1])
	}
	for name := range want {
		t.Errorf("%s does not define %s", file, name)
	}
}

func TestSampleOffsets(t *testing.T) {
	var q samplerState
	var e sampleRecord
	offsets(t, "sample_amd64.s", "[QEs][_a]", map[string]uintptr{
		"Q_ring": unsafe.Offsetof(q.ring), "Q_size": unsafe.Offsetof(q.size), "Q_head": unsafe.Offsetof(q.head),
		"Q_tail": unsafe.Offsetof(q.tail), "Q_next": unsafe.Offsetof(q.next), "Q_limit": unsafe.Offsetof(q.limit),
		"Q_markers": unsafe.Offsetof(q.markers), "Q_lost": unsafe.Offsetof(q.lost), "Q_chained": unsafe.Offsetof(q.chained),
		"E_head": unsafe.Offsetof(e.head), "E_id": unsafe.Offsetof(e.id), "E_bytes": unsafe.Offsetof(e.bytes),
		"E_goSP": unsafe.Offsetof(e.goSP), "E_code": unsafe.Offsetof(e.code), "E_regs": unsafe.Offsetof(e.regs),
		"E_stack": unsafe.Sizeof(e), "sampleStack": sampleStack, "sampleDone": sampleDone, "samplePad": samplePad,
	})
}

func TestRaiseFrame(t *testing.T) {
	var b raiseFrame
	if unsafe.Sizeof(b) > 256 {
		t.Error("a raiseFrame is larger than its room")
	}
	offsets(t, "raise_amd64.s", "B_", map[string]uintptr{
		"B_signal": unsafe.Offsetof(b.signal), "B_back": unsafe.Offsetof(b.back), "B_regs": unsafe.Offsetof(b.regs),
	})
}

// spinning has a native function called that spins, and sends its kernel thread SIGPROF n times meanwhile. pause is called
// after each.
func spinning(t testing.TB, n int, pause func(i int)) {
	bringUp(t)
	// movl $1, 4(%rdi); cmpl $0, (%rdi); je .-3; ret
	spin := fn[func(flags *[2]int32)](t, code(t, 0xc7, 0x47, 0x04, 1, 0, 0, 0, 0x83, 0x3f, 0x00, 0x74, 0xfb, 0xc3), false)
	tid, done := make(chan int), make(chan bool)
	flags := new([2]int32)
	go func() {
		runtime.LockOSThread()
		tid <- syscall.Gettid()
		spin(flags)
		done <- true
	}()
	id := <-tid
	for atomic.LoadInt32(&flags[1]) == 0 {
		time.Sleep(100 * time.Microsecond)
	}
	for i := range n {
		syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(syscall.Getpid()), uintptr(id), uintptr(syscall.SIGPROF))
		pause(i)
	}
	atomic.StoreInt32(&flags[0], 1)
	<-done
}

// samplerChild takes samples without a profile: Go does not count them, and each is there with its registers and stack.
func samplerChild([]string) {
	var t inChild
	bringUp(t)
	const first, limit = 10, 20
	if err := StartSampler(0x1000, first, limit); err != nil {
		t.Fatal(err)
	}
	var se *SamplerError
	if err := StartSampler(0x1000, first, limit); !errors.As(err, &se) {
		t.Fatal("a second sampler: ", err)
	}
	next := first
	read := func() {
		ReadSamples(func(s *Sample) {
			if s.ID != next || s.Foreign || len(s.Stack) < 8 || len(s.Stack) > sampleStack {
				t.Fatal("a sample is ", s.ID, s.Foreign, len(s.Stack))
			}
			if w, ok := s.Word(s.Regs[15]); !ok || w == 0 {
				t.Fatal("no return address")
			}
			if _, ok := s.Word(s.Regs[15] - 8); ok {
				t.Fatal("a word below the stack")
			}
			if _, ok := s.Word(s.Regs[15] + uint64(len(s.Stack))); ok {
				t.Fatal("a word behind the stack")
			}
			next++
		})
	}
	spinning(t, 15, func(i int) {
		for end := time.Now().Add(testenv.Patience); NextSampleID() != first+i+1 && time.Now().Before(end); {
			time.Sleep(100 * time.Microsecond)
		}
		read()
	})
	if next != limit || SamplesLost() != 5 || NextSampleID() != first+15 {
		t.Fatal("the next id is ", next, ", samples lost: ", SamplesLost(), ", ids given out up to ", NextSampleID())
	}
	StopSampler()
	StopSampler()
	spinning(t, 1, func(int) { time.Sleep(10 * time.Millisecond) })
	if NextSampleID() != first+15 {
		t.Fatal("a sample was taken after the end")
	}
	os.Stdout.WriteString("fine\n")
}

func TestSampler(t *testing.T) { run(t, "fine\n", "sampler") }

// samplerFullChild does not read: the ring fills up, and samples are counted as lost. Then it goes on where it was.
func samplerFullChild([]string) {
	var t inChild
	bringUp(t)
	if err := pprof.StartCPUProfile(devNull{}); err != nil {
		t.Fatal(err)
	}
	if err := StartSampler(0x1000, 1, 1<<30); err != nil {
		t.Fatal(err)
	}
	sampling.size = 4096
	sampling.tail, sampling.head = 4096-64, 4096-64
	for range 3 {
		lost := SamplesLost()
		spinning(t, 30, func(int) { // a signal that comes before the one before it is served is none
			taken := func() uint64 { return atomic.LoadUint64(&sampling.head) + SamplesLost() }
			had := taken()
			for end := time.Now().Add(testenv.Patience); taken() == had && time.Now().Before(end); {
				time.Sleep(100 * time.Microsecond)
			}
		})
		if SamplesLost() == lost {
			t.Fatal("none of 30 samples was lost in a ring of a page")
		}
		n := 0
		ReadSamples(func(s *Sample) { n++ })
		if n == 0 || n > 4096/256 {
			t.Fatal(n, " samples were in a ring of a page")
		}
	}
	StopSampler()
	pprof.StopCPUProfile()
	os.Stdout.WriteString("fine\n")
}

type devNull struct{}

func (devNull) Write(b []byte) (int, error) { return len(b), nil }

func TestSamplerFull(t *testing.T) { run(t, "fine\n", "sampler full") }

func TestReadWord(t *testing.T) {
	p, err := MapAnon("a page", 2*PageSize)
	if err != nil {
		t.Fatal(err)
	}
	defer Unmap(p, 2*PageSize)
	*word(p + 8) = 77
	Protect(p+PageSize, PageSize, 0)
	if w, ok := readWord(uint64(p + 8)); !ok || w != 77 {
		t.Error(w, ok)
	}
	for _, a := range []uintptr{0, 8, p + 1, p + PageSize, 1<<63 + 8} {
		if w, ok := readWord(uint64(a)); ok {
			t.Errorf("%#x holds %#x", a, w)
		}
	}
}
