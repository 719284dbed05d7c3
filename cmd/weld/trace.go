package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/alecthomas/kong"

	"weld/internal/rtld"
)

// began is when the command began, and what the process had used by then: the kernel's exec and the start of the Go
// runtime.
var began = func() (b struct {
	at     time.Time
	cpu    time.Duration
	faults rtld.PhaseStats
}) {
	b.at = time.Now()
	b.cpu, b.faults = used()
	return b
}()

// used returns the processor time and the page faults of the process.
func used() (time.Duration, rtld.PhaseStats) {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), rtld.PhaseStats{MinorFaults: u.Minflt, MajorFaults: u.Majflt}
}

// traceFlags are the flags of weld run that observe.
type traceFlags struct {
	Trace traceFlag `help:"Tell of all that is loaded, bound and initialised, a line each: on standard error, or in FILE with --trace=FILE."`
	Stats bool      `help:"Print a table of what was done, and how long it took, until the program starts, and a line at its exit if more was done since."`
	JSON  bool      `help:"With --trace, --stats or --hook: JSON objects, one a line."`
}

const traceHelp = `

--trace tells of an event a line: load (an object was mapped: why, for whom), search (a file was tried and not taken), libc (the C
library was started), relocate (relocations by kind, symbols looked up), interpose (a definition came before the object's own or the C
library's), undefined (a symbol was not found), copy, rebind (a reference of the C library was bound again), hook (a
reference goes to a hook), bind (a call was bound when first made), init, fini, open, dlsym, commit
(what was done to a live object was published), unload, namespace, start, exit. With --json each is an object with the fields event, time_ns,
pid and, as they apply: object, soname, build_id, address, size, name, file, why, by, by_address, symbol, version, definition,
instead_of, relocations, lookups, cache_hits, functions, bound, unbound, redirected, search_ns, map_ns, took_ns, error, namespace. Times are nanoseconds, those of
time_ns from the start of the command; addresses are numbers.

Lines go to a descriptor of their own, from number 1000 up if the limit allows, which programs that are executed do not inherit. A
child of fork goes on tracing as far as Go runs in it, with its process id. The line of --stats at the exit is not written where a
program ends by a signal or _exit.`

// traceFlag is a flag that may have a value.
type traceFlag struct {
	on   bool
	file string
}

// Decode makes it a kong.MapperValue.
func (f *traceFlag) Decode(ctx *kong.DecodeContext) error {
	f.on = true
	if ctx.Scan.Peek().Type == kong.FlagValueToken {
		if f.file = ctx.Scan.Pop().String(); f.file == "" {
			return fmt.Errorf("the name of the file is empty")
		}
	}
	return nil
}

// IsBool says that the value may be left out.
func (f *traceFlag) IsBool() bool { return true }

func (f *traceFlags) check(hooks bool) error {
	if f.JSON && !f.Trace.on && !f.Stats && !hooks {
		return usageError{fmt.Errorf("--json goes with --trace, --stats or --hook")}
	}
	return nil
}

// start begins to observe, if that is asked for.
func (f *traceFlags) start() error {
	if !f.Trace.on && !f.Stats {
		return nil
	}
	t := &rtld.Tracer{Began: began.at}
	var out *sink
	var err error
	t.During(rtld.PhaseTrace, func() { out, err = openSink(f.Trace.file) })
	if err != nil {
		return err
	}
	if f.Trace.on {
		t.Emit = func(e *rtld.Event) {
			if f.JSON {
				out.object(e)
			} else {
				out.write([]byte(eventText(e, out.pid)))
			}
		}
	}
	if f.Stats {
		s := &statistics{tracer: t, out: out, json: f.JSON}
		t.AtStart, t.AtExit, t.InChild = s.atStart, s.atExit, s.inChild
	}
	rtld.Trace(t)
	return nil
}

// sink is where lines are written to: a descriptor that is out of the program's way. Package os is not used, which would
// have the runtime's poller make more of them. What goes wrong is the trace's loss, not the program's.
type sink struct {
	fd  atomic.Int64 // -1 if it is closed
	pid int
	id  [2]uint64 // device and inode: the program may close the descriptor, and get its number for something else
}

// sinkFD is the least number of the descriptor: out of the way, and still without a big table of descriptors in the
// kernel. To make the table that big takes Linux some milliseconds in a process with threads (it waits for all
// processors to have seen it), which count as PhaseTrace. Any number from 64 up does that; bash uses those up to 63.
const sinkFD = 1000

// openSink opens a file, or standard error for "". If the process has none, nothing is written.
func openSink(file string) (*sink, error) {
	s := &sink{pid: syscall.Getpid()}
	s.fd.Store(-1)
	fd := 2
	if file != "" {
		var err error
		const flags = syscall.O_WRONLY | syscall.O_CREAT | syscall.O_TRUNC | syscall.O_APPEND | syscall.O_CLOEXEC
		if fd, err = syscall.Open(file, flags, 0o666); err != nil {
			return nil, &fs.PathError{Op: "open", Path: file, Err: err}
		}
		defer syscall.Close(fd)
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return s, nil
	}
	s.id = [2]uint64{st.Dev, st.Ino}
	for from := sinkFD; from > fd; from /= 2 {
		if high, _, e := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, uintptr(from)); e == 0 {
			s.fd.Store(int64(high))
			return s, nil
		}
	}
	if file != "" {
		return nil, &fs.PathError{Op: "open", Path: file, Err: syscall.EMFILE}
	}
	return s, nil
}

// object writes v as one line.
func (s *sink) object(v any) {
	if b, err := json.Marshal(v); err == nil {
		s.write(append(b, '\n'))
	}
}

// write writes a line with one system call, where the file takes it as one. In a child of fork Go has no other thread
// than this one, and the scheduler is not told that it waits.
func (s *sink) write(b []byte) {
	call := syscall.Syscall
	if syscall.Getpid() != s.pid {
		call = syscall.RawSyscall
	}
	fd := int(s.fd.Load())
	var st syscall.Stat_t
	if _, _, e := call(syscall.SYS_FSTAT, uintptr(fd), uintptr(unsafe.Pointer(&st)), 0); e != 0 || s.id != [2]uint64{st.Dev, st.Ino} {
		return
	}
	runtime.LockOSThread() // signals that a write causes are the thread's
	defer runtime.UnlockOSThread()
	before := pendingSignals()
	for len(b) > 0 {
		n, _, e := call(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		switch e {
		case 0:
			b = b[n:]
		case syscall.EINTR:
		case syscall.EAGAIN: // somebody has made it so; a second is waited for
			poll := struct {
				fd              int32
				events, revents int16
			}{int32(fd), 4, 0} // POLLOUT
			if n, _, e := call(syscall.SYS_POLL, uintptr(unsafe.Pointer(&poll)), 1, 1000); e != 0 || n == 0 {
				return
			}
		default:
			if e == syscall.EPIPE {
				s.fd.Store(-1)
			}
			takeSignals((1<<(syscall.SIGPIPE-1) | 1<<(syscall.SIGXFSZ-1)) &^ before)
			return
		}
	}
}

func pendingSignals() (set uint64) {
	syscall.RawSyscall(syscall.SYS_RT_SIGPENDING, uintptr(unsafe.Pointer(&set)), 8, 0)
	return set
}

// takeSignals takes signals away that are blocked and pending.
func takeSignals(set uint64) {
	var none syscall.Timespec
	syscall.RawSyscall6(syscall.SYS_RT_SIGTIMEDWAIT, uintptr(unsafe.Pointer(&set)), 0, uintptr(unsafe.Pointer(&none)), 8, 0, 0)
}
