package native

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
)

// Signals that native code raises to end the process, or that the kernel raises for it: abort's, a breakpoint's, that of
// a system call which seccomp refuses. Unlike faults they may be survived: what becomes of them is Go's to say, which may
// have been told to let the program know (os/signal). So weld reports where native code was, and then Go gets the signal
// as if Go code had raised it.
//
// SIGQUIT is among them for when it is sent from outside, as the others may be too: then Go alone gets it.
var raisedSignals = []syscall.Signal{syscall.SIGABRT, syscall.SIGTRAP, syscall.SIGSYS, syscall.SIGQUIT}

// raisedRecord is of the upcall that raisedOn makes.
var raisedRecord uintptr

// raiseFrame is what the handler leaves on the native stack. Assembly knows its layout (raise_amd64.s).
type raiseFrame struct {
	signal uint64
	back   uintptr
	regs   [23]uint64 // as in <sys/ucontext.h>
}

func raisedEntry() uintptr

// serveRaised reports a signal that native code has raised: Arg 0 is the raiseFrame. Where Go ends the program for it,
// with its own report of the goroutines, it does not return.
func serveRaised(u Upcall) {
	r := (*raiseFrame)(Pointer(u.Arg(0)))
	f := Fault{Signal: syscall.Signal(r.signal), PC: uintptr(r.regs[16]), SP: uintptr(r.regs[15]), Regs: r.regs}
	where := "native code"
	if *weldWord(u.ThreadPointer(), foreignSlot) != notForeign {
		where = "native code, on a thread made by it"
	}
	var b strings.Builder
	f.report(&b, where)
	os.Stderr.WriteString(b.String())
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(syscall.Getpid()), uintptr(syscall.Gettid()), uintptr(f.Signal))
}

// Callers names the callers of native code for fault reports, a line each: from its registers, in the order of
// <sys/ucontext.h>, and what reads memory. rtld sets it.
var Callers func(regs []uint64, mem func(addr uint64) (uint64, bool)) []string

// callers is Callers for a fault.
func (f *Fault) callers(b *strings.Builder) {
	if Callers == nil {
		return
	}
	lines := Callers(f.Regs[:], readWord)
	if len(lines) > 0 {
		b.WriteString("\nnative callers:\n")
	}
	for _, s := range lines {
		fmt.Fprintf(b, "\t%s\n", s)
	}
}

// readWord reads a word of memory, false if there is none.
func readWord(addr uint64) (uint64, bool) {
	if addr&7 != 0 {
		return 0, false
	}
	// rt_sigprocmask looks at a set before it refuses what to do with it.
	const nothing = ^uintptr(0)
	_, _, e := syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, nothing, uintptr(addr), 0, 8, 0, 0)
	if e != syscall.EINVAL {
		return 0, false
	}
	return *(*uint64)(Pointer(uintptr(addr))), true
}

// installRaisedHandler puts weld's handler in front of Go's for those signals.
func installRaisedHandler() {
	const siginfo, onstack, restorer = 0x4, 0x08000000, 0x04000000
	for _, sig := range raisedSignals {
		var old kernelSigaction
		sigaction(sig, nil, &old)
		if old.handler <= 1 {
			continue // default or ignored: nothing to pass on to
		}
		chained[sig] = old.handler
		act := kernelSigaction{raisedEntry(), siginfo | onstack | restorer, entry.restorer, ^uint64(0)}
		sigaction(sig, &act, nil)
	}
}

// crash ends the program as Go does after a report: with status 2, or with SIGABRT if GOTRACEBACK asks for a core
// (runtime, "Environment Variables").
func crash() {
	if os.Getenv("GOTRACEBACK") == "crash" {
		act := kernelSigaction{flags: 0x04000000, restorer: entry.restorer}
		sigaction(syscall.SIGABRT, &act, nil)
		// To this thread, which takes it before the call returns: others would take it in their own time.
		runtime.LockOSThread()
		mask := uint64(0)
		sigprocmask(&mask, nil)
		syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(syscall.Getpid()), uintptr(syscall.Gettid()), uintptr(syscall.SIGABRT))
	}
	os.Exit(2)
}
