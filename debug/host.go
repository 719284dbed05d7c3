package debug

import (
	"os"
	"strconv"
	"strings"
	"sync"

	"weld/image/elf"
	"weld/native"
)

// In a process that another run-time linker has started, debuggers know that one's r_debug only.

// hostList is the list of that run-time linker.
type hostList struct {
	r    *rDebug
	file string // of the run-time linker, "" if unknown
}

var host *hostList // nil if there is none

// findHost returns the list of the run-time linker that has started the process, nil if none has, or if its record has no
// room for a successor, as before glibc 2.35 and in musl.
func findHost() *hostList {
	p, file, extended := native.ProcessDebug()
	if p == 0 || !extended || at(p).brk == 0 {
		return nil
	}
	return &hostList{at(p), file}
}

// append puts a record at the end of the list, as glibc does for a namespace of its own.
func (h *hostList) append(r *rDebug) { append2(h.r, r) }

// notify has debuggers look: it calls the function that they have a breakpoint in, if they go by r_brk. Where the run-time
// linker has probes gdb goes by these, and looks at all lists after the one for an unload: so weld has something unloaded.
func (h *hostList) notify(done bool) {
	callEmpty(h.r.brk)
	if done && h.probed() && tracedBy() != 0 {
		h.reload()
	}
}

var hostProbes struct {
	sync.Once
	some bool
}

// probed reports whether the run-time linker has the probes.
func (h *hostList) probed() bool {
	hostProbes.Do(func() {
		if f, err := elf.Open(h.file); err == nil {
			hostProbes.some = len(probesOf(f.File, 0)["unmap_complete"]) > 0
			f.Close()
		}
	})
	return hostProbes.some
}

// tracedBy returns the process that traces this one, 0 if none does.
func tracedBy() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "\nTracerPid:")
	line, _, _ := strings.Cut(rest, "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return 0
	}
	return pid
}

// debugger is the name of the command that traces the process, "" if none does.
type debugger string

func attached() debugger {
	pid := tracedBy()
	if pid == 0 {
		return ""
	}
	name, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	if err != nil {
		return ""
	}
	return debugger(name)
}

// isLLDB reports whether it is lldb, or lldb-server. It goes by the state of the list, as the protocol has it: what has gone
// it sees at the end of RT_DELETE only, what has come at that of RT_ADD; and two names for one file are one for it. Debuggers that
// read the list at each stop, as gdb, can be told more at once.
func (t debugger) isLLDB() bool { return strings.HasPrefix(string(t), "lldb") }

// isGDB reports whether it is gdb, or gdbserver, which do not look at the state.
func (t debugger) isGDB() bool { return strings.HasPrefix(string(t), "gdb") }

// reload has the run-time linker load the runtime object and unload it again.
func (h *hostList) reload() {
	open, shut := native.SystemFunction("dlopen"), native.SystemFunction("dlclose")
	if objectFile == 0 || open == 0 || shut == 0 {
		return
	}
	const lazy = 1 // RTLD_LAZY
	if handle := native.Call(open, objectFile, lazy); handle != 0 {
		native.Call(shut, handle)
	}
}

// objectFile is the name of the runtime object's file, a native string.
var objectFile uintptr
