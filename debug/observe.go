package debug

import (
	"errors"
	"fmt"
	"time"
)

// State is what is being done to a list (r_state).
type State int32

// States, as <link.h> numbers them.
const (
	Consistent State = iota // RT_CONSISTENT
	Add                     // RT_ADD
	Delete                  // RT_DELETE
)

// Object is an entry of a run-time linker's list: a file that it has loaded, or that the kernel has loaded for it.
type Object struct {
	LinkMap uint64 // address of the struct link_map
	Addr    uint64 // l_addr: what the addresses in the file were moved by
	Ld      uint64 // l_ld: where PT_DYNAMIC is; 0 if the list does not say
	Name    string // l_name as it stands there: "" for the program itself

	// Path is the file: Name where that is absolute, else what the kernel says is mapped there; "" if neither is known.
	Path string
	// Start and End are the range of the object's PT_LOADs, whole pages; both 0 if its program headers were not found.
	Start, End uint64
	// BuildID is the NT_GNU_BUILD_ID note as it stands in memory; nil without one.
	BuildID []byte

	namePtr uint64
}

// Size is the number of bytes from Start to End.
func (o *Object) Size() uint64 { return o.End - o.Start }

// Namespace is a struct r_debug with its list (<link.h>; r_next of version 2 leads from one to the next).
type Namespace struct {
	ID      int    // place in the chain, from 0
	Record  uint64 // address of the struct r_debug
	Version int32  // r_version; 0 if the run-time linker has not filled the record in
	First   uint64 // r_map
	Break   uint64 // r_brk
	State   State  // r_state
	LdBase  uint64 // r_ldbase
	Next    uint64 // r_next; 0 below version 2
	Objects []Object
}

// Snapshot is what one look at a process has shown.
type Snapshot struct {
	PID     int
	Exe     string // the file that the process runs
	Threads int
	// Found says what led to the first struct r_debug: "DT_DEBUG", or "_r_debug of" a file. It is "" if the
	// run-time linker has not started yet, which only Watch and WatchProgram report.
	Found      string
	Time       time.Time
	Namespaces []Namespace
}

// Kinds of ProcessError, for errors.Is.
var (
	ErrNoProcess  = errors.New("no such process")
	ErrExited     = errors.New("the process has exited")
	ErrPermission = errors.New("no permission")
	ErrKernel     = errors.New("a kernel thread")
	ErrClass      = errors.New("not a 64-bit x86 process")
	ErrTraced     = errors.New("already traced")
	ErrSelf       = errors.New("this process itself")
	ErrNoList     = errors.New("no list of loaded objects")
	ErrCorrupt    = errors.New("corrupted list of loaded objects")
	ErrBreakpoint = errors.New("no breakpoints")
)

// ProcessError says what is wrong with a process that was to be observed, and where in it.
type ProcessError struct {
	PID   int
	Place string // such as "link_map 0x1000, entry 3 of namespace 0"; "" for the process as a whole
	What  string // what is wrong, and what was wanted
	Kind  error  // one of the Err variables; reported by Unwrap
}

func (e *ProcessError) Error() string {
	if e.Place == "" {
		return fmt.Sprintf("process %d: %s", e.PID, e.What)
	}
	return fmt.Sprintf("process %d: %s: %s", e.PID, e.Place, e.What)
}

// Unwrap returns Kind.
func (e *ProcessError) Unwrap() error { return e.Kind }
