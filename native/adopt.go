package native

import (
	"encoding/binary"
	"fmt"
	"strings"
	"syscall"
	"unsafe"

	"weld/image/elf"
)

const bootStrapStack = 256 << 10

// adopt makes the C library that the process was started with usable: it has no executable of ours, so the reserve
// below the thread pointer is the TLS segment of a small library made in memory, which the system's run-time linker
// puts into its static TLS block. That has little room left: the largest reserve that fits is taken.
func (l *clib) adopt() error {
	stack, err := MapAnon("a start-up stack", PageSize+bootStrapStack)
	if err != nil {
		return err
	}
	Protect(stack, PageSize, 0)
	t, err := allocThread(mainThread)
	if err != nil {
		return err
	}
	t.stack = stack + PageSize
	t.sp = t.stack + bootStrapStack - 256
	t.fs = tcb() // this kernel thread's own: the goroutine is locked to it. It has no TLS of ours yet
	t.gslot = t.fs + uintptr(gOffset)
	t.mFS = t.fs
	l.spawner = t
	var last string
	for _, size := range []int{1408, 1024, 768, 512, 384, 256, 128} {
		image, where, template := reserveLibrary(size)
		fd, err := MemFile(ReserveName, image)
		if err != nil {
			return err
		}
		path := append([]byte(FileName(fd)), 0)
		const rtldNow = 2
		handle, _ := t.call(l.dlopen, uintptr(unsafe.Pointer(&path[0])), rtldNow)
		if handle == 0 {
			e, _ := t.call(l.dlerror)
			last = String(e)
		}
		if handle == 0 {
			syscall.Close(fd) // else it stays: a debugger that opens what has the name by then may wait for ever
			if !strings.Contains(last, "TLS") {
				break
			}
			continue
		}
		bias := *word(handle) // a handle is the link_map
		reserve.mu.Lock()
		start := int(*word(bias + where))
		reserve.end = start + size
		reserve.size = size
		reserve.image = Bytes(bias+template, uintptr(size))
		reserve.mu.Unlock()
		placeSlots(reserve.end)
		t.setFS(t.fs)
		return nil
	}
	return fmt.Errorf("no place in its static TLS block: %s", last)
}

// ownThread returns the native thread of the current kernel thread, to which the goroutine is locked. In a process
// that has a C library Go's kernel threads are its threads too, as with cgo, and native code must see them as such:
// only the stack is ours. Callbacks keep the goroutine locked, so native frames never move to another kernel thread.
func ownThread() *thread {
	fs := tcb()
	if p := *word(fs + uintptr(threadSlot)); p != 0 {
		return (*thread)(Pointer(p))
	}
	t := freeOwn()
	t.setFS(fs)
	t.mFS = fs
	t.errno = libc.errnoOf(fs)
	reserve.enrol(fs) // libraries may have been opened since the thread was made; it has not run their code yet
	t.call(libc.setSpecific, libc.key, 1)
	return t
}

// freeOwn returns the native thread of a kernel thread that has ended, or a new one.
func freeOwn() *thread {
	threads.Lock()
	defer threads.Unlock()
	for _, t := range threads.all {
		if t.kind == own && t.mFS == 0 {
			t.mFS = 1 // taken
			return t
		}
	}
	t, err := allocThread(own)
	if err != nil {
		noThread(err)
	}
	size := stackSize.Load()
	p, err := MapAnon("a native stack", PageSize+size)
	if err != nil {
		nativeHeap.Free(t.addr(), unsafe.Sizeof(*t))
		noThread(err)
	}
	Protect(p, PageSize, 0)
	t.stack = p + PageSize
	t.sp = t.stack + size - 256
	t.mFS = 1
	threads.all = append(threads.all, t)
	return t
}

// disown frees the native thread of a kernel thread that ends, if it is one that ownThread gave one.
func disown(fs uintptr) bool {
	threads.Lock()
	defer threads.Unlock()
	for _, t := range threads.all {
		if t.kind == own && t.mFS == fs {
			t.mFS = 0
			return true
		}
	}
	return false
}

// ReserveName is the soname of the library that holds the reserve in a process that has a C library.
const ReserveName = "weld-reserve.so"

// reserveLibrary makes the library: one writable segment with a TLS segment of the given size in it, and a word that
// a TPOFF64 relocation fills with the segment's distance from the thread pointer.
func reserveLibrary(size int) (image []byte, where, template uintptr) {
	const (
		strtab   = 512
		symtab   = 576
		hash     = 640
		rela     = 704
		dynamic  = 768
		word     = 1008
		tls      = 1024
		soname   = ReserveName
		tpoff64  = 18
		phnum    = 4
		relaSize = 24
	)
	b := make([]byte, tls+size)
	le := binary.LittleEndian
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint16(b[16:], uint16(elf.ET_DYN))
	le.PutUint16(b[18:], uint16(elf.EM_X86_64))
	le.PutUint32(b[20:], 1)
	le.PutUint64(b[32:], 64)
	le.PutUint16(b[52:], 64)
	le.PutUint16(b[54:], 56)
	le.PutUint16(b[56:], phnum)
	copy(b[strtab+1:], soname)
	le.PutUint32(b[hash:], 1)
	le.PutUint32(b[hash+4:], 1)
	le.PutUint64(b[rela:], word)
	le.PutUint64(b[rela+8:], tpoff64)
	dyn := [][2]uint64{
		{uint64(elf.DT_SONAME), 1},
		{uint64(elf.DT_STRTAB), strtab},
		{uint64(elf.DT_STRSZ), uint64(len(soname) + 2)},
		{uint64(elf.DT_SYMTAB), symtab},
		{uint64(elf.DT_SYMENT), 24},
		{uint64(elf.DT_HASH), hash},
		{uint64(elf.DT_RELA), rela},
		{uint64(elf.DT_RELASZ), relaSize},
		{uint64(elf.DT_RELAENT), relaSize},
		{uint64(elf.DT_FLAGS), uint64(elf.DF_STATIC_TLS)},
		{uint64(elf.DT_NULL), 0},
	}
	for i, d := range dyn {
		le.PutUint64(b[dynamic+16*i:], d[0])
		le.PutUint64(b[dynamic+16*i+8:], d[1])
	}
	for i, p := range []elf.Prog{
		{Type: elf.PT_LOAD, Flags: elf.PF_R | elf.PF_W, Filesz: uint64(len(b)), Align: PageSize},
		{Type: elf.PT_DYNAMIC, Flags: elf.PF_R | elf.PF_W, Off: dynamic, Filesz: uint64(16 * len(dyn)), Align: 8},
		{Type: elf.PT_TLS, Flags: elf.PF_R, Off: tls, Filesz: uint64(size), Align: 64},
		{Type: elf.PT_GNU_STACK, Flags: elf.PF_R | elf.PF_W, Align: 16},
	} {
		h := b[64+56*i:]
		le.PutUint32(h, uint32(p.Type))
		le.PutUint32(h[4:], uint32(p.Flags))
		for j, v := range []uint64{p.Off, p.Off, p.Off, p.Filesz, p.Filesz, p.Align} {
			le.PutUint64(h[8+8*j:], v)
		}
	}
	signReserve(b[tls:], 0)
	return b, word, tls
}
