package rtld

import (
	"slices"
	"strings"
	"sync"

	"weld/debug"
	"weld/image/elf"
	"weld/native"
)

// What <dlfcn.h> and <link.h> declare, for code that weld has loaded. A handle is the address of a link_map, as in
// glibc and musl. Who calls is told by the return address: $ORIGIN and RUNPATH, the namespace, RTLD_NEXT and
// RTLD_DEFAULT depend on it. Numbers are those of glibc's headers, which musl shares where it has them.
const (
	rtldLazy     = 0x1
	rtldNow      = 0x2
	rtldNoLoad   = 0x4
	rtldDeepBind = 0x8
	rtldGlobal   = 0x100
	rtldNoDelete = 0x1000

	rtldDefault = 0
	rtldNext    = ^uintptr(0)

	lmIDBase  = 0
	lmIDNewLM = ^uintptr(0)
)

// dlerror keeps the message of the last failure of each native thread, by thread pointer.
var dlErrors struct {
	sync.Mutex
	m map[uintptr]*dlError
}

type dlError struct {
	text string
	addr uintptr // native copy handed out by dlerror
	old  string  // what addr holds
	set  bool
}

func setError(u native.Upcall, text string) {
	dlErrors.Lock()
	defer dlErrors.Unlock()
	if dlErrors.m == nil {
		dlErrors.m = map[uintptr]*dlError{}
	}
	e := dlErrors.m[u.ThreadPointer()]
	if e == nil {
		e = &dlError{}
		dlErrors.m[u.ThreadPointer()] = e
	}
	e.text, e.set = text, true
}

// serveDlerror is char *dlerror(void): the message since the last call, in memory that stays until the next.
func serveDlerror(u native.Upcall) {
	dlErrors.Lock()
	defer dlErrors.Unlock()
	e := dlErrors.m[u.ThreadPointer()]
	if e == nil {
		return
	}
	if e.addr != 0 {
		native.FreeString(e.addr, e.old)
		e.addr = 0
	}
	if !e.set {
		return
	}
	e.set = false
	a, err := native.NewString(e.text)
	if err != nil {
		return
	}
	e.addr, e.old = a, e.text
	u.SetResult(a)
}

// callerOf returns the object whose code made the call, nil if it is none of weld's.
func callerOf(u native.Upcall) *Object { return FindObject(u.Caller() - 1) }

func (o *Object) space() *Namespace {
	if o != nil && o.Space != nil {
		return o.Space
	}
	return Default
}

// serveDlopen is void *dlopen(const char *file, int mode).
func serveDlopen(u native.Upcall) {
	caller := callerOf(u)
	dlopen(u, caller.space(), caller, u.Arg(0), int(u.Arg(1)))
}

// serveDlmopen is void *dlmopen(Lmid_t id, const char *file, int mode).
func serveDlmopen(u native.Upcall) {
	caller := callerOf(u)
	ns := caller.space()
	switch id := u.Arg(0); id {
	case lmIDBase:
		ns = Default
	case lmIDNewLM:
		if native.String(u.Arg(1)) == "" {
			setError(u, "invalid namespace: a new one has no main program")
			return
		}
		ns = NewNamespace(Config{Path: ns.Path, Interpreter: ns.Interpreter, BindNow: ns.BindNow})
		defer ns.disown()
	default:
		if ns = spaceByID(int(id)); ns == nil {
			setError(u, "invalid namespace")
			return
		}
	}
	dlopen(u, ns, caller, u.Arg(1), int(u.Arg(2)))
}

func spaceByID(id int) *Namespace {
	linker.mu.Lock()
	defer linker.mu.Unlock()
	for _, ns := range linker.spaces {
		if ns.ID == id {
			return ns
		}
	}
	return nil
}

func dlopen(u native.Upcall, ns *Namespace, caller *Object, file uintptr, mode int) {
	if mode&(rtldLazy|rtldNow) == 0 {
		setError(u, "invalid mode for dlopen(): Invalid argument")
		return
	}
	name := native.String(file)
	if name == "" {
		u.SetResult(ns.mainHandle())
		return
	}
	var flags Flags
	for _, m := range []struct {
		bit  int
		flag Flags
	}{{rtldNow, Now}, {rtldGlobal, Global}, {rtldNoLoad, NoLoad}, {rtldNoDelete, NoDelete}, {rtldDeepBind, DeepBind}} {
		if mode&m.bit != 0 {
			flags |= m.flag
		}
	}
	o, err := ns.Open(Source{Name: name, Caller: u.Caller()}, flags, caller)
	if err != nil {
		if flags&NoLoad == 0 || !isNotFound(err) {
			setError(u, dlText(err))
		}
		return
	}
	u.SetResult(o.LinkMap)
}

// mainHandle is the handle of the program itself, dlopen(NULL): its symbols are those of the global scope.
func (ns *Namespace) mainHandle() uintptr {
	linker.mu.Lock()
	defer linker.mu.Unlock()
	if ns.main == 0 {
		bias, dynamic := uintptr(0), uintptr(0)
		if program != nil && ns == Default {
			bias, dynamic = program.Mapping.Bias, program.addr(program.File.Dynamic.Addr)
		}
		p, err := debug.NewLinkMap(bias, "", dynamic)
		if err != nil {
			return 0
		}
		ns.main = p
	}
	return ns.main
}

// handle is what a handle stands for: an object, or the main program of a namespace.
type handle struct {
	o  *Object
	ns *Namespace
}

func byHandle(h uintptr) (handle, bool) {
	if o := objectOf(h); o != nil {
		return handle{o, o.space()}, true
	}
	linker.mu.Lock()
	defer linker.mu.Unlock()
	for _, ns := range linker.spaces {
		if ns.main == h && h != 0 {
			return handle{nil, ns}, true
		}
	}
	return handle{}, false
}

// list returns the objects that a lookup with the handle searches.
func (h handle) list() []*Object {
	if h.o != nil {
		return h.o.closure
	}
	return *h.ns.global.Load()
}

// serveDlclose is int dlclose(void *handle).
func serveDlclose(u native.Upcall) {
	h, ok := byHandle(u.Arg(0))
	if !ok {
		setError(u, "invalid handle")
		u.SetResult(^uintptr(0))
	} else if h.o != nil && h.o.Close() != nil {
		setError(u, h.o.Path+": shared object not open")
		u.SetResult(^uintptr(0))
	}
}

// serveDlsym is void *dlsym(void *handle, const char *symbol).
func serveDlsym(u native.Upcall) { dlsym(u, u.Arg(0), native.String(u.Arg(1)), nil) }

// serveDlvsym is void *dlvsym(void *handle, const char *symbol, const char *version).
func serveDlvsym(u native.Upcall) {
	dlsym(u, u.Arg(0), native.String(u.Arg(1)), elf.NewVersion(native.String(u.Arg(2))))
}

func dlsym(u native.Upcall, at uintptr, name string, ver *elf.Version) {
	caller := callerOf(u)
	h := elf.Hash(name)
	path := "weld"
	if caller != nil {
		path = caller.Path
	}
	list := func() []*Object { return *caller.space().global.Load() }
	var binds *Object // stays bound to what is found, as by a relocation
	ns, first := caller.space(), at == rtldDefault
	switch at {
	case rtldDefault:
		if caller != nil && !caller.System {
			list, binds = caller.searchList, caller
		}
	case rtldNext:
		if caller == nil {
			setError(u, "RTLD_NEXT used in code not dynamically loaded")
			return
		}
		list = caller.after
	default:
		asked, ok := byHandle(at)
		if !ok {
			setError(u, "invalid handle")
			return
		}
		list = asked.list
		if asked.o != nil {
			path = asked.o.Path
		} else {
			ns, first = asked.ns, true
		}
	}
	d, held, ok := binds.find(func() (definition, bool) { return lookupIn(list(), &h, ver, 0, nil) })
	if held {
		if d.o.live != nil {
			binds = nil // who made it says when it goes
		}
		defer binds.bound(d)
	}
	// A symbol of the run-time linker that loaded code looks up is weld's too.
	d, ok = own(name, d, ok)
	if !ok {
		text := path + ": undefined symbol: " + name
		if ver != nil {
			text += ", version " + ver.Name
		}
		setError(u, text)
		tracing().dlsym(caller, u.Caller(), name, ver, definition{}, 0)
		return
	}
	asker := caller
	if caller == nil {
		caller = d.o
	}
	s, err := d.symbol(name, caller)
	if err != nil {
		setError(u, dlText(err))
		return
	}
	if first && (s.Type == elf.STT_FUNC || s.Type == elf.STT_GNU_IFUNC || s.Type == elf.STT_NOTYPE) {
		if s.Addr, err = interposed(hooked.table.Load().get(ns, name), s.Addr, d.version); err != nil {
			setError(u, dlText(err))
			return
		}
	}
	u.SetResult(s.Addr)
	tracing().dlsym(asker, u.Caller(), name, ver, d, s.Addr)
}

// after returns the objects that RTLD_NEXT searches: those behind the object in the closure that it was first opened
// as part of.
func (o *Object) after() []*Object {
	list := o.closure
	if p := o.scopes.Load(); p != nil && len(*p) > 0 {
		list = (*p)[0].list
	}
	return list[slices.Index(list, o)+1:]
}

// dlInfo is Dl_info of <dlfcn.h>.
type dlInfo struct{ fname, fbase, sname, saddr uintptr }

// serveDladdr is int dladdr(const void *address, Dl_info *info).
func serveDladdr(u native.Upcall) { dladdr(u, 0, 0) }

// serveDladdr1 is int dladdr1(const void *address, Dl_info *info, void **extra, int flags).
func serveDladdr1(u native.Upcall) { dladdr(u, u.Arg(2), int(u.Arg(3))) }

func dladdr(u native.Upcall, extra uintptr, flags int) {
	const dlSyment, dlLinkmap = 1, 2
	pc := u.Arg(0)
	var self uintptr
	if program != nil {
		self = Default.mainHandle()
	}
	scopes.RLock()
	o := FindObject(pc)
	if o == nil {
		scopes.RUnlock()
		// The program itself, the vdso, or what the system loaded on its own account.
		if f := native.SystemFunction("dladdr"); f != 0 {
			u.SetResult(native.Call(f, pc, u.Arg(1)))
		}
		return
	}
	defer scopes.RUnlock()
	info := (*dlInfo)(native.Pointer(u.Arg(1)))
	*info = dlInfo{fname: o.cName(), fbase: o.Mapping.Addr}
	sym, idx, ok := o.File.FindSymbol(uint64(pc - o.Mapping.Bias))
	var entry uintptr
	if l := o.live; l != nil {
		if s, found := l.FindAddr(pc); found {
			info.sname, info.saddr = l.text(s.Name), s.Addr
			if extra != 0 && flags&3 == dlSyment {
				entry = l.entry(o.defined(&s))
			}
		}
	} else if ok {
		info.sname = o.addr(o.File.Dynamic.Strtab.Addr) + uintptr(sym.Name)
		info.saddr = definition{o: o, sym: sym, idx: idx}.addr()
	}
	if extra != 0 {
		switch flags & 3 {
		case dlSyment:
			*(*uintptr)(native.Pointer(extra)) = entry
			if ok {
				*(*uintptr)(native.Pointer(extra)) = o.addr(o.File.Dynamic.Symtab) + uintptr(idx)*24
			}
		case dlLinkmap:
			*(*uintptr)(native.Pointer(extra)) = o.LinkMap
			if o == program {
				*(*uintptr)(native.Pointer(extra)) = self
			}
		}
	}
	u.SetResult(1)
}

// serveDlinfo is int dlinfo(void *handle, int request, void *info).
func serveDlinfo(u native.Upcall) {
	const (
		diLMID = 1 + iota
		diLinkmap
		diConfigAddr
		diSerinfo
		diSerinfoSize
		diOrigin
		diProfileName
		diProfileOut
		diTLSModID
		diTLSData
		diPhdr
	)
	fail := func(text string) {
		setError(u, text)
		u.SetResult(^uintptr(0))
	}
	h, ok := byHandle(u.Arg(0))
	if !ok {
		fail("invalid handle")
		return
	}
	o := h.o
	out := (*uintptr)(native.Pointer(u.Arg(2)))
	request := int(u.Arg(1))
	if o == nil {
		switch request {
		case diLMID:
			*out = uintptr(h.ns.ID)
		case diLinkmap:
			*out = u.Arg(0)
		default:
			fail("unsupported dlinfo request")
		}
		return
	}
	if o.System && request != diLMID && request != diLinkmap {
		u.SetResult(native.Call(native.SystemFunction("dlinfo"), u.Arg(0), u.Arg(1), u.Arg(2)))
		return
	}
	switch request {
	case diLMID:
		*out = uintptr(o.space().ID)
	case diLinkmap:
		*out = o.LinkMap
	case diOrigin:
		dir := o.Path[:max(strings.LastIndexByte(o.Path, '/'), 0)]
		if dir == "" {
			dir = "/"
		}
		n := uintptr(len(dir) + 1)
		copy(native.Bytes(u.Arg(2), n), dir+"\x00")
	case diTLSModID:
		*out = o.tls
	case diTLSData:
		*out = 0
		if o.tls != 0 {
			*out = native.ThreadBlock(u.ThreadPointer(), o.tls)
		}
	case diPhdr:
		linker.mu.Lock()
		addr, n := o.phdrs()
		linker.mu.Unlock()
		*out = addr
		u.SetResult(uintptr(n))
	case diSerinfo, diSerinfoSize:
		serinfo(u, o, request == diSerinfoSize)
	default:
		fail("unsupported dlinfo request")
	}
}

// serinfo fills in Dl_serinfo: the directories that a library needed by the object is searched in.
func serinfo(u native.Upcall, o *Object, sizeOnly bool) {
	type header struct {
		size  uintptr
		count uint32
		_     uint32
	}
	dirs := o.searchDirs()
	size := uintptr(16)
	for _, d := range dirs {
		size += 16 + uintptr(len(d)) + 1
	}
	h := (*header)(native.Pointer(u.Arg(2)))
	if sizeOnly {
		*h = header{size: size, count: uint32(len(dirs))}
		return
	}
	str := u.Arg(2) + 16 + 16*uintptr(len(dirs))
	for i, d := range dirs {
		e := (*[2]uintptr)(native.Pointer(u.Arg(2) + 16 + 16*uintptr(i)))
		e[0], e[1] = str, 0
		n := uintptr(len(d) + 1)
		copy(native.Bytes(str, n), d+"\x00")
		str += n
	}
}
