//go:build linux && amd64

package debug

import (
	"slices"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// Breakpoints may be sampled: the kernel notes in a ring of the thread when it has reached one, and the thread goes on
// (perf_event_open(2)). The watcher reads the rings when a thread stops and when there is nothing else to do.

const (
	ringData = 2 * pageSize // for 341 samples; a power of 2
	ringSize = pageSize + ringData

	// Where the page before the data says what is in it: struct perf_event_mmap_page.
	ringHead = 1024
	ringTail = 1032

	recordSample = 9
	recordHeader = 8
	sampleFields = 1<<2 | 1<<3 // PERF_SAMPLE_TIME and PERF_SAMPLE_ADDR
	sampleLen    = recordHeader + 16

	clockMonotonic = 1
)

// sample says that a thread has reached an address, at a time of CLOCK_MONOTONIC in nanoseconds.
type sample struct {
	tid  int
	time uint64
	addr uint64
}

// sampler is what was read from the rings of a process.
type sampler struct {
	samples []sample
	lost    bool // some could not be kept
	epoch   time.Time
	mono    uint64 // CLOCK_MONOTONIC at epoch
}

// when returns the time of a sample.
func (s *sampler) when(p sample) time.Time { return s.epoch.Add(time.Duration(p.time - s.mono)) }

// adjust takes note of how CLOCK_MONOTONIC relates to the time of day. The two are read one after the other, and the watcher
// may lose its processor between them: of several tries the shortest counts.
func (s *sampler) adjust() {
	read := func() uint64 {
		var ts syscall.Timespec
		syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&ts)), 0)
		return uint64(ts.Nano())
	}
	const enough, tries = 2000, 5 // nanoseconds
	best := ^uint64(0)
	for i := 0; i < tries && best > enough; i++ {
		before := read()
		now := time.Now()
		if after := read(); after-before < best {
			best = after - before
			s.epoch, s.mono = now, before+best/2
		}
	}
}

// openSampled sets a breakpoint that is sampled into the ring of a thread, which it makes if there is none.
func openSampled(th *thread, addr uint64) (fd int, err error) {
	attr := perfAttr{sampleType: sampleFields, flags: perfWatermark | perfUseClock, wakeup: ringData, clock: clockMonotonic,
		bpType: bpExecute, bpAddr: addr}
	fd, err = openEvent(&attr, th.tid)
	if err != nil {
		return -1, err
	}
	e := syscall.Errno(0)
	if th.ring == nil {
		if th.ring, err = syscall.Mmap(fd, 0, ringSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED); err != nil {
			th.ring = nil
			syscall.Close(fd)
			return -1, err
		}
		th.ringFD = fd
	} else {
		_, _, e = syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), perfSetOutput, uintptr(th.ringFD))
	}
	if e == 0 {
		_, _, e = syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), perfEnable, 0)
	}
	if e != 0 {
		syscall.Close(fd)
		return -1, e
	}
	return fd, nil
}

// drain reads what is in the ring of a thread.
func (s *sampler) drain(th *thread) {
	if th.ring == nil {
		return
	}
	word := func(off uint64) *uint64 { return (*uint64)(unsafe.Pointer(&th.ring[off])) }
	data := func(at uint64) uint64 { return *word(pageSize + at%ringData) } // records are whole words
	head, tail := atomic.LoadUint64(word(ringHead)), *word(ringTail)
	if head == tail {
		return
	}
	if ringData-(head-tail) < sampleLen {
		s.lost = true // the kernel says so when there is room again
	}
	for head-tail >= recordHeader {
		header := data(tail)
		size := header >> 48
		if size < recordHeader || size > head-tail {
			s.lost = true
			tail = head
			break
		}
		if uint32(header) == recordSample && size >= sampleLen {
			s.samples = append(s.samples, sample{th.tid, data(tail + recordHeader), data(tail + recordHeader + 8)})
		} else {
			s.lost = true // PERF_RECORD_LOST, or PERF_RECORD_THROTTLE: some were left out
		}
		tail += size
	}
	atomic.StoreUint64(word(ringTail), tail)
}

// drop gives the ring of a thread back, when it was read.
func (s *sampler) drop(th *thread) {
	if th.ring != nil {
		s.drain(th)
		syscall.Munmap(th.ring)
		th.ring = nil
	}
}

// sorted returns what was read since it was asked last, by time.
func (s *sampler) sorted() []sample {
	got := s.samples
	if len(got) == 0 {
		return nil
	}
	s.adjust()
	s.samples = nil
	slices.SortStableFunc(got, func(a, b sample) int {
		switch {
		case a.time < b.time:
			return -1
		case a.time > b.time:
			return 1
		}
		return 0
	})
	return got
}

// turns are the times when r_brk was reached last: what begins and what ends a change of the list. Where changeSite is
// watched, end is not known.
type turns struct{ begin, end time.Time }

func (t *turns) add(at time.Time) { t.begin, t.end = t.end, at }

// merge takes the samples up to now for what they stand for.
func (w *watcher) merge() error {
	if w.sampled {
		for _, th := range w.threads {
			w.drain(th)
		}
	}
	for _, s := range w.sorted() {
		switch at := w.when(s); {
		case s.addr == w.brk:
			w.turns.add(at)
		case slices.Contains(w.probes[changeSite], s.addr):
			w.turns = turns{begin: at}
		default:
			w.relocated(s.tid, at)
		}
	}
	if w.lost {
		w.turns, w.lost, w.unsampled = turns{}, false, true
		return w.choose()
	}
	return nil
}

// samplable reports whether it is enough that threads stop at the probes map_complete and unmap_complete. That is not so
// where there are several namespaces, as the times of r_brk do not say which they are of. It is so for a run-time linker in
// a static program only: glibc's goes from RT_ADD to RT_DELETE at once where an open fails, and reaches neither probe before
// what it has mapped is off the list.
func (w *watcher) samplable() bool {
	if w.syscalls || w.unsampled || w.brk == 0 || w.t.aux[atBase] != 0 || len(w.lists.spaces) != 1 {
		return false
	}
	for _, s := range w.lists.spaces {
		if s.State != Consistent || len(s.Objects) == 0 {
			return false
		}
	}
	for _, name := range []string{"map_complete", "unmap_complete", "reloc_complete"} {
		if len(w.probes[name]) != 1 {
			return false
		}
	}
	return true
}
