package debug

import "weld/native"

// In a process that another run-time linker has started, debuggers know that one's r_debug only.

// hostList is the list of that run-time linker.
type hostList struct{ r *rDebug }

var host *hostList // nil if there is none

// findHost returns the list of the run-time linker that has started the process, nil if none has, or if its record has no
// room for a successor: glibc has it since 2.35, musl has not.
func findHost() *hostList {
	p, size := native.ProcessDebug()
	if p == 0 || size < rDebugSize || at(p).brk == 0 {
		return nil
	}
	return &hostList{at(p)}
}

// append puts a record at the end of the list, as glibc does for a namespace of its own.
func (h *hostList) append(r *rDebug) { append2(h.r, r) }

// notify calls the function that debuggers have a breakpoint in.
func (h *hostList) notify() { callEmpty(h.r.brk) }
