package native

//lint:file-ignore U1000 assembly uses it

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"unsafe"
	"weak"

	"weld/image/elf"
	"weld/internal/rawfile"
)

// Program is a program that is to run in this process, in the place of the one that the kernel started. The C library
// that is brought up gets its arguments and environment, and its thread-local storage lies where its code expects it,
// right below the thread pointer.
//
// A program and Go do not share kernel threads but one: the first, which runs the program, and Go code only while the
// program asks its run-time linker for something. What belongs to a kernel thread is the program's own there: its id,
// which is the process's, the signal mask, the signal stack. While Go runs on it all signals are blocked; on the threads
// that are only Go's they are blocked for good, and Go's handlers are gone. So the program's handlers run on the
// program's threads, and a signal without a handler does what it always does.
//
// After fork the child has the one thread that called it. If that is the first, Go goes on there as far as it needs no
// other thread: fork is let through only when nobody is inside the run-time linker, and with the scheduler not told. If
// it is one that the program made, there is no Go in the child, and a thunk does what OnOrphan says.
type Program struct {
	Path      string
	Args, Env []string
	Aux       map[uintptr]uintptr // entries of the auxiliary vector that are the program's: AT_PHDR and the like
	Init      func()              // called when the C library runs the initialisers of the executable
	Fini      func()              // called by exit after what atexit has registered

	TLS               []byte // the initial image, as it is in the file
	TLSSize, TLSAlign uintptr
	TLSAddr           uintptr // p_vaddr: where it begins is congruent to that modulo TLSAlign

	reserve int // bytes for the libraries'

	tls    uintptr // bytes that its thread-local storage takes
	tlsAt  uintptr // how far below the thread pointer it begins
	stack  uintptr // top
	main   *thread
	handed bool // HandOver is done

	forkMask uint64 // what is blocked but while fork is under way
	procs    int    // GOMAXPROCS but while fork is under way, if stopped says so
	stopped  bool
	forkSeq  uint32 // foreignSeq at the last fork
	calm     int    // how many forks found things as the one before, and this one
	alone    bool   // this is a child that has Go

	uncollected weak.Pointer[[64]byte] // nil once there has been a collection
}

// program is the one that the process runs, nil if it is an ordinary Go program.
var program *Program

// Types of auxv entries that a Program replaces (psABI 3.4.3; <elf.h>).
const (
	AtPhdr, AtPhent, AtPhnum, AtBase, AtEntry, AtExecfn = atPhdr, atPhent, atPhnum, atBase, atEntry, 31
)

var (
	errNotProgram = errors.New("only the program's own threads call native code in a process that runs a program")

	// ErrHosted is what Become returns in a process that has a C library already.
	ErrHosted = errors.New("a process that runs another program must be a static one, built without cgo")
	// ErrStack is what Become returns where the limit of the stack leaves no room beside Go's.
	ErrStack = errors.New("the limit of the stack (RLIMIT_STACK) is too small")
)

// What assembly reads.
var (
	allSignals       = ^uint64(0)
	blockedThreads   uint32
	freshHead        uintptr // list of TCBs that tcbs does not have yet, linked through freshSlot
	reserveSeq       uint64  // counts changes of the reserve's image
	realSigaction    uintptr
	realSignal       uintptr
	realSysvSignal   uintptr
	realSigset       uintptr
	realCreate       uintptr
	realCreate11     uintptr
	realMalloc       uintptr
	realFree         uintptr
	realGetStack     uintptr
	realGetSize      uintptr
	realSetSize      uintptr
	reserveBytes     uintptr // what the reserve and the program's own TLS take of each stack
	programEntryAddr struct {
		blockAll, sigaction, signal, sysvSignal, sigset uintptr
		create, create11, sigEntry                      uintptr
		_                                               [8]uintptr
	}
)

func programEntries(p *[16]uintptr)

//go:noescape
func gateProgram(t *thread, entry, sp, fini uintptr)

//go:noescape
func jumpProgram(entry, sp uintptr, mask *uint64)

// InProgram reports whether the process runs a Program: then a fault of Go code is no panic, but ends it.
func InProgram() bool { return program != nil }

// Interpreting reports whether the kernel has started this binary as the interpreter that a program names (PT_INTERP). The
// program is mapped then.
func Interpreting() bool { return startState.interpreter != 0 }

// Interpreted returns the program that this binary is the interpreter of: its image, where it lies, its entry point, the
// path that was executed, and whether the kernel has given it rights that its caller has not (AT_SECURE).
func Interpreted() (f *elf.File, m Mapping, entry uintptr, path string, secure bool, err error) {
	v, err := readAuxv()
	if err != nil {
		return nil, m, 0, "", false, err
	}
	_, bias := executableProgs(v)
	o := SystemObject{Bias: bias}
	if err := o.attach(v); err != nil {
		return nil, m, 0, "", false, err
	}
	return o.File, o.Mapping, v.get(atEntry), String(v.get(AtExecfn)), v.get(atSecure) != 0, nil
}

// Become makes p the program of the process. The calling goroutine must be locked to the process's first kernel thread
// from the start (runtime.LockOSThread in an init function), and no C library may be up. It is to be called once.
func (p *Program) Become() error {
	if hostTCB || libc.up.Load() {
		return ErrHosted
	}
	if startState.started == 0 {
		return errors.New("the process did not begin as one that runs a program (Restart)")
	}
	if syscall.Gettid() != syscall.Getpid() {
		return errors.New("the program must run on the first thread of the process")
	}
	if err := p.findStack(); err != nil {
		return err
	}
	// The collector would have to stop the program's thread, and its workers are not there in children.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(256 << 20)
	// With one P the answer to a thread would wait until the monitor finds out that whoever has it is in native code.
	p.procs = max(2, runtime.GOMAXPROCS(0))
	runtime.GOMAXPROCS(p.procs)
	p.uncollected = weak.Make(new([64]byte))
	programEntries((*[16]uintptr)(unsafe.Pointer(&programEntryAddr)))
	if err := mapHandlers(); err != nil {
		return err
	}
	program = p
	align := max(p.TLSAlign, 64)
	if align > PageSize {
		return fmt.Errorf("its thread-local storage is aligned to %#x", align)
	}
	if p.TLSSize > maxProgramTLS {
		return fmt.Errorf("its thread-local storage takes %d bytes, more than %d", p.TLSSize, maxProgramTLS)
	}
	p.tlsAt = p.TLSSize + -(p.TLSAddr+p.TLSSize)&(max(p.TLSAlign, 1)-1)
	p.tls = (p.tlsAt + align - 1) &^ (align - 1)
	p.reserve = programReserve
	p.Env = slices.DeleteFunc(slices.Clone(p.Env), func(v string) bool {
		n, ok := strings.CutPrefix(v, reserveNote)
		if ok {
			p.reserve, _ = strconv.Atoi(n)
		}
		return ok
	})
	p.reserve = min(max(p.reserve, programReserve), maxProgramTLS)
	size := (p.tls + uintptr(p.reserve) + align - 1) &^ (align - 1)
	reserveBytes = size
	r := &reserve
	r.image = make([]byte, size)
	r.size, r.used = int(size), int(p.tls)+reserveTop
	placeSlots(-int(p.tls))
	signReserve(r.image, int(p.tls))
	copy(r.image[size-p.tlsAt:], p.TLS)
	return nil
}

// ProgramTLS returns the offset of the program's own thread-local storage from the thread pointer, where its code
// expects it (local-exec). InitStaticTLS takes it as it takes that of a library.
func ProgramTLS() int { return -int(program.tlsAt) }

// maxProgramTLS is the most that the thread-local storage of a program may take, in bytes: its image is made in memory,
// and every thread has a copy.
const maxProgramTLS = 64 << 20

// programReserve is what a Program has at first for the thread-local storage of its libraries that has to lie at a fixed
// place, in bytes, instead of reserveSize. Every thread has it on its stack, also one that the program has made as small
// as it may be (PTHREAD_STACK_MIN, 16 KiB). glibc has 1664 bytes beside what the libraries that come with the program
// need.
const programReserve = 4 << 10

const reserveNote = "WELD_STATIC_TLS="

// enlargeReserve starts the process again, with room for n bytes, if nothing of the program has run yet. What the libraries
// that come with it need is not known before the C library has been brought up with what there is. It returns where that
// cannot be done.
func (p *Program) enlargeReserve(n int) {
	size := p.reserve
	for size < n+programReserve {
		size *= 2
	}
	if p.handed || size > maxProgramTLS {
		return
	}
	env := slices.DeleteFunc(Environ(), func(v string) bool { return strings.HasPrefix(v, reserveNote) })
	env = append(env, reserveNote+strconv.Itoa(size))
	path := "/proc/self/exe"
	if Interpreting() && !Secure() { // else the caller chooses what is behind that name, with the program's rights
		path = p.Path
	}
	restoreStart()
	sigprocmask(&startState.mask, nil)
	syscall.Exec(path, os.Args, env)
}

// findStack finds room on the process's own stack, below what Go uses of it: the scheduler's of the first thread has the
// 64 KiB that come first.
func (p *Program) findStack() error {
	const ofGo = 68 << 10
	start := startState.sp
	if start == 0 {
		var err error
		if start, err = stackStart(); err != nil {
			return err
		}
	}
	p.stack = (start - ofGo) &^ (PageSize - 1)
	need := uint64(ofGo + 64<<10)
	for _, list := range [][]string{p.Args, p.Env} {
		for _, s := range list {
			need += uint64(len(s)) + 9
		}
	}
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_STACK, &lim); err != nil {
		return err
	}
	if lim.Cur < need {
		return fmt.Errorf("%w: %d KiB, and %d are needed", ErrStack, lim.Cur>>10, need>>10)
	}
	return nil
}

// stackStart returns where the stack of the process began.
func stackStart() (uintptr, error) {
	stat, err := rawfile.ReadFile("/proc/self/stat")
	if err != nil {
		return 0, err
	}
	// proc(5): the 28th field, counted behind the name, which may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 26 {
		return 0, errors.New("/proc/self/stat is not as it should be")
	}
	start, err := strconv.ParseUint(string(fields[25]), 10, 64)
	return uintptr(start), err
}

// startProgram makes the C library ready for the program: no thread is made, the program's first thread is the only one.
func (l *clib) startProgram(t *thread) error {
	p := program
	p.main = t
	t.nest, t.unworn = 1, true
	nests.enter(getg(), t)
	var err error
	if threadKey, err = l.newKey(l.keyDone.Addr()); err != nil {
		return err
	}
	for name, real := range map[string]*uintptr{
		"sigaction": &realSigaction, "signal": &realSignal, "sysv_signal": &realSysvSignal, "sigset": &realSigset,
		"pthread_create": &realCreate, "thrd_create": &realCreate11, "malloc": &realMalloc, "free": &realFree,
		"pthread_attr_getstack": &realGetStack, "pthread_attr_getstacksize": &realGetSize, "pthread_attr_setstacksize": &realSetSize,
	} {
		*real = SystemFunction(name)
	}
	if l.family == Musl {
		l.onSpawner(l.cxaAtexit, l.atExit.Addr(), 0, 0)
	}
	if err := p.watchFork(); err != nil {
		return err
	}
	startDispatcher()
	atomic.StoreUintptr(&era, 1)
	l.up.Store(true)
	return nil
}

// initThunk returns a function that runs the initialisers of the executable: glibc calls those of what it takes for the
// executable when the program's start code does not bring its own, as it does since 2.34, and musl always does.
func (p *Program) initThunk() (uintptr, error) {
	t, err := NewThunk(func(Upcall) {
		if p.Init != nil {
			p.Init()
		}
	})
	if err != nil {
		return 0, err
	}
	return t.Addr(), nil
}

// bootEnv returns the program's environment for the system's run-time linker, with the names of variables changed that
// are for the one that loads the program, which is weld. Restore puts them right for the program.
func (p *Program) bootEnv() *environment {
	e := &environment{ours: -1}
	for i, v := range p.Env {
		for _, name := range []string{"LD_PRELOAD=", "LD_AUDIT=", "LD_DEBUG=", "LD_TRACE_LOADED_OBJECTS=", "LD_SHOW_AUXV=", "LD_PROFILE="} {
			if strings.HasPrefix(v, name) {
				v = "X" + v[1:]
				e.hidden = append(e.hidden, i)
			}
		}
		e.list = append(e.list, v)
	}
	return e
}

// showAuxv writes the program's own entries over those of the fake executable in the auxiliary vector that getauxval
// reads.
func (p *Program) showAuxv() {
	sp := bootState[4]
	at := sp + 8*uintptr(1+len(p.Args)+1+len(p.Env)+1)
	n := 0
	for ; *word(at + 16*uintptr(n)) != 0; n++ {
		e := at + 16*uintptr(n)
		if val, ok := p.Aux[*word(e)]; ok {
			*word(e + 8) = val
		}
	}
	p.describe(sp, n+1)
}

// ProgramServices returns the functions that take the place of the C library's for the code of a program, by name. They
// are native code and work wherever the C library's do. It is nil in a process that runs none.
func ProgramServices() map[string]uintptr {
	if program == nil {
		return nil
	}
	e := &programEntryAddr
	m := map[string]uintptr{}
	for name, f := range map[string][2]uintptr{
		"sigaction": {e.sigaction, realSigaction}, "__sigaction": {e.sigaction, realSigaction},
		"signal": {e.signal, realSignal}, "bsd_signal": {e.signal, realSignal}, "ssignal": {e.signal, realSignal},
		"sysv_signal": {e.sysvSignal, realSysvSignal}, "__sysv_signal": {e.sysvSignal, realSysvSignal},
		"sigset":         {e.sigset, realSigset},
		"pthread_create": {e.create, realCreate}, "thrd_create": {e.create11, realCreate11},
	} {
		if f[1] != 0 {
			m[name] = f[0]
		}
	}
	return m
}

// OrphanError and OrphanDie are for Thunk.OnOrphan: a dlerror that tells what is missing, and the end of the process
// with that message and status 127.
func OrphanError() uintptr { return entry.orphanError }
func OrphanDie() uintptr   { return entry.orphanDie }

// Run starts the program at its entry point. It returns only if that is not possible. The C library of a dynamic
// program is up, and its libraries are initialised.
func (p *Program) Run(entry uintptr) error {
	p.HandOver()
	t := p.main
	startOn(t, entry, bootState[4], libc.atExit.Addr())
	for {
		serve(t, t.sp, heldCall)
		goOn(t)
	}
}

// startOn is nosplit, as is what stands between entersyscall and exitsyscall everywhere.
//
//go:nosplit
//go:norace
func startOn(t *thread, entry, sp, fini uintptr) {
	entersyscall()
	gateProgram(t, entry, sp, fini)
	exitsyscall()
}

// RunStatic starts a program that has no program interpreter: it brings its own C library, and makes its own TCB.
func (p *Program) RunStatic(entry uintptr) error {
	v, err := readAuxv()
	if err != nil {
		return err
	}
	sp := initialStack(p.stack, p.Args, p.Env, v.replace(p.Aux))
	p.describe(sp, len(v)+1)
	p.HandOver()
	entersyscall()
	jumpProgram(entry, sp, &startState.mask)
	return nil
}

// Progs returns the program headers of an image as AT_PHDR has it: where they lie in memory. The kernel too looks for
// the segment that has them and does not believe PT_PHDR.
func (m Mapping) Progs(f *elf.File) (phdr uintptr) {
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && f.Phoff >= p.Off && f.Phoff-p.Off < p.Filesz {
			return m.Bias + uintptr(p.Vaddr+f.Phoff-p.Off)
		}
	}
	return 0
}
