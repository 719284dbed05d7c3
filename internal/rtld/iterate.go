package rtld

import (
	"errors"
	"slices"
	"unsafe"

	"weld/image/elf"
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
// it, else a copy. linker.mu is held.
func (o *Object) phdrAddr() uintptr {
	if o.phdr != 0 {
		return o.phdr
	}
	n := uintptr(len(o.File.Progs)) * phdrSize
	if off := o.File.Phoff; off != 0 {
		for _, s := range o.File.Progs {
			if s.Type == elf.PT_LOAD && off >= s.Off && off-s.Off <= s.Filesz && uint64(n) <= s.Filesz-(off-s.Off) {
				o.phdr = o.addr(s.Vaddr + off - s.Off)
				return o.phdr
			}
		}
	}
	p, err := native.Alloc(n)
	if err != nil {
		return 0
	}
	for i, s := range o.File.Progs {
		w := (*[7]uint64)(native.Pointer(p + uintptr(i)*phdrSize))
		*w = [7]uint64{uint64(s.Type) | uint64(s.Flags)<<32, s.Off, s.Vaddr, s.Paddr, s.Filesz, s.Memsz, s.Align}
	}
	o.phdr, o.phdrOwn = p, true
	return p
}

const phdrSize = 56

func (o *Object) freePhdrs() {
	if o.phdrOwn {
		native.Free(o.phdr, uintptr(len(o.File.Progs))*phdrSize)
	}
	o.phdr, o.phdrOwn = 0, false
}

// serveIterate is int dl_iterate_phdr(callback, data): it calls callback(info, size, data) for the program, then for
// every object, until one returns other than 0. The objects stay mapped meanwhile.
func serveIterate(u native.Upcall) {
	callback, data := u.Arg(0), u.Arg(1)
	linker.mu.Lock()
	list := callerOf(u).space().iterated()
	adds, subs := linker.adds+uint64(len(linker.system)), linker.subs
	infos := make([]phdrInfo, len(list))
	for i, o := range list {
		o.hold()
		phdr, n := o.phdrs()
		infos[i] = phdrInfo{
			addr: o.Mapping.Bias, name: o.mapName(),
			phdr: phdr, phnum: uint16(n), tlsMod: o.tls,
		}
		if o == program {
			infos[i].name = emptyName // as ld.so has it
		}
	}
	linker.mu.Unlock()
	defer func() {
		linker.mu.Lock()
		defer linker.mu.Unlock()
		for _, o := range list {
			o.letGo()
		}
	}()
	const size = unsafe.Sizeof(phdrInfo{})
	buf, err := native.Alloc(size)
	if err != nil {
		return
	}
	defer native.Free(buf, size)
	info := (*phdrInfo)(native.Pointer(buf))
	visit := func(i phdrInfo) bool {
		i.adds, i.subs = adds, subs
		*info = i
		r := native.Call(callback, buf, size, data)
		u.SetResult(r)
		return int32(r) == 0
	}
	if phdr, n := native.ProgramHeaders(); phdr != 0 && native.OwnExecutable() && program == nil {
		if !visit(phdrInfo{name: emptyName, phdr: phdr, phnum: uint16(n)}) {
			return
		}
	}
	for _, i := range infos {
		if i.tlsMod != 0 {
			i.tlsData = native.ThreadBlock(u.ThreadPointer(), i.tlsMod)
		}
		if !visit(i) {
			return
		}
	}
}

// emptyName is the address of an empty C string, which is the name of a program.
var (
	emptyString [8]byte
	emptyName   = uintptr(unsafe.Pointer(&emptyString))
)

// iterated returns the namespace's objects in the order that dl_iterate_phdr has: load order, a program first.
// linker.mu is held.
func (ns *Namespace) iterated() []*Object {
	if program == nil || ns != Default {
		return slices.Concat(linker.system, ns.objects)
	}
	list := slices.Clone(program.closure)
	for _, o := range slices.Concat(linker.system, ns.objects) {
		if !slices.Contains(list, o) {
			list = append(list, o)
		}
	}
	return list
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
	if h := o.tables().EhFrameHdr; h != nil {
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
