package native

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"unsafe"

	"weld/image/elf"
)

const bootStrapStack = 256 << 10

// adopt makes the C library that the process was started with usable, and finds a place for weld's words of each thread.
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
	t.top = t.sp
	t.fs = tcb() // this kernel thread's own: the goroutine is locked to it. It has no TLS of ours yet
	t.gslot = t.fs + uintptr(gOffset)
	t.mFS = t.fs
	l.spawner = t
	if l.family == Musl {
		err = l.useKeys(t)
	} else {
		err = l.useReserve(t)
	}
	if err == nil {
		t.setFS(t.fs)
	}
	return err
}

// useReserve loads a small library made in memory: the process has no executable of ours, so the reserve below the thread
// pointer is that library's TLS segment, which glibc puts into its static TLS block. That has little room left: the
// largest reserve that fits is taken.
func (l *clib) useReserve(t *thread) error {
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
		return nil
	}
	return fmt.Errorf("no place in its static TLS block: %s", last)
}

// useKeys makes weld's words of a thread its values of keys of thread-specific data. musl keeps these in an array for each
// thread, all 0 at first, whose address is in its TCB (pthread_impl.h), so that assembly finds them. The destructors put
// back what musl has cleared at the end of a thread, where those of other keys may call weld still.
func (l *clib) useKeys(t *thread) (err error) {
	slots := [...]*int{&threadSlot, &dtvSlot, &foreignSlot, &magicSlot, &hookSlot}
	var offsets [len(slots)]int
	via := uintptr(0)
	for i := range slots {
		keep, err := newThunk(&handler{}, entry.keepWord)
		if err != nil {
			return err
		}
		var key uint32
		if r, _ := t.call(l.keyCreate, uintptr(unsafe.Pointer(&key)), keep.addr); r != 0 {
			return fmt.Errorf("pthread_key_create: %w", syscall.Errno(r))
		}
		if i == 0 {
			if via, err = l.keyValues(t, uintptr(key)); err != nil {
				return err
			}
		}
		offsets[i] = 8 * int(key)
		(*record)(Pointer(keep.record())).data = uintptr(offsets[i])
	}
	reserve.mu.Lock()
	reserve.image, reserve.size, reserve.used = nil, 0, 0
	reserve.mu.Unlock()
	for i, p := range slots {
		*p = offsets[i]
	}
	wordsVia = via
	return nil
}

// unadopt puts the words of a thread back below the thread pointer, where those of threads are that weld makes itself.
func unadopt() {
	reserve.mu.Lock()
	defer reserve.mu.Unlock()
	wordsVia = 0
	placeSlots(0)
	reserve.image, reserve.size, reserve.end, reserve.used = make([]byte, reserveSize), reserveSize, 0, reserveTop
	signReserve(reserve.image, 0)
}

// keyValues returns where in a TCB the address of the values of keys lies: a value is set and looked for. What looks like
// an address may be none, so the kernel is asked to read there.
func (l *clib) keyValues(t *thread, key uintptr) (via uintptr, err error) {
	fd, err := MemFile("weld-key", nil)
	if err != nil {
		return 0, err
	}
	defer syscall.Close(fd)
	token := t.addr()
	if r, _ := t.call(threadSetSpecific, key, token); r != 0 {
		return 0, fmt.Errorf("pthread_setspecific: %w", syscall.Errno(r))
	}
	defer t.call(threadSetSpecific, key, 0)
	const pthreadSize = 200 // of struct pthread, at least
	for via = 8; via < pthreadSize; via += 8 {
		p := *word(t.fs + via)
		var got [8]byte
		if p == 0 || p%8 != 0 {
			continue
		}
		if n, _, _ := syscall.RawSyscall6(syscall.SYS_PWRITE64, uintptr(fd), p+8*key, 8, 0, 0, 0); n != 8 {
			continue
		}
		if n, _ := syscall.Pread(fd, got[:], 0); n == 8 && uintptr(binary.LittleEndian.Uint64(got[:])) == token {
			return via, nil
		}
	}
	return 0, errors.New("its TCB does not show the values of pthread_setspecific")
}

// ownThread returns the native thread of the current kernel thread, to which the goroutine is locked. In a process
// that has a C library Go's kernel threads are its threads too, as with cgo, and native code must see them as such:
// only the stack is ours. Callbacks keep the goroutine locked, so native frames never move to another kernel thread.
func ownThread() *thread {
	fs := tcb()
	if p := *weldWord(fs, threadSlot); p != 0 {
		return (*thread)(Pointer(p))
	}
	t := freeOwn()
	t.setFS(fs)
	t.mFS = fs
	t.errno = libc.errnoOf(fs)
	reserve.enrol(fs) // libraries may have been opened since the thread was made; it has not run their code yet
	t.call(threadSetSpecific, threadKey, 1)
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
	t.sp = t.stack + size - topGap
	t.top = t.sp
	tellStack(t.stack, t.stack+size)
	t.mFS = 1
	threads.all = append(threads.all, t)
	return t
}

// LendsStacks reports whether native code runs on Go's kernel threads as on threads of the process's C library, but for
// their stacks. To be called after Prepare.
func LendsStacks() bool { return hostTCB }

// LentStack returns where the stack is that weld has lent the kernel thread that makes the upcall, and its size in bytes. The
// C library knows of another one. ok is false if the thread is not on one that weld has lent.
func (u Upcall) LentStack() (lo, size uintptr, ok bool) {
	threads.Lock()
	defer threads.Unlock()
	fs, sp := u.ThreadPointer(), u.SP()
	for _, t := range threads.all {
		if t.kind == own && t.mFS == fs && sp >= t.stack && sp <= t.top {
			return t.stack, t.top + topGap - t.stack, true
		}
	}
	return 0, 0, false
}

// topGap is what a lent stack keeps free above the place where the first call begins.
const topGap = 256

// disown frees the native thread of a kernel thread that ends, and returns it, if it is one that ownThread gave one.
func disown(fs uintptr) *thread {
	threads.Lock()
	defer threads.Unlock()
	for _, t := range threads.all {
		if t.kind == own && t.mFS == fs {
			t.mFS = 0
			return t
		}
	}
	return nil
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
