package native

import (
	"fmt"
	"sync"
	"syscall"
	"unsafe"
)

// PageSize is the page size of x86-64 Linux.
const PageSize = 4096

// MapError is a mapping that the kernel refused.
type MapError struct {
	What string  // what was to be mapped
	Size uintptr // in bytes
	Err  error   // a syscall.Errno
}

func (e *MapError) Error() string {
	return fmt.Sprintf("map %d bytes for %s: %v", e.Size, e.What, e.Err)
}
func (e *MapError) Unwrap() error { return e.Err }

// Pointer makes an unsafe.Pointer of an address outside the Go heap.
func Pointer(addr uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&addr)) }

// Bytes returns n bytes of native memory at addr. They live as long as what is mapped there.
func Bytes(addr, n uintptr) []byte { return unsafe.Slice((*byte)(Pointer(addr)), n) }

// String copies the NUL-terminated string at addr; nil is "".
func String(addr uintptr) string {
	if addr == 0 {
		return ""
	}
	n := uintptr(0)
	for *(*byte)(Pointer(addr + n)) != 0 {
		n++
	}
	return string(Bytes(addr, n))
}

func word(addr uintptr) *uintptr { return (*uintptr)(Pointer(addr)) }

// quick is the size in bytes up to which the scheduler is not told that the kernel is at work on a mapping. For a small
// library its part takes as long as the kernel's: once a goroutine has run for 10 ms, it takes the processor away in
// every system call that it finds it in, and wakes another thread for that.
const quick = 1 << 20

// mapping makes a system call that changes a mapping of size bytes.
func mapping(trap, addr, size, a3, a4, a5, a6 uintptr) (r uintptr, e syscall.Errno) {
	if size <= quick {
		r, _, e = syscall.RawSyscall6(trap, addr, size, a3, a4, a5, a6)
	} else {
		r, _, e = syscall.Syscall6(trap, addr, size, a3, a4, a5, a6)
	}
	return r, e
}

// Map is mmap(2); what names the purpose in an error.
func Map(what string, addr, size uintptr, prot, flags int, fd int, off int64) (uintptr, error) {
	p, e := mapping(syscall.SYS_MMAP, addr, size, uintptr(prot), uintptr(flags), uintptr(fd), uintptr(off))
	if e != 0 {
		return 0, &MapError{what, size, e}
	}
	return p, nil
}

// MapAnon maps size bytes of zeroes, readable and writable.
func MapAnon(what string, size uintptr) (uintptr, error) {
	return Map(what, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON, -1, 0)
}

// Unmap is munmap(2).
func Unmap(addr, size uintptr) error {
	if _, e := mapping(syscall.SYS_MUNMAP, addr, size, 0, 0, 0, 0); e != 0 {
		return e
	}
	return nil
}

// Protect is mprotect(2).
func Protect(addr, size uintptr, prot int) error {
	if _, e := mapping(syscall.SYS_MPROTECT, addr, size, uintptr(prot), 0, 0, 0); e != 0 {
		return e
	}
	return nil
}

// Populate has the kernel make pages present as if each had been written to (madvise, MADV_POPULATE_WRITE, Linux 5.14).
// Where it cannot, the pages come one by one when they are touched.
func Populate(addr, size uintptr) {
	const populateWrite = 23
	syscall.Syscall(syscall.SYS_MADVISE, addr, size, populateWrite)
}

// PopulateRead is Populate for pages that are only read (MADV_POPULATE_READ).
func PopulateRead(addr, size uintptr) {
	const populateRead = 22
	syscall.Syscall(syscall.SYS_MADVISE, addr, size, populateRead)
}

// heap hands out zeroed native memory that neither the Go collector nor the C library knows: thread records, blocks
// of thread-local storage, nodes. Blocks are of a power of two, from 64 bytes up; large ones are mapped on their own.
// Memory of small blocks is kept for the next one of its size.
type heap struct {
	mu    sync.Mutex
	free  [maxClass + 1]uintptr // singly linked through the first word
	chunk uintptr
	left  uintptr
}

const (
	minClass  = 6
	maxClass  = 15 // 32 KiB
	chunkSize = 256 << 10
)

var nativeHeap heap

func class(n uintptr) int {
	c := minClass
	for uintptr(1)<<c < n {
		c++
	}
	return c
}

// addressLimit is more than there is to map (psABI 3.3.2).
const addressLimit = 1 << 47

// Alloc returns n zeroed bytes aligned to 64, or to the page for more than 32 KiB.
func (h *heap) Alloc(n uintptr) (uintptr, error) {
	if n >= addressLimit {
		return 0, &MapError{"a native block", n, syscall.ENOMEM}
	}
	c := class(n)
	if c > maxClass {
		return MapAnon("a native block", (n+PageSize-1)&^(PageSize-1))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.free[c]; p != 0 {
		h.free[c] = *word(p)
		clear(Bytes(p, 1<<c))
		return p, nil
	}
	size := uintptr(1) << c
	if h.left < size {
		p, err := MapAnon("native blocks", chunkSize)
		if err != nil {
			return 0, err
		}
		h.chunk, h.left = p, chunkSize
	}
	p := h.chunk
	h.chunk += size
	h.left -= size
	return p, nil
}

// Free gives back what Alloc(n) returned.
func (h *heap) Free(p, n uintptr) {
	c := class(n)
	if c > maxClass {
		Unmap(p, (n+PageSize-1)&^(PageSize-1))
		return
	}
	h.mu.Lock()
	*word(p) = h.free[c]
	h.free[c] = p
	h.mu.Unlock()
}
