package native

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"unsafe"
)

// Prepare adopts the C library that the process was started with, if it has one. It is done at the first call anyway;
// who reads what SystemObjects and its like tell from several goroutines does it before.
func Prepare() { joinHost() }

// Alloc returns n zeroed bytes of native memory, aligned to 64. They stay until Free with the same n.
func Alloc(n uintptr) (uintptr, error) { return nativeHeap.Alloc(n) }

// Free gives back what Alloc(n) returned.
func Free(p, n uintptr) { nativeHeap.Free(p, n) }

// NewString copies s to native memory, NUL-terminated.
func NewString(s string) (uintptr, error) {
	n := uintptr(len(s) + 1)
	p, err := nativeHeap.Alloc(n)
	if err == nil {
		copy(Bytes(p, n), s)
	}
	return p, err
}

// FreeString gives back what NewString(s) returned.
func FreeString(p uintptr, s string) { nativeHeap.Free(p, uintptr(len(s)+1)) }

// SystemFunction returns the address of a function that an object of the system's run-time linker defines, 0 if none
// does. What was found is remembered: those objects stay.
func SystemFunction(name string) uintptr {
	if a, ok := systemFunctions.Load(name); ok {
		return a.(uintptr)
	}
	for _, o := range SystemObjects() {
		if a := o.symbol(name); a != 0 {
			systemFunctions.Store(name, a)
			return a
		}
	}
	return 0
}

var systemFunctions sync.Map // name -> uintptr

var errNoModule = errors.New("the system's run-time linker gives it no TLS module")

// SystemTLSModule returns the module number of an object of the system's run-time linker (dlinfo, RTLD_DI_TLS_MODID).
func SystemTLSModule(linkMap uintptr) (uintptr, error) {
	const rtldDITLSModID = 9
	dlinfo := SystemFunction("dlinfo")
	if dlinfo == 0 {
		return 0, errNoModule
	}
	var id uintptr
	r := Call(dlinfo, linkMap, rtldDITLSModID, uintptr(unsafe.Pointer(&id)))
	if int32(r) != 0 || id == 0 {
		return 0, errNoModule
	}
	return id, nil
}

// ThreadVariable returns the address of a thread-local variable, by module and offset, in the native thread that the
// calling goroutine's next call runs on.
func ThreadVariable(id, off uintptr) (uintptr, error) {
	t := acquire()
	if id&moduleTag != 0 {
		a, err := TLSAddr(t.fs, id, off)
		release(t)
		return a, err
	}
	pair := [2]uintptr{id, off}
	a, _ := t.call(systemTLSGetAddr, uintptr(unsafe.Pointer(&pair)))
	release(t)
	runtime.KeepAlive(&pair)
	return a, nil
}

// SystemTLSDistance returns the distance from the thread pointer of a variable in the system's static TLS. For a
// module that has none the distance would differ between threads: that is an error.
func SystemTLSDistance(id, off uintptr) (uintptr, error) {
	dist := func(t *thread) uintptr {
		pair := [2]uintptr{id, off}
		a, _ := t.call(systemTLSGetAddr, uintptr(unsafe.Pointer(&pair)))
		runtime.KeepAlive(&pair)
		return a - t.fs
	}
	t := acquire()
	d := dist(t)
	release(t)
	if program != nil {
		return d, nil // there is no thread to compare with that does not run
	}
	libc.spawn.Lock()
	d2 := dist(libc.spawner)
	libc.spawn.Unlock()
	if d != d2 {
		return 0, ErrNoStaticTLS
	}
	return d, nil
}

// InitStaticTLS writes an initial image to static TLS that AllocStaticTLS gave, in all threads and for those to come.
func InitStaticTLS(off int, init []byte) {
	r := &reserve
	r.mu.Lock()
	defer r.mu.Unlock()
	copy(r.image[r.at(off):], init)
	r.changed()
	tcbs.each(func(fs uintptr) {
		copy(Bytes(fs+uintptr(off), uintptr(len(init))), init)
	})
}

// ThreadBlock returns the address of a TLS module's block in a thread, 0 if the thread has none: one that has no static
// TLS gets a block when it is touched first.
func ThreadBlock(fs, id uintptr) uintptr {
	if id&moduleTag == 0 {
		return 0
	}
	i := id &^ moduleTag
	modules.mu.Lock()
	defer modules.mu.Unlock()
	if i < uintptr(len(modules.list)) && modules.list[i] != nil && modules.list[i].fixed != 0 {
		return fs + uintptr(modules.list[i].fixed)
	}
	dtv := *weldWord(fs, dtvSlot)
	if dtv == 0 || i >= *word(dtv) {
		return 0
	}
	return *word(dtv + 8 + 8*i)
}

// ProgramHeaders returns the address and number of the program headers of the executable that the process runs.
func ProgramHeaders() (addr, n uintptr) { return libc.auxv.get(atPhdr), libc.auxv.get(atPhnum) }

// OwnExecutable reports whether that executable is not among SystemObjects: the process was started without a run-time
// linker.
func OwnExecutable() bool { return !libc.adopted }

// Arguments returns argc, argv and envp as initialisers get them, in memory that stays.
func Arguments() (argc, argv, envp uintptr) {
	if p := program; p != nil {
		argv = bootState[4] + 8
		return uintptr(len(p.Args)), argv, argv + 8*uintptr(len(p.Args)+1)
	}
	arguments.Do(func() {
		put := func(list []string) uintptr {
			p, err := nativeHeap.Alloc(uintptr(8 * (len(list) + 1)))
			if err != nil {
				return 0
			}
			for i, s := range list {
				*word(p + uintptr(8*i)), _ = NewString(s)
			}
			return p
		}
		argVector, envVector = put(os.Args), put(os.Environ())
	})
	return uintptr(len(os.Args)), argVector, envVector
}

var (
	arguments            sync.Once
	argVector, envVector uintptr
)

// Close makes later calls of the function panic with err. Calls that are under way are not affected.
func (f *Func) Close(err error) {
	closed.Lock()
	defer closed.Unlock()
	t := closed.m[err]
	if t == nil {
		var e error
		if t, e = NewThunk(func(Upcall) { panic(err) }); e != nil {
			return
		}
		if closed.m == nil {
			closed.m = map[error]*Thunk{}
		}
		closed.m[err] = t
	}
	f.SetAddr(t.Addr())
}

// closed are the functions that closed ones lead to, by the error they panic with.
var closed struct {
	sync.Mutex
	m map[error]*Thunk
}
