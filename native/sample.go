package native

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// Go's profiler sees native code as one place, runtime._ExternalCode, and nothing of the Go code that called it:
// runtime.SetCgoTraceback would be asked only if m.ncgo were not 0 (runtime/proc.go: sigprof), which cgo's own calls alone
// make it. So a handler of weld's stands in front of Go's while a profile is taken.

// samplerState is what the handler and Go share. Assembly knows its layout (sample_amd64.s).
type samplerState struct {
	ring    uintptr // address
	size    uint64  // bytes, a power of two
	head    uint64  // where the next record begins; it and tail only grow
	tail    uint64  // where the oldest one does
	next    uint64  // id of the next record
	limit   uint64  // the first id that is not to be used
	markers uintptr
	lost    uint64
	chained uintptr // the handler that was there before
}

var sampling samplerState

// sampleRecord is an entry of the ring; the copy of the stack follows. Assembly knows its layout.
type sampleRecord struct {
	head  uint64 // size in bytes, a multiple of 64, and flags; 0 while it is being written
	id    uint64
	bytes uint64 // of the stack
	goSP  uintptr
	code  int64 // si_code
	regs  [17]uint64
	_     [2]uint64
}

const (
	sampleStack = 16 << 10 // most bytes of stack in a record
	sampleDone  = 1
	samplePad   = 2 // the rest of the ring's end
	sampleRing  = 8 << 20
)

// Sample is native code as SIGPROF has found it.
type Sample struct {
	ID      int         // that stands in Go's profile for it: see SampleID
	Foreign bool        // on a thread that loaded code made, which has no Go callers
	Regs    *[17]uint64 // r8-r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, as in <sys/ucontext.h>
	Stack   []byte      // from rsp upwards, at most 16 KiB
}

// Word returns the word at an address of the stack that was copied.
func (s *Sample) Word(addr uint64) (uint64, bool) {
	i := addr - s.Regs[15]
	if addr&7 != 0 || i >= uint64(len(s.Stack)) || uint64(len(s.Stack))-i < 8 {
		return 0, false
	}
	return *(*uint64)(unsafe.Pointer(&s.Stack[i])), true
}

// SamplerError says why no samples can be taken.
type SamplerError struct{ Err error }

func (e *SamplerError) Error() string { return fmt.Sprintf("sample native code: %v", e.Err) }
func (e *SamplerError) Unwrap() error { return e.Err }

var (
	errSampling   = errors.New("samples are being taken already")
	errNoHandler  = errors.New("SIGPROF is not handled by Go")
	errOfProgram  = errors.New("SIGPROF is the program's that runs in this process")
	errNotSampled = errors.New("rt_sigaction was refused")
)

var sampler struct {
	mu   sync.Mutex
	on   bool
	ring uintptr // kept for the next time: a handler may still be running
	read sync.Mutex
}

func sampleEntry() uintptr

// StartSampler puts weld's handler of SIGPROF in front of Go's, which must be profiling already. In each profile sample of
// native code the leaf is then an address among markers, a function of assembly without a frame whose code is never run
// and has two bytes for each id: ids from first to limit-1 are given out, in order; see SampleIDs. The error is a
// *SamplerError.
func StartSampler(markers uintptr, first, limit int) error {
	sampler.mu.Lock()
	defer sampler.mu.Unlock()
	if sampler.on {
		return &SamplerError{errSampling}
	}
	if program != nil {
		return &SamplerError{errOfProgram}
	}
	joinHost()
	if err := setUpUpcalls(); err != nil {
		return &SamplerError{err}
	}
	if sampler.ring == 0 {
		p, err := MapAnon("samples of native code", sampleRing)
		if err != nil {
			return &SamplerError{err}
		}
		sampler.ring = p
	}
	var old kernelSigaction
	if e := sigaction(syscall.SIGPROF, nil, &old); e != 0 {
		return &SamplerError{fmt.Errorf("%w: %w", errNotSampled, e)}
	}
	if old.handler <= 1 || old.handler == sampleEntry() {
		return &SamplerError{errNoHandler}
	}
	s := &sampling
	s.ring, s.size, s.markers, s.chained = sampler.ring, sampleRing, markers, old.handler
	atomic.StoreUint64(&s.lost, 0)
	SampleIDs(first, limit)
	act := old
	act.handler = sampleEntry()
	if e := sigaction(syscall.SIGPROF, &act, nil); e != 0 {
		return &SamplerError{fmt.Errorf("%w: %w", errNotSampled, e)}
	}
	sampler.on = true
	return nil
}

// StopSampler puts Go's handler back. Records that are left can still be read.
func StopSampler() {
	sampler.mu.Lock()
	defer sampler.mu.Unlock()
	if !sampler.on {
		return
	}
	sampler.on = false
	var now kernelSigaction
	if sigaction(syscall.SIGPROF, nil, &now) == 0 && now.handler == sampleEntry() {
		now.handler = sampling.chained
		sigaction(syscall.SIGPROF, &now, nil)
	}
}

// SampleIDs has ids given out from first on, up to limit-1. Native code that is found when there are none left has the id
// 0 and no record.
func SampleIDs(first, limit int) {
	s := &sampling
	atomic.StoreUint64(&s.limit, 0)
	atomic.StoreUint64(&s.next, uint64(first))
	atomic.StoreUint64(&s.limit, uint64(limit))
}

// NextSampleID is the id of the next sample.
func NextSampleID() int { return int(atomic.LoadUint64(&sampling.next)) }

// SampleID returns the id that an address of Go's profile stands for, given where the markers begin.
func SampleID(addr, markers uint64) int { return int((addr - markers) / 2) }

// SamplesLost is how many samples had no id or no room in the ring since StartSampler.
func SamplesLost() uint64 { return atomic.LoadUint64(&sampling.lost) }

// ReadSamples calls f for the samples that there are, the oldest first, and forgets them. A sample is valid in the call
// only.
func ReadSamples(f func(*Sample)) {
	sampler.read.Lock()
	defer sampler.read.Unlock()
	q := &sampling
	if q.ring == 0 {
		return
	}
	for tail := q.tail; tail != atomic.LoadUint64(&q.head); {
		at := q.ring + uintptr(tail&(q.size-1))
		head := (*uint64)(Pointer(at))
		h := atomic.LoadUint64(head)
		for h == 0 { // a handler is at it, on another kernel thread
			runtime.Gosched()
			h = atomic.LoadUint64(head)
		}
		n := h &^ 63
		if h&samplePad == 0 {
			r := (*sampleRecord)(Pointer(at))
			f(&Sample{
				ID: int(r.id), Foreign: r.goSP == 0, Regs: &r.regs,
				Stack: Bytes(at+unsafe.Sizeof(*r), uintptr(r.bytes)),
			})
			clear(Bytes(at, uintptr(n)))
		} else {
			*head = 0
		}
		tail += n
		atomic.StoreUint64(&q.tail, tail)
	}
}

func sigaction(sig syscall.Signal, act, old *kernelSigaction) syscall.Errno {
	_, _, e := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(act)), uintptr(unsafe.Pointer(old)), 8, 0, 0)
	return e
}
