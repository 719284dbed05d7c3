package pprof

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	gopprof "runtime/pprof"
	"sync"
	"syscall"
	"time"

	"github.com/google/pprof/profile"

	"weld/internal/rtld"
	"weld/native"
)

// Error is a profile that could not be taken or written.
type Error struct {
	Op  string // what was tried: "start", "read", "write"
	Err error
}

func (e *Error) Error() string { return fmt.Sprintf("%s of the CPU profile: %v", e.Op, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// ErrRunning says that a profile is being taken already: by this package or by runtime/pprof, which are not used at the
// same time.
var ErrRunning = errors.New("a CPU profile is being taken already")

func markers() uintptr

// The markers, an address for each sample of native code. When half of them are used up, Go's profile is taken out and a
// new one begins with the other half, so that what was interrupted meanwhile is not taken for another sample. Number 0 is
// for samples that were lost.
const (
	markerCount = 1 << 16
	markerHalf  = markerCount / 2
)

// partSize is how many markers are used before Go's profile is taken out.
var partSize = markerHalf / 4 * 3

// interval is how often samples are taken out of their ring: it has room for more at any usual rate.
const interval = 50 * time.Millisecond

var current struct {
	sync.Mutex
	s *session
}

// session is a profile that is being taken.
type session struct {
	w      io.Writer
	part   bytes.Buffer // Go's profile since the last change of markers
	parts  []*profile.Profile
	first  int // the first marker in use
	rec    recorder
	err    error
	unhook func()
	stop   chan struct{}
	done   chan struct{}
}

// StartCPUProfile begins to take a CPU profile, which StopCPUProfile writes to w: as runtime/pprof's function does, with
// names for native code. It writes nothing before. The error is an *Error; it is ErrRunning to errors.Is if a profile is
// being taken already.
func StartCPUProfile(w io.Writer) error {
	current.Lock()
	defer current.Unlock()
	if current.s != nil {
		return &Error{"start", ErrRunning}
	}
	s := &session{w: w, first: 1, stop: make(chan struct{}), done: make(chan struct{})}
	s.rec.init()
	if err := native.StartSampler(markers(), s.first, markerHalf); err != nil {
		return &Error{"start", err}
	}
	native.ReadSamples(func(*native.Sample) {}) // left from the last profile
	if err := gopprof.StartCPUProfile(&s.part); err != nil {
		native.StopSampler()
		return &Error{"start", fmt.Errorf("%w: %w", ErrRunning, err)}
	}
	s.unhook = rtld.BeforeUnmap(s.read)
	current.s = s
	go s.run()
	return nil
}

// StopCPUProfile ends the profile and writes it, in the compressed form of profile.proto. Without a profile it does
// nothing. The error is an *Error.
func StopCPUProfile() error {
	current.Lock()
	defer current.Unlock()
	s := current.s
	if s == nil {
		return nil
	}
	current.s = nil
	close(s.stop)
	<-s.done
	s.endPart()
	s.unhook()
	native.StopSampler()
	if s.err != nil {
		return &Error{"read", s.err}
	}
	p, err := profile.Merge(s.parts)
	if err != nil {
		return &Error{"read", err}
	}
	if lost := native.SamplesLost(); lost > 0 {
		p.Comments = append(p.Comments, fmt.Sprintf("weld: the native frames of %d samples were lost", lost))
	}
	if err := p.Write(s.w); err != nil {
		return &Error{"write", err}
	}
	return nil
}

// run takes out samples until the session is stopped.
func (s *session) run() {
	defer close(s.done)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			s.flush()
			return
		case <-tick.C:
		}
		s.read()
		s.flush()
		if next := native.NextSampleID(); next-s.first > partSize {
			s.endPart()
			s.rec.mu.Lock()
			s.first = markerHalf - s.first/markerHalf*markerHalf
			s.rec.mu.Unlock()
			native.SampleIDs(max(s.first, 1), s.first+markerHalf)
			if s.err == nil {
				s.err = gopprof.StartCPUProfile(&s.part)
			}
		}
	}
}

// read takes samples out of the ring.
func (s *session) read() {
	s.rec.mu.Lock()
	defer s.rec.mu.Unlock()
	native.ReadSamples(s.rec.add)
}

// flush has Go's profiler take over the samples of threads that it does not know. It keeps few of them, and does so only
// when a thread of its own gets SIGPROF (runtime/cpuprof.go: addExtra): so this one gets one. The sample that it makes
// is left out.
//
//go:noinline
func (s *session) flush() {
	s.rec.mu.Lock()
	foreign := s.rec.foreign
	s.rec.foreign = false
	s.rec.mu.Unlock()
	if foreign {
		raise()
	}
}

//go:noinline
func raise() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(syscall.Getpid()), uintptr(syscall.Gettid()), uintptr(syscall.SIGPROF))
}

// endPart takes out Go's profile and joins the native frames to it.
func (s *session) endPart() {
	gopprof.StopCPUProfile()
	s.read()
	s.rec.mu.Lock()
	defer s.rec.mu.Unlock()
	if s.err == nil {
		p, err := profile.ParseData(s.part.Bytes())
		if err != nil {
			s.err = err
		} else {
			s.rec.addLines()
			s.rec.join(p)
			s.parts = append(s.parts, p)
			if len(s.parts) > 1 {
				if p, err = profile.Merge(s.parts); err == nil {
					s.parts = []*profile.Profile{p}
				}
				s.err = err
			}
		}
	}
	s.part.Reset()
	clear(s.rec.stacks)
}
