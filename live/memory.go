package live

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"syscall"

	"weld/native"
)

// Where things are. The object is one range of addresses, with a region for each kind of memory that has room to grow. In the
// file, which is to take about as much memory or disk as what is in it, a region is in chunks: each is as large as all before
// it, so there are few, and is where the file ended when it was wanted; the room in tables is holes. To other programs a chunk is a section, and a
// segment as far as it is in use. All of the file that is in use is mapped a second time, readable and writable: the alias,
// at a distance that is not the same twice. Behind the object it has the regions that are not loaded.

// region is a range of vaddrs for a kind of memory.
type region struct {
	name   string
	kind   Kind
	off    uint64 // vaddr
	cap    uint64
	size   uint64 // of the chunks
	first  uint64 // size of the first one
	prot   int    // in the image; 0 if it is not part of that
	flags  int    // of the mapping of the image
	file   bool   // it is in the file
	chunks []*chunk
	space
}

// chunk is a part of a region.
type chunk struct {
	at, size uint64  // vaddrs
	off      uint64  // in the file
	mapped   uint64  // bytes from its beginning on that can be used
	window   uint64  // and so many that are mapped: all of one of tables
	backed   pageSet // of tables: the pages that the file has
	sec      uint16  // section number
	name     string  // of the section
}

const (
	page = native.PageSize
	// A chunk is mapped in steps, each a few system calls.
	minStep = 4 * page
	maxStep = 1 << 18
)

// mapMemory is a variable so that tests can have the kernel give no memory.
var mapMemory = native.Map

func pageUp(n uint64) uint64 { return (n + page - 1) &^ (page - 1) }

// reserve takes a range of addresses that nothing else will be given. If near is not 0, all of it is within 2 GiB of near.
func reserve(what string, size uint64, near uintptr) (uintptr, error) {
	const flags = syscall.MAP_PRIVATE | syscall.MAP_ANON | syscall.MAP_NORESERVE
	if near == 0 {
		return mapMemory(what, 0, uintptr(size), syscall.PROT_NONE, flags, -1, 0)
	}
	const (
		fixedNoReplace = 0x100000 // Linux 4.17; before, the address is a wish only
		step           = 4 << 20
		reach          = 1<<31 - page
		lowest         = 1 << 16 // vm.mmap_min_addr
		highest        = 1<<47 - page
	)
	near &^= page - 1
	try := func(a uintptr) bool {
		p, err := mapMemory(what, a, uintptr(size), syscall.PROT_NONE, flags|fixedNoReplace, -1, 0)
		if err == nil && p != a {
			native.Unmap(p, uintptr(size))
			return false
		}
		return err == nil
	}
	for d := uintptr(0); d < reach; d += step {
		if a := near + d; d+uintptr(size) <= reach && a >= lowest && a+uintptr(size) <= highest && try(a) {
			return a, nil
		}
		if a := near - d - uintptr(size); d+uintptr(size) <= reach && near >= lowest+d+uintptr(size) && try(a) {
			return a, nil
		}
	}
	return 0, fmt.Errorf("no %#x bytes are free within 2 GiB of %#x", size, near)
}

// reserveAlias is reserve at an address that cannot be told from that of the object.
func reserveAlias(what string, size uint64) (uintptr, error) {
	var b [8]byte
	rand.Read(b[:])
	gap := (binary.LittleEndian.Uint64(b[:])%(1<<18) + 1) * page
	pad, err := reserve(what, gap, 0)
	if err != nil {
		return reserve(what, size, 0) // of address space there is little (RLIMIT_AS)
	}
	defer native.Unmap(pad, uintptr(gap))
	return reserve(what, size, 0)
}

// chunkOf returns the chunk that has a vaddr.
func (r *region) chunkOf(at uint64) *chunk {
	i, found := slices.BinarySearchFunc(r.chunks, at, func(c *chunk, at uint64) int { return cmp.Compare(c.at, at) })
	if !found {
		i--
	}
	return r.chunks[i]
}

// alloc makes e an extent of a region, which can be used.
func (o *Object) alloc(op string, r *region, e *extent, size, align uint64) error {
	if err := o.place(op, r, e, size, align); err != nil {
		return err
	}
	if err := o.ensure(op, r, e.chunk, e.off+e.size); err != nil {
		r.release(e)
		return err
	}
	return nil
}

// place makes e an extent of a region, of which ensure has to make a chunk usable.
func (o *Object) place(op string, r *region, e *extent, size, align uint64) error {
	if size > r.cap {
		return o.full(op, r, size)
	}
	if !r.alloc(e, size, align) {
		if err := o.extend(op, r, size+align); err != nil {
			return err
		}
		if !r.alloc(e, size, align) {
			return o.full(op, r, size)
		}
	}
	return nil
}

func (o *Object) full(op string, r *region, size uint64) error {
	return &Error{Op: op, Object: o.name, Reason: ErrFull, Detail: fmt.Sprintf("%s: %d of %d bytes are used, %d more are wanted", r.name, r.used, r.cap, size)}
}

// extend gives a region a chunk of at least so many bytes, or makes the last one longer if it is at the end of the file.
func (o *Object) extend(op string, r *region, size uint64) error {
	n := min(max(pageUp(size), r.size, r.first), r.cap-r.size)
	if n == 0 {
		return o.full(op, r, size)
	}
	end := o.file.size
	if r.file {
		if err := o.file.setSize(end + n); errors.Is(err, ErrTruncated) {
			return o.truncated(op)
		} else if err != nil {
			return &Error{Op: op, Object: o.name, Path: o.file.path, Reason: ErrNoSpace, Detail: fmt.Sprintf("%d bytes more", n), Err: err}
		}
	}
	at := r.off + r.size
	if k := len(r.chunks); k > 0 && (!r.file || r.chunks[k-1].off+r.chunks[k-1].size == end) {
		r.chunks[k-1].size += n
	} else {
		c := &chunk{at: at, size: n, off: end}
		o.heads.newSection(r, c)
		r.chunks = append(r.chunks, c)
	}
	r.size += n
	r.add(r.chunks[len(r.chunks)-1], at, n)
	return nil
}

// ensure makes a chunk usable up to vaddr end. For tables, back has to have memory then.
func (o *Object) ensure(op string, r *region, c *chunk, end uint64) error {
	need := end - c.at
	if need <= c.mapped {
		return nil
	}
	size := min(pageUp(max(need, c.mapped+min(max(c.mapped/4, minStep), maxStep))), c.size)
	if size > c.window {
		window := size
		if r.kind >= numKinds {
			window = c.size
		}
		if err := o.widen(op, r, c, window); err != nil {
			return err
		}
	}
	if c.mapped == 0 && r.prot != 0 {
		o.segments++
	}
	c.mapped = size
	return nil
}

// widen maps a chunk up to so many bytes.
func (o *Object) widen(op string, r *region, c *chunk, size uint64) error {
	at, n := c.at+c.window, size-c.window
	off := int64(c.off + c.window)
	const fixed = syscall.MAP_FIXED
	noMemory := func(err error) error { return &Error{Op: op, Object: o.name, Reason: ErrNoMemory, Err: err} }
	if r.file {
		if r.kind < numKinds {
			if err := o.allocate(op, uint64(off), n); err != nil {
				return err
			}
		}
		const rw = syscall.PROT_READ | syscall.PROT_WRITE
		if _, err := mapMemory(o.name, o.alias+uintptr(at), uintptr(n), rw, syscall.MAP_SHARED|fixed, o.file.fd, off); err != nil {
			return noMemory(err)
		}
		if r.kind < numKinds {
			o.populate(c, at, n)
		}
		syscall.Syscall(syscall.SYS_MADVISE, o.alias+uintptr(at), uintptr(n), dontFork)
	}
	if r.prot != 0 {
		fd := o.file.fd
		if !r.file {
			fd, off = -1, 0
		}
		if _, err := mapMemory(o.name, o.base+uintptr(at), uintptr(n), r.prot, r.flags|fixed, fd, off); err != nil {
			return noMemory(err)
		}
	}
	c.window = size
	return nil
}

// allocate has the file system take n bytes of the file at off.
func (o *Object) allocate(op string, off, n uint64) error {
	err := o.file.allocate(off, n)
	if err != nil {
		return &Error{Op: op, Object: o.name, Path: o.file.path, Reason: ErrNoSpace, Detail: fmt.Sprintf("%d bytes more", n), Err: err}
	}
	return nil
}

// back has memory for vaddrs of a chunk of tables, as far as it is mapped.
func (o *Object) back(op string, c *chunk, from, to uint64) error {
	first, end := (from-c.at)/page, pageUp(to-c.at)/page
	for first < end {
		if c.backed.has(first) {
			first++
			continue
		}
		n := uint64(1)
		for first+n < end && !c.backed.has(first+n) {
			n++
		}
		if err := o.allocate(op, c.off+first*page, n*page); err != nil {
			return err
		}
		c.backed.add(first, n)
		o.populate(c, c.at+first*page, n*page)
		first += n
	}
	return nil
}

// pageSet is a set of pages of a chunk, by number.
type pageSet []uint64

func (s pageSet) has(i uint64) bool { return i/64 < uint64(len(s)) && s[i/64]>>(i%64)&1 != 0 }

// add puts in n pages from one on.
func (s *pageSet) add(i, n uint64) {
	for last := (i + n - 1) / 64; uint64(len(*s)) <= last; {
		*s = append(*s, 0)
	}
	for ; n > 0; i, n = i+1, n-1 {
		(*s)[i/64] |= 1 << (i % 64)
	}
}

// bytes returns n bytes of the file, to be written.
func (o *Object) bytes(off, n uint64) []byte { return o.writes[off : off+n : off+n] }

// view returns n bytes of the object as the process sees them.
func (o *Object) view(off, n uint64) []byte { return o.runs[off : off+n : off+n] }

// Words of the file that others may be reading meanwhile are stored whole. Their offsets are multiples of their size.

func (o *Object) put32(off uint64, v uint32) {
	atomic.StoreUint32((*uint32)(native.Pointer(o.alias+uintptr(off))), v)
}

func (o *Object) get32(off uint64) uint32 {
	return atomic.LoadUint32((*uint32)(native.Pointer(o.alias + uintptr(off))))
}

func (o *Object) put64(off, v uint64) {
	atomic.StoreUint64((*uint64)(native.Pointer(o.alias+uintptr(off))), v)
}

// guard calls f, which touches the file's memory. If that is not there, because someone has truncated the file, the
// SIGBUS becomes an error. In a program that weld runs it cannot, as the handlers are the program's and Go sees no signal: there the
// file is looked at before, and one that is truncated after that ends the program. A file in memory cannot be truncated.
func (o *Object) guard(op string, f func() error) (err error) {
	if native.InProgram() && errors.Is(o.file.check(), ErrTruncated) {
		return o.truncated(op)
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			fault, ok := r.(interface {
				runtime.Error
				Addr() uintptr
			})
			if !ok || !o.owns(fault.Addr()) {
				panic(r)
			}
			err = o.truncated(op)
		}
	}()
	return f()
}

func (o *Object) owns(a uintptr) bool {
	return a-o.base < uintptr(o.size) || a-o.alias < uintptr(o.aliasSize)
}

func (o *Object) truncated(op string) error {
	o.file.lost = true
	return &Error{Op: op, Object: o.name, Path: o.file.path, Reason: ErrTruncated}
}

// populate has memory of pages of a chunk that are about to be written there first: a fault for each would take longer than the
// writing. The file gets zeroes before, as file systems of disks find memory for many pages that are written at once
// in a fraction of the time that they take for as many that are mapped and not there.
func (o *Object) populate(c *chunk, at, n uint64) {
	if n < minStep {
		return
	}
	for from, to := at, at+n; from < to && !o.file.ram; {
		n, err := syscall.Pwrite(o.file.fd, zeroes[:min(to-from, uint64(len(zeroes)))], int64(from-c.at+c.off))
		if err != nil && err != syscall.EINTR {
			break // the faults will tell
		}
		from += uint64(max(n, 0))
	}
	const populateWrite = 23 // madvise(2); kernels before 5.14 fault
	syscall.Syscall(syscall.SYS_MADVISE, o.alias+uintptr(at), uintptr(n), populateWrite)
}

var zeroes [256 << 10]byte

// discard gives the pages of anonymous memory back; they read as zeroes then.
func discard(addr, size uintptr) {
	const dontNeed = 4
	syscall.Syscall(syscall.SYS_MADVISE, addr, size, dontNeed)
}
