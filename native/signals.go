package native

import (
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"unsafe"

	"weld/internal/rawfile"
)

// What the kernel has as the handler of a signal that a program handles is not the handler but an entry of it: a thunk that
// goes to sigEntry. There is one for each function that is installed as a handler, whatever signal for, and it stays. So
// the kernel alone knows what the handler of a signal is, changes it in one step, and is believed.

// handlerCode is the address of the entries. Their records follow; the data of one is the handler, 0 if it is free. The
// first handlerFirst are the signals' own, two of each, for when the others are used up.
var handlerCode uintptr //lint:ignore U1000 assembly uses it

const (
	handlerHalf  = 2 * PageSize // bytes of entries
	handlerFirst = 2 * 65
)

func mapHandlers() (err error) {
	handlerCode, err = mapThunks("signal handlers", handlerHalf, programEntryAddr.sigEntry)
	return err
}

// The kernel threads that are only Go's, in a process that runs a Program. A signal to the process goes to any thread that
// has it open: on one of Go's it would be lost to a sigwait of the program's, or be the end of the process. Most signals
// are blocked there from the start (_weld_start), but the runtime opens some on each thread that it makes: those that it
// wants to hear of whatever the mask was, such as SIGTERM and SIGCHLD.

// sigTab is an entry of the runtime's table of what it does with each signal (runtime/runtime2.go: sigTabT).
type sigTab struct {
	flags int32
	name  string
}

type sigTable [65]sigTab

// dataSegment stores where the initialised variables that hold pointers begin and end, and the read-only data.
func dataSegment(p *[4]uintptr)

// signalTable returns the runtime's table of signals (runtime/sigtab_linux_generic.go), nil if it is not found. Nothing
// gives its address away, so it is told by what it holds, among the runtime's variables. TestSignalTable fails for a
// version of Go that has another one.
func signalTable() *sigTable {
	var b [4]uintptr
	dataSegment(&b)
	is := func(t *sigTable, i int, name string) bool {
		words := (*[3]uintptr)(unsafe.Pointer(&t[i])) // not yet known to be a string
		at, n := words[1], words[2]
		return n == uintptr(len(name)) && at >= b[2] && at < b[3] && b[3]-at >= n && string(Bytes(at, n)) == name
	}
	for p := b[0]; p+unsafe.Sizeof(sigTable{}) <= b[1]; p += unsafe.Alignof(sigTable{}) {
		t := (*sigTable)(Pointer(p))
		if is(t, 0, "SIGNONE: no trap") && is(t, 1, "SIGHUP: terminal line hangup") && is(t, 64, "signal 64") {
			return t
		}
	}
	return nil
}

// keepBlocked has the runtime leave signals blocked on the threads that it makes from now on: the flags are what
// minitSignalMask goes by. It also opens SIGURG, with which it preempts, and goes on to do so: whose default is to be
// ignored. Without a table threads are made as ever, and block all signals once they have got one (sigEntry).
func keepBlocked(t *sigTable) {
	if t == nil {
		return
	}
	for i := range t {
		atomic.StoreInt32(&t[i].flags, 0)
	}
}

// blockOthers blocks all signals on the kernel threads that Go has. Each is sent a signal whose handler does it.
func blockOthers() {
	const siginfo, onstack, restorer = 0x4, 0x08000000, 0x04000000
	act := kernelSigaction{programEntryAddr.blockAll, siginfo | onstack | restorer, entry.restorer, ^uint64(0)}
	syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(syscall.SIGCHLD), uintptr(unsafe.Pointer(&act)), 0, 8, 0, 0)
	pid := syscall.Getpid()
	var sent []int
	for _, tid := range kernelThreads() {
		if tid != pid {
			if _, _, e := syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(pid), uintptr(tid), uintptr(syscall.SIGCHLD)); e == 0 {
				sent = append(sent, tid)
			}
		}
	}
	// Some have it blocked already, and their handlers do not count them: after a moment the kernel is asked who is still to
	// run one, which on a busy machine takes long. A thread that cannot run is not waited for forever.
	const moment, most = 20, 5000
	for i := range most {
		if atomic.LoadUint32(&blockedThreads) >= uint32(len(sent)) || i >= moment && !slices.ContainsFunc(sent, willHandle) {
			return
		}
		ts := syscall.Timespec{Nsec: 20_000}
		if i > 2*moment {
			ts.Nsec = 1_000_000
		}
		syscall.Nanosleep(&ts, nil)
	}
}

// willHandle reports whether a kernel thread has a SIGCHLD that it will handle when it runs. Package os would begin to poll,
// and the program find the poller's descriptors among its own.
func willHandle(tid int) bool {
	status, err := rawfile.ReadFile("/proc/self/task/" + strconv.Itoa(tid) + "/status") // proc_pid_status(5)
	if err != nil {
		return false // it has ended
	}
	const bit = 1 << (syscall.SIGCHLD - 1)
	return signalSet(string(status), "SigPnd")&^signalSet(string(status), "SigBlk")&bit != 0
}

// signalSet returns a set of signals in a status file of the kernel's.
func signalSet(status, name string) uint64 {
	_, rest, _ := strings.Cut(status, "\n"+name+":\t")
	hex, _, _ := strings.Cut(rest, "\n")
	set, _ := strconv.ParseUint(hex, 16, 64)
	return set
}

// kernelThreads returns the ids of the kernel threads of the process.
func kernelThreads() (list []int) {
	fd, err := syscall.Open("/proc/self/task", syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer syscall.Close(fd)
	buf := make([]byte, 4096)
	for {
		n, err := syscall.ReadDirent(fd, buf)
		if err != nil || n <= 0 {
			return list
		}
		var names []string
		_, _, names = syscall.ParseDirent(buf[:n], -1, nil)
		for _, s := range names {
			if tid, err := strconv.Atoi(s); err == nil {
				list = append(list, tid)
			}
		}
	}
}
