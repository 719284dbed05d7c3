package rtld

import (
	"fmt"
	"sync"
	"unsafe"

	"weld/debug"
	"weld/image/elf"
	"weld/native"
)

// itself stands for weld as the object that defines what loaded code asks of its run-time linker.
var itself = Object{Path: "weld", Soname: "weld", System: true}

// serviceTable maps the names of those functions to their addresses.
type serviceTable struct {
	once         sync.Once
	err          error
	m            map[string]uintptr
	hashes       [16]uint64 // a filter of their names, see may
	threadObject uintptr    // destructor of thread-local objects
	thunks       map[string]*native.Thunk
	wraps        map[string]bool // those that end in the C library's own, and are nothing without
	dls          map[string]bool // those that the system's libgcc_s gets too
	notes        map[string]bool // those that only a C library needs of whose threads native.NotesThreads
}

var services serviceTable

func (t *serviceTable) get(name string) uintptr { return t.m[name] }

// may reports whether there may be a function of a name with this hash (DT_GNU_HASH).
func (t *serviceTable) may(hash uint32) bool { return t.hashes[hash>>6&15]>>(hash&63)&1 != 0 }

func (t *serviceTable) add(name string, addr uintptr) {
	t.m[name] = addr
	h := elf.GNUHash(name)
	t.hashes[h>>6&15] |= 1 << (h & 63)
}

// instead returns the address of weld's own function of a name, if it takes the place of the system's definition of it,
// or of none.
func (t *serviceTable) instead(name string, defined bool) uintptr {
	if !defined && t.wraps[name] || t.notes[name] && !native.NotesThreads() {
		return 0
	}
	return t.m[name]
}

// setUp makes the thunks and hooks that everything else relies on, once.
func setUp() error {
	t := &services
	t.once.Do(func() {
		native.Prepare()
		t.thunks = map[string]*native.Thunk{}
		t.wraps = map[string]bool{"pthread_create": true, "thrd_create": true, "__cxa_thread_atexit_impl": true}
		t.m = map[string]uintptr{}
		t.add("__tls_get_addr", native.TLSGetAddr())
		for name, f := range map[string]func(native.Upcall){
			"dlopen": serveDlopen, "dlmopen": serveDlmopen, "dlclose": serveDlclose, "dlerror": serveDlerror,
			"dlsym": serveDlsym, "dlvsym": serveDlvsym, "dladdr": serveDladdr, "dladdr1": serveDladdr1,
			"dlinfo": serveDlinfo, "dl_iterate_phdr": serveIterate, "_dl_find_object": serveFindObject,
			"pthread_create": serveThread, "thrd_create": serveThread11,
			"__cxa_thread_atexit_impl": serveThreadAtexit,
			"backtrace_symbols":        serveBacktraceSymbols, "backtrace_symbols_fd": serveBacktraceSymbolsFD,
		} {
			th, err := native.NewThunk(f)
			if err != nil {
				t.err = err
				return
			}
			t.add(name, th.Addr())
			t.thunks[name] = th
		}
		if native.LendsStacks() {
			th, err := native.NewThunk(serveThreadAttributes)
			if err != nil {
				t.err = err
				return
			}
			t.add("pthread_getattr_np", th.Addr())
			t.wraps["pthread_getattr_np"] = true
		}
		th, err := native.NewThunk(serveThreadObject)
		if err != nil {
			t.err = err
			return
		}
		t.threadObject = th.Addr()
		for _, name := range []string{"backtrace", "pthread_exit", "pthread_cancel"} {
			th, err := native.NewGuard(func() uintptr {
				loadUnwinder()
				return native.SystemFunction(name)
			})
			if err != nil {
				t.err = err
				return
			}
			t.add(name, th.Addr())
			t.wraps[name] = true
		}
		t.notes = map[string]bool{}
		for _, name := range native.SelfSignalers {
			th, err := native.SignalsSelf(name)
			if err != nil {
				t.err = err
				return
			}
			t.add(name, th.Addr())
			t.wraps[name], t.notes[name] = true, true
		}
		t.wraps["backtrace_symbols"], t.wraps["backtrace_symbols_fd"] = true, true
		t.dls = map[string]bool{"dl_iterate_phdr": true, "_dl_find_object": true}
		if t.err = t.addOffers(); t.err != nil {
			return
		}
		native.LazyBinder = bindLazily
		native.Locate = describe
		native.Callers = trace
		native.OnExit(finiAll)
		debug.SetUp()
	})
	return t.err
}

// loadUnwinder has the system's run-time linker load the library with which the C library itself unwinds stacks, as that
// does when it is asked to for the first time, so that redirect can be done to it.
func loadUnwinder() {
	if f, _, _ := native.Libc(); f != native.Glibc {
		return // musl does not unwind
	}
	linker.mu.Lock()
	defer linker.mu.Unlock()
	if _, err := native.SystemOpen("libgcc_s.so.1", true); err == nil {
		adoptSystem()
	}
}

// redirect makes a system object that unwinds stacks see weld's objects too: the unwinder finds frame descriptions
// through these functions. Its slots may be read-only by now.
func redirect(o *Object) {
	o.interpose("") // what cannot be written stays bound as it is
	if o.Soname != "libgcc_s.so.1" {
		return
	}
	f := o.File
	for _, t := range []elf.RelaTable{f.Rela(), f.PltRel()} {
		for i := range t.Len() {
			r := t.At(i)
			if r.Sym == 0 || r.Type != uint32(elf.R_X86_64_JMP_SLOT) && r.Type != uint32(elf.R_X86_64_GLOB_DAT) {
				continue
			}
			s, ok := f.Sym(r.Sym)
			if !ok || !services.dls[f.SymName(s)] {
				continue
			}
			a := o.addr(r.Off)
			page := a &^ (native.PageSize - 1)
			relro := f.Relro != nil && a >= o.addr(f.Relro.Vaddr) && a < o.addr(f.Relro.Vaddr+f.Relro.Memsz)
			const read, write = 1, 2
			if relro && native.Protect(page, native.PageSize, read|write) != nil {
				continue
			}
			storeWord(a, services.get(f.SymName(s)))
			if relro {
				native.Protect(page, native.PageSize, read)
			}
		}
	}
}

// describe names an address for fault reports.
func describe(pc uintptr) string {
	p, ok := Locate(pc)
	if !ok {
		return ""
	}
	s := fmt.Sprintf("%s+%#x", p.Object.Path, pc-p.Object.Mapping.Bias)
	if p.FileOffset != 0 {
		s = fmt.Sprintf("%s (file offset %#x)", s, p.FileOffset)
	}
	if p.Symbol != "" {
		s += fmt.Sprintf(" in %s+%#x", p.Symbol, pc-p.SymbolAddr)
	}
	return s
}

// serveThread is pthread_create(thread, attr, start, arg) for loaded code.
func serveThread(u native.Upcall) {
	u.SetResult(native.CreateThread(native.SystemFunction("pthread_create"), u.Arg(0), u.Arg(1), u.Arg(2), u.Arg(3)))
}

// serveThread11 is thrd_create(thread, start, arg).
func serveThread11(u native.Upcall) {
	u.SetResult(native.CreateThread11(native.SystemFunction("thrd_create"), u.Arg(0), u.Arg(1), u.Arg(2)))
}

// serveThreadAttributes is pthread_getattr_np(thread, attr) where threads run on other stacks than the C library made for
// them: collectors of garbage look through the stack that it tells.
func serveThreadAttributes(u native.Upcall) {
	r := native.Call(native.SystemFunction("pthread_getattr_np"), u.Arg(0), u.Arg(1))
	if lo, size, ok := u.LentStack(); ok && int32(r) == 0 && u.Arg(0) == u.ThreadPointer() { // a pthread_t is the thread pointer
		r = native.Call(native.SystemFunction("pthread_attr_setstack"), u.Arg(1), lo, size)
	}
	u.SetResult(r)
}

// A thread-local object that was made, and its destructor, which is code of the library that made it: the library stays
// until the thread has ended.
type threadObject struct{ dtor, object, linkMap uintptr }

// serveThreadAtexit is __cxa_thread_atexit_impl(dtor, object, dso): dso is an address in the library that asks.
func serveThreadAtexit(u native.Upcall) {
	impl := native.SystemFunction("__cxa_thread_atexit_impl")
	o := FindObject(u.Arg(2))
	if o == nil || o.System {
		u.SetResult(native.Call(impl, u.Arg(0), u.Arg(1), u.Arg(2)))
		return
	}
	n, err := native.Alloc(unsafe.Sizeof(threadObject{}))
	if err != nil {
		u.SetResult(^uintptr(0))
		return
	}
	*(*threadObject)(native.Pointer(n)) = threadObject{u.Arg(0), u.Arg(1), o.LinkMap}
	linker.mu.Lock()
	o.hold()
	linker.mu.Unlock()
	// An address of no object: the C library counts it for the main program.
	u.SetResult(native.Call(impl, services.threadObject, n, services.threadObject))
}

// serveThreadObject destroys a thread-local object at the end of its thread. The library is unloaded by the next close,
// not here: its code may be running.
func serveThreadObject(u native.Upcall) {
	n := *(*threadObject)(native.Pointer(u.Arg(0)))
	native.Free(u.Arg(0), unsafe.Sizeof(threadObject{}))
	native.Call(n.dtor, n.object)
	if o := objectOf(n.linkMap); o != nil {
		linker.mu.Lock()
		o.busy--
		linker.mu.Unlock()
	}
}
