package rtld

import "time"

// Kinds of events, and what they tell beside Time, PID and Took.
const (
	EventSearch       = "search"        // a file was tried and not taken: Name, File, By, Error
	EventLibc         = "libc"          // the C library was started: Object is its run-time linker
	EventLoad         = "load"          // an object was mapped: Why, By, ByAddr, Name, Addr, Size, Soname, BuildID, Search, Map
	EventRelocate     = "relocate"      // an object was relocated: Relocs, Lookups, CacheHits
	EventUndefined    = "undefined"     // a symbol was not found: Object refers to Symbol, Version; Why
	EventInterpose    = "interpose"     // Object's reference was bound to Definition, and Instead defines the symbol too
	EventCopy         = "copy"          // data of Definition was copied to Addr in Object, which defines it from now on: Size
	EventRebind       = "rebind"        // the C library's reference was bound again, to Definition at Addr
	EventHook         = "hook"          // a reference of Object goes to the hook of an interposition at Addr, or again to what it did before
	EventBind         = "bind"          // a call of Object was bound when first made, to Definition at Addr
	EventInit         = "init"          // Functions initialisers of Object have run
	EventFini         = "fini"          // Functions finalisers of Object have run
	EventOpen         = "open"          // an open is over: Name, Why, By, ByAddr, Object or Error
	EventDlsym        = "dlsym"         // a symbol was asked for by name and found: By, ByAddr, Definition, Addr
	EventCommit       = "commit"        // what was done to a live object was published: Bound, Unbound, Redirected
	EventUnload       = "unload"        // Object is about to be unmapped
	EventNamespace    = "namespace"     // a namespace was made
	EventNamespaceEnd = "namespace-end" // a namespace is gone
	EventStart        = "start"         // the program starts, at Addr: Took is the time since Tracer.Began
	EventExit         = "exit"          // the C library's exit has run the finalisers
)

// Values of Event.Why.
const (
	WhyProgram = "program" // it is the program
	WhyPreload = "preload" // LD_PRELOAD names it
	WhyNeeded  = "needed"  // a DT_NEEDED of By names it
	WhyFilter  = "filter"  // a DT_FILTER or DT_AUXILIARY of By names it
	WhyDlopen  = "dlopen"  // By called dlopen or dlmopen, which is to return to ByAddr
	WhyOpen    = "open"    // Go code opened it
	WhySystem  = "system"  // the system's run-time linker has loaded it
	WhyLive    = "live"    // it was made at run time

	WhyWeak    = "weak"    // the reference is weak: it is 0
	WhyUnbound = "unbound" // a function that is not missed unless it is called
	WhyMissing = "missing" // the object cannot be loaded
	WhyCall    = "call"    // it was called
	WhyDlsym   = "dlsym"   // By asked for it by name
)

// Event is something that the run-time linker did. Which fields are set depends on its Kind. As JSON, times are
// nanoseconds and addresses numbers.
type Event struct {
	Kind       string        `json:"event"`
	Time       time.Duration `json:"time_ns"` // when it was over, from Tracer.Began
	PID        int           `json:"pid"`
	Namespace  int           `json:"namespace,omitempty"` // 0 is the first one
	Object     string        `json:"object,omitempty"`    // path
	Soname     string        `json:"soname,omitempty"`
	BuildID    string        `json:"build_id,omitempty"` // in hexadecimal
	Addr       uintptr       `json:"address,omitempty"`
	Size       uintptr       `json:"size,omitempty"` // bytes
	Name       string        `json:"name,omitempty"` // of a library, as asked for
	File       string        `json:"file,omitempty"` // that was tried
	Why        string        `json:"why,omitempty"`
	By         string        `json:"by,omitempty"`         // path of the object that needs or asks
	ByAddr     uintptr       `json:"by_address,omitempty"` // where its call returns to
	Symbol     string        `json:"symbol,omitempty"`
	Version    string        `json:"version,omitempty"`
	Definition string        `json:"definition,omitempty"` // path of the object that defines Symbol; weld itself is "weld"
	Instead    string        `json:"instead_of,omitempty"` // path of the object whose definition was passed over
	Relocs     *Relocs       `json:"relocations,omitempty"`
	Lookups    uint64        `json:"lookups,omitempty"`    // symbols that were looked up
	CacheHits  uint64        `json:"cache_hits,omitempty"` // references to a symbol that had been
	Functions  int           `json:"functions,omitempty"`
	Bound      int           `json:"bound,omitempty"`      // names that lead somewhere else than before
	Unbound    int           `json:"unbound,omitempty"`    // names that are gone
	Redirected int           `json:"redirected,omitempty"` // references of others that go somewhere else
	Search     time.Duration `json:"search_ns,omitempty"`  // to find and open the file
	Map        time.Duration `json:"map_ns,omitempty"`     // to map it and check its tables
	Took       time.Duration `json:"took_ns,omitempty"`
	Error      string        `json:"error,omitempty"`
}

// Relocs counts relocations by kind (psABI, table Relocation Types).
type Relocs struct {
	Relative  uint64 `json:"relative"`
	Relr      uint64 `json:"relr"`      // words that DT_RELR names
	Symbol    uint64 `json:"symbol"`    // address or size of a symbol: GLOB_DAT, 64, 32, PC32 and the like
	JumpSlot  uint64 `json:"jump_slot"` // those of Lazy among them
	Lazy      uint64 `json:"lazy"`      // JUMP_SLOT left to the first call
	Irelative uint64 `json:"irelative"`
	Copy      uint64 `json:"copy"`
	TLS       uint64 `json:"tls"`
	Other     uint64 `json:"other"`
}

// Add returns the sum of two counts.
func (r Relocs) Add(x Relocs) Relocs { return r.plus(x, 1) }

// Sub returns the difference of two counts.
func (r Relocs) Sub(x Relocs) Relocs { return r.plus(x, ^uint64(0)) }

// plus adds x, each number multiplied by a sign.
func (r Relocs) plus(x Relocs, sign uint64) Relocs {
	return Relocs{
		r.Relative + sign*x.Relative, r.Relr + sign*x.Relr, r.Symbol + sign*x.Symbol, r.JumpSlot + sign*x.JumpSlot,
		r.Lazy + sign*x.Lazy, r.Irelative + sign*x.Irelative, r.Copy + sign*x.Copy, r.TLS + sign*x.TLS, r.Other + sign*x.Other,
	}
}

// Applied returns the number of relocations that were applied.
func (r Relocs) Applied() uint64 {
	return r.Relative + r.Relr + r.Symbol + r.JumpSlot - r.Lazy + r.Irelative + r.Copy + r.TLS + r.Other
}

// Phase is a part of the work. Each moment of it belongs to one phase only, the innermost.
type Phase int

const (
	PhasePlan     Phase = iota // order, scopes, versions, and all of an open that is in no other
	PhaseLibc                  // the C library starts, or its run-time linker loads a library
	PhaseSearch                // find and open files
	PhaseMap                   // map images, read and check their tables
	PhaseRelocate              // look symbols up and relocate
	PhaseProtect               // make read-only what is not written any more (PT_GNU_RELRO)
	PhasePublish               // tell debuggers
	PhaseInit                  // initialisers: the libraries' own code
	PhaseFini                  // finalisers
	PhaseLazy                  // bind calls when they are first made
	PhaseTrace                 // the Tracer itself
	NumPhases
)

func (p Phase) String() string {
	return [...]string{"plan", "libc", "search", "map", "relocate", "protect", "publish", "init", "fini", "lazy", "trace"}[p]
}

// PhaseStats is what a phase has cost. Page faults are those of the whole process meanwhile.
type PhaseStats struct {
	Time        time.Duration `json:"time_ns"`
	MinorFaults int64         `json:"minor_faults"`
	MajorFaults int64         `json:"major_faults"`
}

// Stats is what a Tracer has counted.
type Stats struct {
	Objects    int                   `json:"objects"`        // that weld has loaded
	System     int                   `json:"system_objects"` // that the system's run-time linker has
	Bytes      uint64                `json:"bytes"`          // of address space that Objects took
	Relocs     Relocs                `json:"relocations"`    // of Objects
	Lookups    uint64                `json:"lookups"`        // symbols that were looked up
	CacheHits  uint64                `json:"cache_hits"`     // references to a symbol that the object had looked up before
	Candidates int                   `json:"files_not_taken"`
	Opens      int                   `json:"opens"` // calls of dlopen and its like
	Binds      int                   `json:"binds"` // calls that were bound when first made
	Rebound    int                   `json:"rebound"`
	Functions  int                   `json:"initialisers"`
	Unloads    int                   `json:"unloads"`
	Phases     [NumPhases]PhaseStats `json:"-"`
}
