package rtld

import (
	"errors"
	"unsafe"

	"weld/internal/search"
	"weld/native"
)

// phdrInfo is struct dl_phdr_info of <link.h>.
type phdrInfo struct {
	addr    uintptr
	name    uintptr
	phdr    uintptr
	phnum   uint16
	_       [6]byte
	adds    uint64
	subs    uint64
	tlsMod  uintptr
	tlsData uintptr
}

// phdrAddr returns the address of the object's program headers in memory: behind the ELF header where a segment holds
// it, else a copy.
func (o *Object) phdrAddr() uintptr {
	if o.phdr != 0 {
		return o.phdr
	}
	if o.File.Phoff != 0 {
		for _, s := range o.File.Progs {
			n := uint64(len(o.File.Progs)) * 56
			if s.Type == 1 && o.File.Phoff >= s.Off && o.File.Phoff+n <= s.Off+s.Filesz {
				o.phdr = o.addr(s.Vaddr + o.File.Phoff - s.Off)
				return o.phdr
			}
		}
	}
	p, err := native.Alloc(uintptr(len(o.File.Progs)) * 56)
	if err != nil {
		return 0
	}
	for i, s := range o.File.Progs {
		w := (*[7]uint64)(native.Pointer(p + uintptr(i)*56))
		*w = [7]uint64{uint64(s.Type) | uint64(s.Flags)<<32, s.Off, s.Vaddr, s.Paddr, s.Filesz, s.Memsz, s.Align}
	}
	o.phdr = p
	return p
}

// serveIterate is int dl_iterate_phdr(callback, data): it calls callback(info, size, data) for the program, then for
// every object, until one returns other than 0. The objects stay mapped meanwhile.
func serveIterate(u native.Upcall) {
	callback, data := u.Arg(0), u.Arg(1)
	linker.mu.Lock()
	caller := callerOf(u)
	list := append([]*Object(nil), linker.system...)
	list = append(list, caller.space().objects...)
	adds, subs := linker.adds+uint64(len(linker.system)), linker.subs
	for _, o := range list {
		o.busy++
	}
	linker.mu.Unlock()
	defer func() {
		linker.mu.Lock()
		for _, o := range list {
			o.busy--
		}
		collect()
		linker.mu.Unlock()
	}()
	buf, err := native.Alloc(unsafe.Sizeof(phdrInfo{}))
	if err != nil {
		return
	}
	defer native.Free(buf, unsafe.Sizeof(phdrInfo{}))
	info := (*phdrInfo)(native.Pointer(buf))
	visit := func(i phdrInfo) bool {
		i.adds, i.subs = adds, subs
		*info = i
		r := native.Call(callback, buf, unsafe.Sizeof(phdrInfo{}), data)
		u.SetResult(r)
		return int32(r) == 0
	}
	if phdr, n := native.ProgramHeaders(); phdr != 0 && native.OwnExecutable() {
		empty, _ := native.NewString("")
		defer native.FreeString(empty, "")
		if !visit(phdrInfo{name: empty, phdr: phdr, phnum: uint16(n)}) {
			return
		}
	}
	for _, o := range list {
		i := phdrInfo{
			addr: o.Mapping.Bias, name: (*linkMap)(native.Pointer(o.LinkMap)).name,
			phdr: o.phdrAddr(), phnum: uint16(len(o.File.Progs)), tlsMod: o.tls,
		}
		if o.tls != 0 {
			i.tlsData = native.ThreadBlock(u.ThreadPointer(), o.tls)
		}
		if !visit(i) {
			return
		}
	}
}

// foundObject is struct dl_find_object of <dlfcn.h> (glibc 2.35).
type foundObject struct {
	flags      uint64
	start, end uintptr
	linkMap    uintptr
	ehFrame    uintptr
	_          [7]uint64
}

// serveFindObject is int _dl_find_object(void *pc, struct dl_find_object *result): what an unwinder needs of the object
// that pc lies in; -1 if there is none.
func serveFindObject(u native.Upcall) {
	o := FindObject(u.Arg(0))
	if o == nil {
		u.SetResult(^uintptr(0))
		return
	}
	r := foundObject{start: o.Mapping.Addr, end: o.Mapping.Addr + o.Mapping.Size, linkMap: o.LinkMap}
	if h := o.File.EhFrameHdr; h != nil {
		r.ehFrame = o.addr(h.Vaddr)
	}
	*(*foundObject)(native.Pointer(u.Arg(1))) = r
}

// searchDirs returns the directories in which what the object needs is searched.
func (o *Object) searchDirs() []string {
	linker.mu.Lock()
	defer linker.mu.Unlock()
	flavor := search.Glibc
	if f, _, _ := native.Libc(); f == native.Musl {
		flavor = search.Musl
	}
	var list []string
	for _, d := range o.space().searcher(flavor).Dirs(o.search) {
		list = append(list, d.Path)
	}
	return list
}

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
