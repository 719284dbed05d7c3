//go:build linux && amd64

package debug

import (
	"context"
	"os"
	"syscall"
	"time"
)

// EventKind is what an Event tells.
type EventKind string

// Kinds of Event.
const (
	EventAttached   EventKind = "attached"   // the watch has begun; Snapshot has what there is
	EventLoad       EventKind = "load"       // Objects were mapped and added to the list
	EventRelocation EventKind = "relocation" // Objects, which were loaded before, are relocated; only where there are probes
	EventUnload     EventKind = "unload"     // Objects were taken off the list
	EventExec       EventKind = "exec"       // the process executes another program; Snapshot has which
	EventExit       EventKind = "exit"       // the process has ended with Status
	EventDetached   EventKind = "detached"   // the watch has ended and the process goes on
)

// Event is something that has happened in a process that is watched.
type Event struct {
	Kind EventKind
	Time time.Time // when it was complete
	// Duration is how long it took the process, without the time it was stopped for: of a load or an unload from RT_ADD or
	// RT_DELETE to RT_CONSISTENT, of a relocation to probe reloc_complete from reloc_start or, where threads stop at
	// map_complete, from there. 0 if the beginning was not seen.
	Duration  time.Duration
	PID, TID  int
	Namespace int
	Objects   []Object
	// Late is set if the process had not been stopped where the list changed, and it was seen by looking at intervals.
	Late bool
	// Snapshot is set for EventAttached and EventExec.
	Snapshot *Snapshot
	// By is how changes are seen, for EventAttached and EventExec: such as "r_brk 0x1234", "probe reloc_start 0x1234",
	// "DT_DEBUG 0x1234" before the run-time linker has started, or "system calls".
	By     []string
	Status syscall.WaitStatus // of EventExit
}

// Method is how Watch learns of changes.
type Method int

// Methods.
const (
	Auto        Method = iota // Breakpoints, or SystemCalls where the kernel does not permit them
	Breakpoints               // debug registers; fails with ErrBreakpoint where the kernel does not permit them
	SystemCalls               // the process stops at each system call, and its list is compared
)

// WatchOptions are the options of Watch and WatchProgram. The zero value is good.
type WatchOptions struct{ Method Method }

// Watch attaches to a process, reports the objects in each namespace and then each change until ctx is done, which is no
// error, or the process ends. fn is called for one event after the other, on one goroutine, and the last call has
// returned when Watch returns; the process does not wait for fn. Errors are *ProcessError.
//
// The process is stopped only where its run-time linker says that the list changes (r_brk, and the probes reloc_start and
// reloc_complete of provider rtld where the file that has r_brk has them), for some tens of microseconds. A static program
// that has the probes, as those of this module have, is stopped less: at map_complete and unmap_complete only, while the
// kernel notes when it reaches r_brk and reloc_complete. That is so until it has a second namespace. Nothing is
// written into it: the breakpoints are debug registers that belong to descriptors of the watching process
// (perf_event_open(2)), and reaching one sends the thread a signal that does nothing by default, which the watcher keeps
// from it. So even if the watcher is killed by SIGKILL, no breakpoint stays behind and the process goes on; at worst a
// SIGWINCH that was under way reaches it. Children are not followed; another program that it executes is.
//
// A breakpoint takes one of four debug registers of each thread, and where the kernel notes times a thread has a buffer of
// 12 KiB, which counts as locked memory of the watching process (kernel.perf_event_mlock_kb); where there is none the
// process stops instead. A thread that blocks SIGWINCH, SIGURG and SIGCONT is
// not stopped; what it has changed is seen within a second, as is what was changed in a way that r_brk did not tell.
// Where the kernel permits no breakpoints (kernel.perf_event_paranoid above 2 for a user without CAP_PERFMON, seccomp, no
// debug register left) the process is stopped at each of its system calls instead (Auto).
//
// The calling process must not ignore SIGCHLD. Not all that the process causes reach those who are notified of it.
func Watch(ctx context.Context, pid int, opt WatchOptions, fn func(Event)) error {
	_, err := watch(ctx, opt, fn, func(w *watcher) error { return w.attach(pid) })
	return err
}

// WatchProgram starts a program as os.StartProcess does and watches it as Watch does from its first instruction on. It
// returns when the program ends, with its status; or when ctx is done: the program then goes on, and the status is 0.
// If the watching process is killed before the first event, the program may be left stopped.
// An error may be of os.StartProcess, else it is a *ProcessError. If the watch fails the program goes on too: the
// pid is that of the ProcessError.
func WatchProgram(ctx context.Context, path string, argv []string, attr *os.ProcAttr, opt WatchOptions, fn func(Event)) (syscall.WaitStatus, error) {
	return watch(ctx, opt, fn, func(w *watcher) error { return w.start(path, argv, attr) })
}
