//go:build linux && amd64

package debug

import (
	"syscall"
	"time"
	"unsafe"
)

// Requests, options and events of ptrace(2) that package syscall does not have or has for the older interface only.
const (
	ptraceCont       = 7
	ptraceDetach     = 17
	ptraceSyscall    = 24
	ptraceGetSigInfo = 0x4202
	ptraceSeize      = 0x4206
	ptraceInterrupt  = 0x4207
	ptraceListen     = 0x4208

	optSysGood = 0x01
	optClone   = 0x08
	optExec    = 0x10

	eventExec = 4
	eventStop = 128

	waitAll      = 0x40000000 // __WALL
	waitOwn      = 0x20000000 // __WNOTHREAD: tracees and children of this kernel thread
	syscallStop  = syscall.SIGTRAP | 0x80
	sysPerfEvent = 298
)

func ptrace(request, tid int, addr, data uintptr) error {
	if _, _, e := syscall.RawSyscall6(syscall.SYS_PTRACE, uintptr(request), uintptr(tid), addr, data, 0, 0); e != 0 {
		return e
	}
	return nil
}

// waitInfo is the siginfo_t of waitid(2).
type waitInfo struct {
	signo, errno, code, _ int32
	pid                   int32 // 0 if there is nothing to report
	uid                   int32
	status                int32 // of a stop: the signal, and from bit 8 the event
	_                     [100]byte
}

// What pending is asked for.
const (
	waitAny   = 0 // P_ALL
	waitOne   = 1 // P_PID
	ofTracees = syscall.WEXITED | syscall.WSTOPPED | waitOwn
)

// ended reports whether it is of an end (CLD_EXITED to CLD_DUMPED), and not of a stop.
func (i *waitInfo) ended() bool { return i.code >= 1 && i.code <= 3 }

// pending returns what there is to wait for, and leaves it.
func pending(kind, id, flags int) (info waitInfo, err error) {
	_, _, e := syscall.RawSyscall6(syscall.SYS_WAITID, uintptr(kind), uintptr(id), uintptr(unsafe.Pointer(&info)),
		uintptr(flags|syscall.WNOHANG|syscall.WNOWAIT|waitAll), 0, 0)
	if e != 0 && e != syscall.EINTR {
		return waitInfo{}, e
	}
	return info, nil
}

// childSet is the sigset_t of SIGCHLD.
var childSet = uint64(1) << (syscall.SIGCHLD - 1)

const (
	sigBlock   = 0 // SIG_BLOCK
	sigsetSize = 8
)

// blockChild has this kernel thread, which is to end after use, handle SIGCHLD in awaitChild only. At other times the kernel
// gives it to another thread of the process.
func blockChild() {
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, sigBlock, uintptr(unsafe.Pointer(&childSet)), 0, sigsetSize, 0, 0)
}

// awaitChild waits for SIGCHLD, which the kernel sends to the thread that traces first of all, and reports whether there was
// one, or another signal. That is cheaper than os/signal, which two more threads have a part in. The scheduler does not
// know that the thread sleeps: where it needs it the signal that it sends ends the wait.
func awaitChild(limit time.Duration) bool {
	ts := syscall.NsecToTimespec(int64(limit))
	_, _, e := syscall.RawSyscall6(syscall.SYS_RT_SIGTIMEDWAIT, uintptr(unsafe.Pointer(&childSet)), 0, uintptr(unsafe.Pointer(&ts)), sigsetSize, 0, 0)
	return e != syscall.EAGAIN
}

// sigInfo is the part of siginfo_t that a signal sent for a descriptor has (<asm-generic/siginfo.h>, _sigpoll).
type sigInfo struct {
	signo, errno, code, _ int32
	band                  int64
	fd                    int32
	_                     [100]byte
}

func signalInfo(tid int) (i sigInfo, err error) {
	err = ptrace(ptraceGetSigInfo, tid, 0, uintptr(unsafe.Pointer(&i)))
	return i, err
}

// perfAttr is struct perf_event_attr up to PERF_ATTR_SIZE_VER3 (<linux/perf_event.h>).
type perfAttr struct {
	kind, size     uint32
	config         uint64
	period         uint64
	sampleType     uint64
	readFormat     uint64
	flags          uint64
	wakeup, bpType uint32
	bpAddr, bpLen  uint64
	branchType     uint64
	userRegs       uint64
	userStack      uint32
	clock          int32
}

const (
	perfTypeBreakpoint = 5
	perfDisabled       = 1 << 0
	perfExcludeKernel  = 1 << 5
	perfExcludeHV      = 1 << 6
	perfWatermark      = 1 << 14
	perfUseClock       = 1 << 25
	perfCloseOnExec    = 1 << 3
	perfEnable         = 0x2400
	perfSetOutput      = 0x2405

	bpWrite   = 2
	bpExecute = 4

	setSignal  = 10 // F_SETSIG
	setOwnerEx = 15 // F_SETOWN_EX
	ownerTID   = 0  // F_OWNER_TID
	pollIn     = 1  // POLL_IN, the si_code of such a signal
)

// breakSignals are the signals that may stand for a breakpoint: by default they do nothing, so one that is delivered
// because the tracer has gone does no harm.
var breakSignals = []syscall.Signal{syscall.SIGWINCH, syscall.SIGURG, syscall.SIGCONT}

// openBreakpoint sets a breakpoint in a debug register of a thread: the kernel sends the thread a signal when it reaches
// addr, or writes there. The breakpoint is gone when the descriptor is closed, by whomever.
func openBreakpoint(tid int, addr uint64, write bool, sig syscall.Signal) (fd int, err error) {
	attr := perfAttr{wakeup: 1, bpType: bpExecute, bpAddr: addr}
	if write {
		attr.bpType = bpWrite
	}
	fd, err = openEvent(&attr, tid)
	if err != nil {
		return -1, err
	}
	owner := struct{ kind, id int32 }{ownerTID, int32(tid)}
	_, _, e := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), setOwnerEx, uintptr(unsafe.Pointer(&owner)))
	if e == 0 {
		_, _, e = syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), setSignal, uintptr(sig))
	}
	if e == 0 {
		_, _, e = syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_SETFL, syscall.O_ASYNC)
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

// openEvent opens a breakpoint of a thread that is not enabled yet.
func openEvent(attr *perfAttr, tid int) (fd int, err error) {
	attr.kind, attr.size, attr.period, attr.bpLen = perfTypeBreakpoint, uint32(unsafe.Sizeof(*attr)), 1, 8
	attr.flags |= perfDisabled | perfExcludeKernel | perfExcludeHV
	r, _, e := syscall.Syscall6(sysPerfEvent, uintptr(unsafe.Pointer(attr)), uintptr(tid), ^uintptr(0), ^uintptr(0), perfCloseOnExec, 0)
	if e != 0 {
		return -1, e
	}
	return int(r), nil
}
