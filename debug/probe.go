package debug

import "sync/atomic"

// The probes of the run-time linker's debugger interface (glibc, elf/rtld-debugger-interface.txt): provider rtld, each with
// the namespace, the address of its struct r_debug, and, where a new part of the list begins, the address of the first
// struct link_map of it. Where nobody watches a probe is a function of a nop.

type probe int

const (
	initStart probe = iota
	initComplete
	mapStart
	mapComplete
	mapFailed
	relocStart
	relocComplete
	unmapStart
	unmapComplete
	numProbes
)

// probeNames are the names, and whether there is a third argument.
var probeNames = [numProbes]struct {
	name string
	part bool
}{
	{"init_start", false}, {"init_complete", false}, {"map_start", false}, {"map_complete", true}, {"map_failed", false},
	{"reloc_start", false}, {"reloc_complete", true}, {"unmap_start", false}, {"unmap_complete", false},
}

// Arguments of a probe in the notation of SystemTap: size, sign and place of each.
const (
	probeArgs2 = "8@%rdi 8@%rsi"
	probeArgs3 = "8@%rdi 8@%rsi 8@%rdx"
)

// sites are the functions that are called, in the runtime object or in this executable.
var sites atomic.Pointer[[numProbes]uintptr]

// fire calls the function of a probe.
func (v *Rendezvous) fire(p probe, first uintptr) {
	if s := sites.Load(); s != nil {
		callProbe(s[p], v.lmid, addr(v.r), first)
	}
}

// callProbe calls a function, which uses no stack and changes no register, with arguments as the psABI passes them.
func callProbe(f, lmid, r, first uintptr)

// callEmpty is callProbe for one without arguments.
func callEmpty(f uintptr)

func notify()

// ownSites gives the functions in this executable.
func ownSites(list *[numProbes]uintptr)

// stamped reports whether this executable has notes of them: internal/stamp has set the word.
func stamped() bool
