package native

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// Family is a C library.
type Family int

const (
	NoLibc Family = iota
	Glibc
	Musl
)

func (f Family) String() string { return [...]string{"no C library", "glibc", "musl"}[f] }

// interpreters are the usual places of each C library's run-time linker on x86-64 (psABI 5.3; musl INSTALL).
var interpreters = map[Family][]string{
	Glibc: {"/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "/lib/ld-linux-x86-64.so.2", "/usr/lib64/ld-linux-x86-64.so.2"},
	Musl:  {"/lib/ld-musl-x86_64.so.1", "/usr/lib/x86_64-linux-musl/libc.so", "/usr/lib/musl/lib/libc.so"},
}

// Interpreter returns the path of the machine's run-time linker for a C library, "" if it has none.
func Interpreter(f Family) string {
	for _, p := range interpreters[f] {
		if fi, err := os.Stat(p); err == nil && fi.Mode().IsRegular() {
			return p
		}
	}
	return ""
}

// LibcError says why there is no C library to load code against.
type LibcError struct {
	Family Family // the one wanted
	Path   string // of its run-time linker, if it came to that
	Err    error
}

func (e *LibcError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("bring up %v: %v", e.Family, e.Err)
	}
	return fmt.Sprintf("bring up %v (%s): %v", e.Family, e.Path, e.Err)
}
func (e *LibcError) Unwrap() error { return e.Err }

var (
	ErrNoLibc    = errors.New("its run-time linker is not on this machine")
	ErrOtherLibc = errors.New("the process already has another C library")
)

// clib is the C library of the process.
type clib struct {
	mu      sync.Mutex // held while it is brought up
	up      atomic.Bool
	family  Family
	path    string // of its run-time linker
	adopted bool   // it was there before weld
	auxv    auxv
	debug   uintptr        // r_debug
	objects []SystemObject // what it began with
	err     error

	spawn   sync.Mutex // held while spawner is used
	spawner *thread    // the native thread on which others are made

	dlopen, dlsym, dlclose, dlerror       uintptr
	pthreadCreate, attrInit, attrSetStack uintptr
	attrSetGuard, attrDestroy             uintptr
	keyCreate, errnoLocation              uintptr
	cxaAtexit, exit, fflush               uintptr
	keyDone, atExit                       *Thunk
	exitMu                                sync.Mutex
	onExit                                []func()
}

var libc clib

// entry holds the addresses of assembly that native code is given.
var entry struct {
	upcall, fault, restorer, park, started, booted, lazyBind uintptr
	tlsGetAddr, tlsdescDynamic, tlsdescStatic, getg          uintptr
	orphanError, orphanDie, upcallThen, plainStub, entered   uintptr
	keepWord, threadEnd, fromNative, fromNativeDone          uintptr
	lazyFixup, signalSelf, signalSelfDone                    uintptr
}

func entryPoints(p *[23]uintptr)

func init() {
	entryPoints((*[23]uintptr)(unsafe.Pointer(&entry)))
	callStub = entry.plainStub
	gOffset = findGOffset()
	v, _ := readAuxv()
	detectCPU(uint64(v.get(atHwcap2)))
}

// findGOffset returns the distance of g from the thread pointer. The linker chose it and wrote it into every access,
// so it is read from one: mov %fs:disp32, %rax is 64 48 8b 04 25 disp32. In position-independent executables the
// offset comes from the GOT: mov disp32(%rip), %rax; mov %fs:(%rax), %rax.
func findGOffset() int {
	code := Bytes(entry.getg, 16)
	i32 := func(b []byte) int {
		return int(int32(uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24))
	}
	for i := 0; i+9 <= len(code); i++ {
		switch string(code[i : i+3]) {
		case "\x64\x48\x8b":
			if code[i+3] == 0x04 && code[i+4] == 0x25 {
				return i32(code[i+5:])
			}
		case "\x48\x8b\x05":
			at := int(entry.getg) + i + 7 + i32(code[i+3:])
			return int(*word(uintptr(at)))
		case "\x48\xc7\xc0": // the linker made it mov $disp32, %rax
			return i32(code[i+3:])
		}
	}
	panic("native: cannot tell where the Go runtime keeps g")
}

// Libc returns the C library of the process: its family, the path of its run-time linker, and whether it was there
// before weld. NoLibc if none has been brought up.
func Libc() (f Family, path string, adopted bool) {
	if !libc.up.Load() {
		return NoLibc, "", false
	}
	return libc.family, libc.path, libc.adopted
}

// BringUp makes the C library of the given family present: it adopts the one of the process, or starts the machine's
// run-time linker in it. interp is the path of that linker, "" for the usual places. The error is a *LibcError; a
// process has one C library at most, the first one.
func BringUp(f Family, interp string) error {
	l := &libc
	if l.up.Load() && l.family == f {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.up.Load() {
		if l.family != f {
			return &LibcError{f, interp, fmt.Errorf("%w: %v", ErrOtherLibc, l.family)}
		}
		return nil
	}
	if l.err != nil {
		return l.err
	}
	// What start does must be done on the kernel thread that adopt has borrowed.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	host, err := l.host()
	switch {
	case err != nil:
		return &LibcError{f, interp, err}
	case host && l.family != f:
		return &LibcError{f, interp, fmt.Errorf("%w: %v", ErrOtherLibc, l.family)}
	case host:
		err = l.adopt()
	default:
		if interp == "" {
			if interp = Interpreter(f); interp == "" {
				return &LibcError{f, "", ErrNoLibc}
			}
		}
		err = l.boot(f, interp)
	}
	if err == nil {
		err = l.start()
	}
	if err != nil {
		if host {
			unadopt()
		}
		l.err = &LibcError{f, interp, err}
		return l.err
	}
	return nil
}

// host reports whether the process had a C library from the start, as one with a program interpreter has, and finds
// what weld needs of it.
func (l *clib) host() (bool, error) {
	v, err := readAuxv()
	if err != nil {
		return false, err
	}
	l.auxv = v
	d := processDebug(v)
	l.adopted = d != 0 && l.find(d) == nil
	return l.adopted, nil
}

var hostOnce sync.Once

// joinHost adopts the C library of a process that has one, at the first use of this package: its kernel threads are
// the library's, and native code on them must see them as such. It returns whether that is so. If it cannot be adopted
// (that of a static program, say) native threads are lent without ever being worn.
func joinHost() bool {
	if !hostTCB {
		return false
	}
	hostOnce.Do(func() {
		l := &libc
		l.mu.Lock()
		host, err := l.host()
		f := l.family
		l.mu.Unlock()
		if host && err == nil {
			BringUp(f, "") // its error comes again where a library is asked for
		}
	})
	return libc.up.Load() && libc.adopted
}

// find looks up what weld needs of the C library in the objects that r_debug lists, and tells which library it is.
func (l *clib) find(debug uintptr) error {
	objs := linkMaps(debug)
	for i := range objs {
		objs[i].attach(l.auxv) // what cannot be read defines nothing
	}
	look := func(name string) uintptr {
		for i := range objs {
			if a := objs[i].symbol(name); a != 0 {
				return a
			}
		}
		return 0
	}
	var missing []string
	for _, s := range []struct {
		name string
		p    *uintptr
	}{
		{"dlopen", &l.dlopen}, {"dlsym", &l.dlsym}, {"dlclose", &l.dlclose}, {"dlerror", &l.dlerror},
		{"pthread_create", &l.pthreadCreate}, {"pthread_attr_init", &l.attrInit},
		{"pthread_attr_setstacksize", &l.attrSetStack}, {"pthread_attr_setguardsize", &l.attrSetGuard},
		{"pthread_attr_destroy", &l.attrDestroy}, {"pthread_key_create", &l.keyCreate},
		{"pthread_setspecific", &threadSetSpecific}, {"__errno_location", &l.errnoLocation},
		{"__cxa_atexit", &l.cxaAtexit}, {"exit", &l.exit}, {"fflush", &l.fflush},
		{"__tls_get_addr", &systemTLSGetAddr},
	} {
		if *s.p = look(s.name); *s.p == 0 {
			missing = append(missing, s.name)
		}
	}
	if missing != nil {
		return fmt.Errorf("it does not define %s", strings.Join(missing, ", "))
	}
	l.debug, l.objects = debug, objs
	l.family = Musl
	for i := range objs {
		base := filepath.Base(objs[i].Name)
		if base == "libc.so.6" {
			l.family = Glibc
		}
		if strings.HasPrefix(base, "ld-") {
			l.path = objs[i].Name
		}
	}
	return nil
}

// start makes the C library ready for calls: one thread made by itself (it takes no locks before), the hooks of
// threads and exit, the fault handler.
func (l *clib) start() error {
	if err := setUpUpcalls(); err != nil {
		return err
	}
	for _, h := range []struct {
		p      *(*Thunk)
		f      func(Upcall)
		target uintptr
	}{{&l.keyDone, l.serveThreadEnd, entry.threadEnd}, {&l.atExit, l.serveExit, entry.upcall}} {
		t, err := newThunk(&handler{raw: h.f}, h.target)
		if err != nil {
			return err
		}
		*h.p = t
	}
	first := l.spawner
	first.errno = l.errnoFor(first)
	if program != nil {
		return l.startProgram(first)
	}
	t, err := l.newThread()
	if err != nil {
		return err
	}
	l.spawner = t
	threads.Lock()
	threads.all = slices.DeleteFunc(threads.all, func(o *thread) bool { return o == t }) // never lent
	if !l.adopted {
		first.next = uintptr(unsafe.Pointer(threads.free))
		threads.free = first
		threads.all = append(threads.all, first)
	}
	threads.Unlock()
	if l.adopted {
		// The first thread was that of a kernel thread of the Go runtime, borrowed.
		*weldWord(first.fs, threadSlot) = 0
		Unmap(first.stack-PageSize, bootStrapStack+PageSize)
		nativeHeap.Free(first.addr(), unsafe.Sizeof(*first))
	} else if fini := bootState[3]; fini != 0 && l.family == Glibc { // musl passes nothing in rdx
		l.onSpawner(l.cxaAtexit, fini, 0, 0)
	}
	if !l.adopted && l.family == Musl {
		l.findTID(first, t)
	}
	if threadKey, err = l.newKey(l.keyDone.Addr()); err != nil {
		return err
	}
	l.onSpawner(l.cxaAtexit, l.atExit.Addr(), 0, 0)
	startDispatcher()
	// What weld made without a C library is of no use with it. Who sees that it is up must not get such a thread.
	atomic.StoreUintptr(&era, 1)
	l.up.Store(true)
	forks.mu.Lock()
	handleForks()
	forks.mu.Unlock()
	return nil
}

// What threadEnd calls: pthread_setspecific, and weld's key.
var threadSetSpecific, threadKey uintptr

// newKey makes a key of thread-specific data with a destructor.
func (l *clib) newKey(destructor uintptr) (uintptr, error) {
	var key uint32
	r := l.onSpawner(l.keyCreate, uintptr(unsafe.Pointer(&key)), destructor)
	if r != 0 {
		return 0, fmt.Errorf("pthread_key_create: %w", syscall.Errno(r))
	}
	return uintptr(key), nil
}

// onSpawner calls a function of the C library on the thread that is kept for that.
//
//go:uintptrescapes
func (l *clib) onSpawner(fn uintptr, args ...uintptr) uintptr {
	l.spawn.Lock()
	defer l.spawn.Unlock()
	r, _ := l.spawner.call(fn, args...)
	return r
}

// parking is where a new thread reports itself. Assembly knows its layout (park).
type parking struct {
	fs, sp uintptr
	stack  uintptr // top of the stack it sleeps on
	ready  uint32  // futex
	_      uint32
	mask   uint64
}

const parkStack = 16 << 10

// newThread makes a native thread with the C library's pthread_create.
func (l *clib) newThread() (*thread, error) {
	t, err := allocThread(lent)
	if err != nil {
		return nil, err
	}
	pp, err := nativeHeap.Alloc(unsafe.Sizeof(parking{}))
	if err != nil {
		nativeHeap.Free(t.addr(), unsafe.Sizeof(*t))
		return nil, err
	}
	p := (*parking)(Pointer(pp))
	size := stackSize.Load() + reserveSize
	stack, err := MapAnon("a parked thread", parkStack)
	if err == nil {
		p.stack = stack + parkStack
		p.mask = ^l.signals()
		if err = l.create(entry.park, pp, size); err != nil {
			Unmap(stack, parkStack)
		}
	}
	if err != nil {
		nativeHeap.Free(pp, unsafe.Sizeof(parking{}))
		nativeHeap.Free(t.addr(), unsafe.Sizeof(*t))
		return nil, err
	}
	for atomic.LoadUint32(&p.ready) == 0 {
		futex(&p.ready, futexWait, 0)
	}
	t.sp = p.sp
	t.top = t.sp
	t.stack = pageUp(p.fs) + PageSize - size // both libraries put the TCB at the top of what they map
	reserve.enrol(p.fs)
	t.setFS(p.fs)
	t.errno = l.errnoFor(t)
	threads.Lock()
	threads.all = append(threads.all, t)
	threads.Unlock()
	return t, nil
}

// signals is the set of those that the C library sends its own threads: 32 and 33, with musl 34 too.
func (l *clib) signals() uint64 {
	s := uint64(1<<(32-1) | 1<<(33-1))
	if l.family == Musl {
		s |= 1 << (34 - 1)
	}
	return s
}

// create runs pthread_create on the spawner with all signals blocked, so that the new thread never runs one of Go's
// handlers.
func (l *clib) create(start, arg, size uintptr) error {
	l.spawn.Lock()
	defer l.spawn.Unlock()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	t := l.spawner
	buf, err := nativeHeap.Alloc(128) // pthread_attr_t, 56 bytes in both libraries; pthread_t
	if err != nil {
		return err
	}
	defer nativeHeap.Free(buf, 128)
	attr, id := buf, buf+120
	t.call(l.attrInit, attr)
	t.call(l.attrSetStack, attr, size)
	t.call(l.attrSetGuard, attr, PageSize)
	old := blockSignals()
	r, _ := t.call(l.pthreadCreate, id, attr, start, arg)
	sigprocmask(&old, nil)
	t.call(l.attrDestroy, attr)
	if r != 0 {
		return fmt.Errorf("pthread_create: %w", syscall.Errno(r))
	}
	return nil
}

// errnoFor returns the address of errno in a thread that nobody else uses now.
func (l *clib) errnoFor(t *thread) uintptr {
	r, _ := t.call(l.errnoLocation)
	return r
}

// errnoOf returns the address of errno in a foreign thread. errno is a static TLS variable of the C library (glibc) or
// a field of the TCB (musl): its distance from the thread pointer is the same everywhere.
func (l *clib) errnoOf(fs uintptr) uintptr {
	return fs + (l.spawner.errno - l.spawner.fs)
}

// threadNode is what a thread made by loaded code is started with.
type threadNode struct{ start, arg uintptr }

// CreateThread serves pthread_create and functions like it for loaded code: create(thread, attr, start, arg) is
// called with start replaced, in the caller's thread, with the signals that are Go's blocked: the new thread inherits
// that. Faults stay open, they are reported, and so does SIGPROF: a profile is to show these threads too.
func CreateThread(create, id, attr, start, arg uintptr) uintptr {
	n, err := nativeHeap.Alloc(unsafe.Sizeof(threadNode{}))
	if err != nil {
		return uintptr(syscall.EAGAIN)
	}
	*(*threadNode)(Pointer(n)) = threadNode{start, arg}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var old uint64
	mask := ^(libc.signals() | faultMask | 1<<(syscall.SIGPROF-1))
	sigprocmask(&mask, &old)
	var r uintptr
	if attr == noAttr {
		r = Call(create, id, entry.started, n)
	} else {
		r = Call(create, id, attr, entry.started, n)
	}
	sigprocmask(&old, nil)
	if r != 0 {
		nativeHeap.Free(n, unsafe.Sizeof(threadNode{}))
	}
	return r
}

// noAttr makes CreateThread leave out the attr argument: thrd_create has none.
const noAttr = ^uintptr(0)

// CreateThread11 is CreateThread for C11's thrd_create(thread, start, arg).
func CreateThread11(create, id, start, arg uintptr) uintptr {
	return CreateThread(create, id, noAttr, start, arg)
}

// faultMask is the set of signals that loaded code raises itself: they stay open in its threads.
const faultMask uint64 = 1<<(syscall.SIGSEGV-1) | 1<<(syscall.SIGBUS-1) | 1<<(syscall.SIGFPE-1) |
	1<<(syscall.SIGILL-1) | 1<<(syscall.SIGTRAP-1) | 1<<(syscall.SIGABRT-1) | 1<<(syscall.SIGSYS-1)

func (l *clib) serveThreadStart(u Upcall) {
	p := u.Arg(0)
	n := *(*threadNode)(Pointer(p))
	nativeHeap.Free(p, unsafe.Sizeof(threadNode{}))
	reserve.enrol(u.ThreadPointer())
	Call(threadSetSpecific, threadKey, 1) // the first round
	u.SetResult(n.start)
	u.SetResult2(n.arg)
}

// lastRound is how often destructors are called while they set values again: PTHREAD_DESTRUCTOR_ITERATIONS of both
// libraries. threadEnd tells it from the others. A thread that is known late (serveTLS) does not begin with 1.
const lastRound = 4

// serveThreadEnd is the destructor of weld's key, in its last round: threadEnd has let the others pass, because destructors
// of other keys may still use thread-local variables. What they touch after that is lost.
func (l *clib) serveThreadEnd(u Upcall) {
	fs := u.ThreadPointer()
	if t := disown(fs); t != nil {
		atomic.CompareAndSwapUintptr(weldWord(fs, threadSlot), t.addr(), 0) // it may be another kernel thread's from now on
	}
	*weldWord(fs, foreignSlot) = foreignEnds
	tcbs.remove(fs)
}

// serveExit runs when native code, or Exit, calls the C library's exit.
func (l *clib) serveExit(Upcall) {
	l.exitMu.Lock() // for the race detector, which does not see how the thread has come here
	fns := l.onExit
	l.exitMu.Unlock()
	for _, f := range slices.Backward(fns) {
		f()
	}
	if program != nil && bootState[3] != 0 && l.family == Glibc {
		Call(bootState[3]) // takes the place that this function has been given
	}
}

// OnExit has f called when the C library's exit runs. Not to be called after BringUp.
func OnExit(f func()) {
	libc.exitMu.Lock()
	defer libc.exitMu.Unlock()
	libc.onExit = append(libc.onExit, f)
}

// Exit ends the process through the C library's exit, which flushes its streams and runs what was registered with
// atexit; without a C library it is os.Exit.
func Exit(code int) {
	if libc.up.Load() {
		Call(libc.exit, uintptr(code))
	}
	os.Exit(code)
}

// Flush writes out the C library's buffered output: fflush(NULL).
func Flush() {
	if libc.up.Load() {
		Call(libc.fflush, 0)
	}
}

// SystemOpen has the system's run-time linker load a library that belongs to the C library, its calls bound at once if
// now is set. It returns the address of its link_map, which is what a handle is in glibc and musl.
func SystemOpen(name string, now bool) (linkMap uintptr, err error) {
	b := append([]byte(name), 0)
	mode := uintptr(1) // RTLD_LAZY
	if now {
		mode = 2 // RTLD_NOW
	}
	var msg string
	// dlerror is kept a thread: both calls must be made in the same one.
	t := acquire()
	r, _ := t.call(libc.dlopen, uintptr(unsafe.Pointer(&b[0])), mode)
	if r == 0 {
		e, _ := t.call(libc.dlerror)
		msg = String(e)
	}
	release(t)
	runtime.KeepAlive(b)
	if r == 0 {
		return 0, errors.New(msg)
	}
	return r, nil
}

// SystemObjects returns the objects that the system's run-time linker has mapped, in its order. Those that have no
// readable image (the fake executable of a static process) are left out.
func SystemObjects() []SystemObject {
	if !libc.up.Load() && libc.debug == 0 {
		return nil
	}
	var list []SystemObject
	for _, o := range linkMaps(libc.debug) {
		if o.Bias == bootImage {
			continue
		}
		// What weld brought up stays; what another started may have been unloaded.
		known := slices.IndexFunc(libc.objects, func(k SystemObject) bool { return k.LinkMap == o.LinkMap })
		if known >= 0 && !libc.adopted {
			o = libc.objects[known]
		} else {
			o.attach(libc.auxv)
		}
		if o.File != nil {
			list = append(list, o)
		}
	}
	return list
}
