package native

//lint:file-ignore U1000 assembly uses it

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"weld/internal/rawfile"
)

// What the Go runtime makes of a process, and how a Program gets it back: signals, limits, descriptors, what /proc shows.

// startState is what _weld_start found, before the Go runtime changed it.
var startState struct {
	started     uint32
	interpreter uint32         // the kernel has started the process as the interpreter of a program (PT_INTERP)
	mask        uint64         // signals that were blocked
	ignored     uint64         // signals that were ignored: bit 0 is signal 1
	nofile      syscall.Rlimit // RLIMIT_NOFILE
	closed      uint64         // which of the descriptors 0 to 2 were closed, a bit each: the Go runtime opens them
	sp          uintptr        // the stack pointer: the address of argc; 0 after Restart
}

// Restart makes sure that the process began as one that is to run a program: with all signals blocked before the Go
// runtime made its threads. Where the binary is not linked so that it does (-E _weld_start) it executes itself again,
// once. It returns the environment that the program is to have, or why that failed.
func Restart(env []string) ([]string, error) {
	const note = "WELD_SIGMASK="
	if startState.started != 0 {
		return env, nil
	}
	for i, v := range env {
		if s, ok := strings.CutPrefix(v, note); ok {
			mask, err := strconv.ParseUint(s, 16, 64)
			if err != nil {
				return env, err
			}
			startState.started, startState.mask, startState.ignored = 1, mask, ignoredNow()
			err = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &startState.nofile)
			return slices.Delete(slices.Clone(env), i, i+1), err
		}
	}
	var mask uint64
	all := ^uint64(0)
	sigprocmask(&all, &mask)
	err := syscall.Exec("/proc/self/exe", os.Args, append(slices.Clone(env), fmt.Sprintf("%s%x", note, mask)))
	sigprocmask(&mask, nil)
	return env, err
}

// HandOver takes everything back that Go has made of the process's signals and limits. Native code on the first thread
// has the program's signal mask from then on, and Go's own threads block all signals. It comes before any code of the
// program's: initialisers of its libraries install handlers and make threads. Later calls do nothing.
func (p *Program) HandOver() {
	if p.handed {
		return
	}
	p.handed = true
	runtime.LockOSThread()
	all := ^uint64(0)
	sigprocmask(&all, nil)
	keepBlocked(signalTable())
	blockOthers()
	restoreStart()
	const disable = 2
	off := struct {
		sp    uintptr
		flags int32
		size  uintptr
	}{flags: disable}
	syscall.RawSyscall(syscall.SYS_SIGALTSTACK, uintptr(unsafe.Pointer(&off)), 0, 0)
	name := append([]byte(base(p.Path)), 0)
	const prSetName = 15
	syscall.RawSyscall(syscall.SYS_PRCTL, prSetName, uintptr(unsafe.Pointer(&name[0])), 0)
	if t := p.main; t != nil {
		t.guard, t.mask = 1, startState.mask
	}
}

// restoreStart gives the process the limit, the open descriptors and the handlers of signals that it began with.
func restoreStart() {
	syscall.Setrlimit(syscall.RLIMIT_NOFILE, &startState.nofile)
	closeStd()
	const sigkill, sigstop = 9, 19
	for sig := uintptr(1); sig <= 64; sig++ {
		if sig == sigkill || sig == sigstop {
			continue
		}
		act := kernelSigaction{handler: uintptr(startState.ignored >> (sig - 1) & 1)} // SIG_DFL, SIG_IGN
		syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&act)), 0, 8, 0, 0)
	}
}

func base(path string) string {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			return path[i+1:]
		}
	}
	return path
}

// ignoredNow returns the signals that are ignored: those that Go leaves so.
func ignoredNow() (set uint64) {
	for sig := uintptr(1); sig <= 64; sig++ {
		var act kernelSigaction
		syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, sig, 0, uintptr(unsafe.Pointer(&act)), 8, 0, 0)
		if act.handler == 1 {
			set |= 1 << (sig - 1)
		}
	}
	return set
}

// describe tells the kernel where arguments, environment and auxiliary vector of the process lie, for /proc (prctl(2),
// PR_SET_MM_MAP; kernels without CONFIG_CHECKPOINT_RESTORE refuse it). sp is the address of argc.
func (p *Program) describe(sp uintptr, auxn int) {
	stat, err := rawfile.ReadFile("/proc/self/stat")
	if err != nil || Interpreting() {
		return // the kernel knows
	}
	f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	num := func(i int) uint64 { // proc(5) counts from 1, and 3 comes first here
		if i-3 >= len(f) {
			return 0
		}
		n, _ := strconv.ParseUint(string(f[i-3]), 10, 64)
		return n
	}
	argv := sp + 8
	envp := argv + 8*uintptr(len(p.Args)+1)
	aux := envp + 8*uintptr(len(p.Env)+1)
	span := func(s []string, table uintptr) (start, end uint64) {
		if len(s) == 0 {
			return uint64(sp), uint64(sp)
		}
		last := len(s) - 1
		return uint64(*word(table)), uint64(*word(table + 8*uintptr(last))) + uint64(len(s[last])) + 1
	}
	m := struct {
		startCode, endCode, startData, endData, startBrk, brk, startStack uint64
		argStart, argEnd, envStart, envEnd                                uint64
		auxv                                                              uint64
		auxvSize                                                          uint32
		exeFD                                                             int32
	}{
		startCode: num(26), endCode: num(27), startData: num(45), endData: num(46), startBrk: num(47), startStack: uint64(sp),
		auxv: uint64(aux), auxvSize: uint32(16 * auxn), exeFD: -1,
	}
	brk, _, _ := syscall.RawSyscall(syscall.SYS_BRK, 0, 0, 0)
	m.brk = uint64(brk)
	m.argStart, m.argEnd = span(p.Args, argv)
	m.envStart, m.envEnd = span(p.Env, envp)
	const prSetMM, prSetMMMap = 35, 14
	syscall.RawSyscall6(syscall.SYS_PRCTL, prSetMM, prSetMMMap, uintptr(unsafe.Pointer(&m)), unsafe.Sizeof(m), 0, 0)
}
