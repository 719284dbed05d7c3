package native

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"unsafe"
)

// Fault is a fault in native code.
type Fault struct {
	Signal syscall.Signal
	Addr   uintptr // the address that was accessed, for SIGSEGV and SIGBUS
	PC, SP uintptr
	Regs   [23]uint64 // r8-r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, flags, ... as in <sys/ucontext.h>
}

// Locate names a native address for fault reports: library, symbol, file offset. rtld sets it.
var Locate func(pc uintptr) string

// Signals that faults raise (signal(7)).
var faultSignals = []syscall.Signal{syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL}

// chained holds the handlers that were there before weld's, by signal; assembly jumps through it.
var chained *[65]uintptr

var faultOnce sync.Once

type kernelSigaction struct {
	handler, flags, restorer uintptr
	mask                     uint64
}

// installFaultHandler puts weld's handler in front of Go's for the signals of faults. It passes on every fault that
// is not in native code.
func installFaultHandler() {
	faultOnce.Do(func() {
		p, err := nativeHeap.Alloc(unsafe.Sizeof(*chained))
		if err != nil {
			return
		}
		chained = (*[65]uintptr)(Pointer(p))
		const siginfo, onstack, restorer = 0x4, 0x08000000, 0x04000000
		for _, sig := range faultSignals {
			var old kernelSigaction
			syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), 0, uintptr(unsafe.Pointer(&old)), 8, 0, 0)
			if old.handler <= 1 {
				continue // default or ignored: nothing to pass on to
			}
			chained[sig] = old.handler
			act := kernelSigaction{entry.fault, siginfo | onstack | restorer, entry.restorer, ^uint64(0)}
			syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&act)), 0, 8, 0, 0)
		}
		installRaisedHandler()
	})
}

// reportFault ends the program with a report of the fault that brought t back.
func reportFault(t *thread) {
	f := Fault{Signal: syscall.Signal(t.gregs[23]), Addr: uintptr(t.gregs[24]), PC: uintptr(t.gregs[16]), SP: uintptr(t.gregs[15])}
	copy(f.Regs[:], t.gregs[:23])
	where := "native code"
	if t.stack != 0 && f.Addr < t.stack && f.Addr >= t.stack-PageSize {
		where = "native code (stack overflow)"
	}
	f.die(where, true)
}

// serveForeignFault reports a fault on a thread that loaded code made: Arg 0 is the signal, 1 its ucontext.
func serveForeignFault(u Upcall) {
	regs := (*[23]uint64)(Pointer(u.Arg(1) + 40))
	f := Fault{Signal: syscall.Signal(u.Arg(0)), PC: uintptr(regs[16]), SP: uintptr(regs[15]), Addr: uintptr(regs[22]), Regs: *regs}
	f.die("native code, on a thread made by it", false)
}

// die reports the fault and ends the program with status 2, as Go does for its own.
func (f *Fault) die(where string, goStack bool) {
	var b strings.Builder
	f.report(&b, where)
	if goStack {
		b.WriteString("\ncalled from ")
		b.Write(debug.Stack())
	}
	os.Stderr.WriteString(b.String())
	runtime.KeepAlive(f)
	crash()
}

// report says what happened where, with the registers and the native callers.
func (f *Fault) report(b *strings.Builder, where string) {
	at := fmt.Sprintf("pc=%#x", f.PC)
	if Locate != nil {
		if s := Locate(f.PC); s != "" {
			at += " " + s
		}
	}
	fmt.Fprintf(b, "weld: %s in %s: %s addr=%#x\n", signalName(f.Signal), where, at, f.Addr)
	names := [17]string{"r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp", "rip"}
	for i, n := range names {
		fmt.Fprintf(b, "%-4s %#016x", n, f.Regs[i])
		if i%4 == 3 || i == len(names)-1 {
			b.WriteByte('\n')
		} else {
			b.WriteString("  ")
		}
	}
	f.callers(b)
}

func signalName(s syscall.Signal) string {
	switch s {
	case syscall.SIGSEGV:
		return "SIGSEGV"
	case syscall.SIGBUS:
		return "SIGBUS"
	case syscall.SIGFPE:
		return "SIGFPE"
	case syscall.SIGILL:
		return "SIGILL"
	case syscall.SIGABRT:
		return "SIGABRT"
	case syscall.SIGTRAP:
		return "SIGTRAP"
	case syscall.SIGSYS:
		return "SIGSYS"
	}
	return s.String()
}
