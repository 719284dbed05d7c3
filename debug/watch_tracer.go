//go:build linux && amd64

package debug

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// A tracer holds the threads of one process by ptrace and sets breakpoints in them. All its methods run on one kernel
// thread, which ptrace ties the threads to.
type tracer struct {
	t        *target
	options  uintptr
	syscalls bool // threads stop at system calls
	threads  map[int]*thread
	sites    []site
	sampled  bool                // some of sites are sampled, so all are needed
	fds      map[int]*breakpoint // by descriptor: what a signal says
	sampler
}

// thread is a thread that is traced.
type thread struct {
	tid     int
	running bool
	begun   bool // it has breakpoints
	fds     []int
	ring    []byte // where breakpoints are sampled, nil if none is
	ringFD  int
	cont    int // how many SIGCONT of ours to keep from it
}

// site is an address that is of interest.
type site struct {
	addr  uint64
	write bool // a write to it, not its execution
	what  string
	// change is set if threads stop there since the list has changed; such sites come first.
	change bool
	// sampled is set if it is enough to know when it is reached.
	sampled bool
}

type breakpoint struct {
	tid  int
	site site
}

// stopSignal reports whether a signal stops a whole process.
func stopSignal(s syscall.Signal) bool {
	return s == syscall.SIGSTOP || s == syscall.SIGTSTP || s == syscall.SIGTTIN || s == syscall.SIGTTOU
}

// seizeAll attaches to all threads without stopping them. Threads that they make are attached by the kernel.
func (c *tracer) seizeAll() error {
	for again := true; again; {
		again = false
		tids, err := c.tids()
		if err != nil {
			return err
		}
		for _, tid := range tids {
			if c.threads[tid] != nil {
				continue
			}
			err := ptrace(ptraceSeize, tid, 0, c.options)
			switch {
			case err == nil:
				c.threads[tid] = &thread{tid: tid, running: true}
				again = true
			case err == syscall.ESRCH && tid != c.t.pid, err == syscall.EPERM && tid != c.t.pid && c.gone(tid):
			case err == syscall.EPERM && c.tracedByUs(tid):
				c.threads[tid] = &thread{tid: tid, running: true} // made meanwhile by one that is attached
				again = true
			case err == syscall.EPERM:
				return c.t.denied("attach to it")
			default:
				return c.t.failed(err)
			}
		}
		if !again && !c.tracedByUs(c.t.pid) && c.t.alive() {
			// One that was not attached to yet has executed another program, and has the id of the process now.
			clear(c.threads)
			again = true
		}
	}
	return nil
}

func (c *tracer) tids() (tids []int, err error) {
	d, err := os.ReadDir(c.t.proc("task"))
	if err != nil {
		return nil, c.t.failed(err)
	}
	for _, e := range d {
		if tid, err := strconv.Atoi(e.Name()); err == nil {
			tids = append(tids, tid)
		}
	}
	return tids, nil
}

func (c *tracer) tracedByUs(tid int) bool {
	s, err := c.t.status("task/" + strconv.Itoa(tid) + "/")
	return err == nil && s["TracerPid"] == strconv.Itoa(syscall.Gettid())
}

// late reports whether one of the threads is in one of the states (proc_pid_status(5)): what is waited for may still come, if
// the machine is busy.
func (c *tracer) late(tids iter.Seq[int], states string) bool {
	for tid := range tids {
		s, err := c.t.status("task/" + strconv.Itoa(tid) + "/")
		if err == nil && s["State"] != "" && strings.Contains(states, s["State"][:1]) {
			return true
		}
	}
	return false
}

// gone reports whether a thread has ended.
func (c *tracer) gone(tid int) bool {
	s, err := c.t.status("task/" + strconv.Itoa(tid) + "/")
	return err != nil || strings.HasPrefix(s["State"], "Z") || strings.HasPrefix(s["State"], "X")
}

// errUnsampled says that there are not all breakpoints where some are sampled.
var errUnsampled = errors.New("no sampled breakpoints")

// arm sets all breakpoints in a thread, in the place of those that it has. Breakpoints after the first are left out of all
// threads where there is no register for them; where some are sampled that is errUnsampled.
func (c *tracer) arm(th *thread) error {
	old := th.fds
	c.drop(th)
	th.fds, th.begun = nil, true
	// Those that tell of changes are kept until the others are set, as far as there are registers, so that none goes by unseen.
	kept := 0
	for kept < len(old) && c.fds[old[kept]].site.change {
		kept++
	}
	release := func(n int) {
		for len(old) > n {
			syscall.Close(old[len(old)-1])
			old = old[:len(old)-1]
		}
	}
	defer release(0)
	release(kept)
	if c.syscalls {
		return nil
	}
	sig := c.signal(th.tid)
	for i := 0; i < len(c.sites); i++ {
		s := c.sites[i]
		open := func() (int, error) {
			if s.sampled {
				return openSampled(th, s.addr)
			}
			return openBreakpoint(th.tid, s.addr, s.write, sig)
		}
		fd, err := open()
		if err == syscall.ENOSPC && len(old) > 0 {
			release(0)
			fd, err = open()
		}
		switch {
		case err == nil:
			th.fds = append(th.fds, fd)
			c.fds[fd] = &breakpoint{th.tid, s}
		case err == syscall.ESRCH: // it is about to end
			return nil
		case c.sampled:
			return errUnsampled
		case i > 0:
			c.sites = c.sites[:i]
		default:
			return c.t.at(fmt.Sprintf("thread %d", th.tid), ErrBreakpoint, "the kernel sets no breakpoint there: perf_event_open: %v (kernel.perf_event_paranoid is %s)",
				err, sysctl("kernel/perf_event_paranoid"))
		}
	}
	return nil
}

func sysctl(name string) string {
	b, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return "not there"
	}
	return strings.TrimSpace(string(b))
}

// armAll sets the breakpoints in all threads.
func (c *tracer) armAll() error {
	for _, th := range c.threads {
		if err := c.arm(th); err != nil {
			return err
		}
	}
	return nil
}

// signal chooses the signal for the breakpoints of a thread: one that it does not block. A thread that blocks all of
// them may do so only while it begins.
func (c *tracer) signal(tid int) syscall.Signal {
	s, err := c.t.status("task/" + strconv.Itoa(tid) + "/")
	if err == nil {
		blocked, _ := strconv.ParseUint(s["SigBlk"], 16, 64)
		for _, sig := range breakSignals {
			if blocked&(1<<(sig-1)) == 0 {
				return sig
			}
		}
	}
	return breakSignals[0]
}

// disarm takes the breakpoints from a thread. What they mean is kept: a signal may be under way.
func (c *tracer) disarm(th *thread) {
	for _, fd := range th.fds {
		syscall.Close(fd)
	}
	c.drop(th)
	th.fds, th.begun = nil, false
}

func (c *tracer) disarmAll() {
	for _, th := range c.threads {
		c.disarm(th)
	}
}

// forget drops a thread that is there no more.
func (c *tracer) forget(th *thread) {
	c.disarm(th)
	for fd, b := range c.fds {
		if b.tid == th.tid {
			delete(c.fds, fd)
		}
	}
	delete(c.threads, th.tid)
}

// resume lets a thread go on, with a signal or 0.
func (c *tracer) resume(th *thread, sig syscall.Signal) {
	request := ptraceCont
	if c.syscalls {
		request = ptraceSyscall
	}
	if ptrace(request, th.tid, 0, uintptr(sig)) == nil { // else it has been killed
		th.running = true
	}
}

// interruptAll stops all threads.
func (c *tracer) interruptAll() {
	for _, th := range c.threads {
		ptrace(ptraceInterrupt, th.tid, 0, 0)
	}
}

// reached says which breakpoint a signal that a thread has stopped with stands for; nil if it is a signal like any other.
func (c *tracer) reached(tid int, sig syscall.Signal) *breakpoint {
	for _, s := range breakSignals {
		if s != sig {
			continue
		}
		info, err := signalInfo(tid)
		if err != nil || info.code != pollIn {
			return nil
		}
		if b := c.fds[int(info.fd)]; b != nil && b.tid == tid {
			return b
		}
	}
	return nil
}

// peek returns a thread that has something to report, 0 if none has. What it reports stays to be waited for. Children
// that this process has and that are not traced are left to whoever has started them.
func (c *tracer) peek() (tid int, ended bool, err error) {
	info, err := pending(waitAny, 0, ofTracees)
	if err != nil || info.pid == 0 {
		return 0, false, err
	}
	if c.threads[int(info.pid)] != nil || c.tracedByUs(int(info.pid)) {
		return int(info.pid), info.ended(), nil
	}
	for tid := range c.threads {
		if info, err := pending(waitOne, tid, ofTracees); err == nil && info.pid != 0 {
			return tid, info.ended(), nil
		}
	}
	return 0, false, nil
}

// superseded waits for a moment and says whether what was read of the process means nothing any more, since it has become
// another program, or has ended: that is to be reported then. It waits longer for a process that does not wait for anything.
func (c *tracer) superseded() (exec, ended bool) {
	const moment, most = 100 * time.Millisecond, 2 * time.Second
	running := func() bool {
		tids, err := c.tids()
		return err == nil && c.late(slices.Values(tids), "RD")
	}
	for begin := time.Now(); time.Since(begin) < moment || time.Since(begin) < most && running(); time.Sleep(2 * time.Millisecond) {
		info, err := pending(waitOne, c.t.pid, ofTracees)
		switch {
		case err != nil || info.ended():
			return false, err == nil
		case info.pid != 0 && info.status>>8 == eventExec:
			return true, false
		}
	}
	return false, false
}

// take waits for what peek has shown.
func (c *tracer) take(tid int) (ws syscall.WaitStatus, ok bool) {
	var status uint32
	got, _, e := syscall.RawSyscall6(syscall.SYS_WAIT4, uintptr(tid), uintptr(unsafe.Pointer(&status)), waitAll|syscall.WNOHANG, 0, 0, 0)
	return syscall.WaitStatus(status), e == 0 && int(got) == tid
}

// ownProcess reports whether a thread is one of the process, and not of a child.
func (c *tracer) ownProcess(tid int) bool {
	_, err := os.Stat(c.t.proc("task/" + strconv.Itoa(tid)))
	return err == nil
}

// detachAll lets all threads go, for ever, and keeps signals of breakpoints from them. It gives up after a second, or after
// ten if there are some that need only come to run: what is left goes on when this kernel thread ends.
func (c *tracer) detachAll() {
	c.disarmAll()
	for _, th := range c.threads {
		if !th.running {
			if ptrace(ptraceDetach, th.tid, 0, 0) == nil {
				delete(c.threads, th.tid)
			}
		}
	}
	c.interruptAll()
	const most = 10 * time.Second
	for begin := time.Now(); len(c.threads) > 0 && (time.Since(begin) < time.Second || time.Since(begin) < most && c.late(maps.Keys(c.threads), "R")); {
		tid, ended, err := c.peek()
		switch {
		case errors.Is(err, syscall.ECHILD):
			return
		case tid == 0:
			time.Sleep(100 * time.Microsecond)
			continue
		case ended && tid == c.t.pid:
			return
		}
		ws, ok := c.take(tid)
		if !ok {
			continue
		}
		if ws.Stopped() {
			sig := ws.StopSignal()
			if ws>>16 != 0 || sig == syscallStop || c.reached(tid, sig) != nil {
				sig = 0
			}
			ptrace(ptraceDetach, tid, 0, uintptr(sig))
		}
		delete(c.threads, tid)
	}
}
