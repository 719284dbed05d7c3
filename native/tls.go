package native

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Thread-local storage of the libraries weld loads.
//
// Below every thread pointer lies a reserve that weld owns: in a static process part of the executable's own TLS
// block, because weld wrote that executable; elsewhere that of a small library made for the purpose. The C library
// fills it in each new thread from an image, and since the image is ours and writable, initial-exec variables of
// libraries opened later get their initial values by that. Its top words are weld's:
//
//	-8   g, for Go's signal handler (where Go's own offset is -8)
//	-16  the thread record while the thread is lent
//	-24  weld's dynamic thread vector
//	-32  1 in threads that loaded code made, 2 once they end
//	-40  a number that tells such a reserve from the TLS of a C library that weld knows nothing of
//	-48  the link of the list of fresh threads, see threads of a Program
//	-56  how often the image had changed when the thread got its copy
//	-64  the record of the interposer that the thread is in
//
// In a process that musl runs there is no reserve, since musl has no static TLS for what comes later: there weld's words
// are thread-specific data (useKeys), all but g, and initial-exec variables of libraries have no place.
//
// General-dynamic variables are found through weld's own __tls_get_addr and vectors; a block is made when a thread
// first touches it.
const (
	reserveSize = 32 << 10
	reserveTop  = 64 // bytes of the reserve that weld keeps
)

var (
	gOffset     int // of g from the thread pointer
	threadSlot  int // offsets of weld's words from the thread pointer
	dtvSlot     int
	foreignSlot int
	magicSlot   int
	freshSlot   int
	seqSlot     int
	hookSlot    int

	// wordsVia is the distance from the thread pointer of the address that the offsets above, but for g's, are
	// counted from. 0, as in most processes, is the thread pointer itself: that is the first word of a TCB (psABI).
	wordsVia uintptr

	// magic is of this process, so that it does not stand in a file.
	magic = uintptr(unsafe.Pointer(&nests)) ^ nestMultiplier
)

// Values of the foreign slot.
const (
	notForeign = iota
	foreignRuns
	foreignEnds
)

type tlsReserve struct {
	mu     sync.Mutex
	image  []byte    // what new threads get: the C library's copy, or ours without one
	size   int       // bytes of the reserve
	end    int       // offset of its end from the thread pointer, -0 in a static process
	used   int       // bytes handed out, from the top down
	free   []tlsSpan // given back
	blocks []tlsSpan // by offset, in use
}

type tlsSpan struct{ off, size int } // off from the thread pointer, negative

var reserve = tlsReserve{image: make([]byte, reserveSize), size: reserveSize, used: reserveTop}

func init() {
	placeSlots(0)
	signReserve(reserve.image, 0)
}

// weldWord returns the address of the word of a thread that a slot stands for.
func weldWord(fs uintptr, slot int) *uintptr {
	if wordsVia != 0 {
		fs = *word(fs + wordsVia)
	}
	return word(fs + uintptr(slot))
}

// placeSlots puts weld's words at the top of a reserve that ends at the given offset from the thread pointer.
func placeSlots(end int) {
	threadSlot, dtvSlot, foreignSlot, magicSlot, freshSlot, seqSlot = end-16, end-24, end-32, end-40, end-48, end-56
	hookSlot = end - 64
}

// signReserve puts the magic number in the image of a reserve, below the last skip bytes.
func signReserve(image []byte, skip int) {
	binary.LittleEndian.PutUint64(image[len(image)-skip-40:], uint64(magic))
}

// ErrNoStaticTLS is returned when a library's initial-exec variables do not fit the reserve.
var ErrNoStaticTLS = errors.New("no room in the static TLS block")

// AllocStaticTLS reserves room for a library's TLS segment at a fixed distance from every thread pointer and writes
// its initial image there, in threads that run and those to come. It returns the offset of the segment's start from
// the thread pointer, congruent to skew modulo align. Where a Program is being loaded and there is no room the process
// starts again, with more.
func AllocStaticTLS(init []byte, size, align, skew uintptr) (int, error) {
	joinHost() // the reserve may lie elsewhere after that
	if wordsVia != 0 {
		return 0, fmt.Errorf("%w: %d bytes aligned to %d: musl has none for libraries that are opened later", ErrNoStaticTLS, size, align)
	}
	r := &reserve
	r.mu.Lock()
	defer r.mu.Unlock()
	if align == 0 {
		align = 1
	}
	if align > PageSize || size > maxProgramTLS {
		return 0, fmt.Errorf("%w: %d bytes aligned to %d", ErrNoStaticTLS, size, align)
	}
	off, ok := 0, false
	for i, s := range r.free {
		if o := alignOffset(s.off+s.size-int(size), int(align), int(skew)); o >= s.off {
			off, ok = o, true
			r.free = append(r.free[:i], r.free[i+1:]...)
			if o > s.off {
				r.free = append(r.free, tlsSpan{s.off, o - s.off})
			}
			if e := o + int(size); e < s.off+s.size {
				r.free = append(r.free, tlsSpan{e, s.off + s.size - e})
			}
			break
		}
	}
	if !ok {
		off = alignOffset(r.end-r.used-int(size), int(align), int(skew))
		if r.end-off > r.size {
			if program != nil {
				program.enlargeReserve(-off - int(program.tls))
			}
			return 0, fmt.Errorf("%w: %d bytes aligned to %d, %d of %d are left", ErrNoStaticTLS, size, align, r.size-r.used, r.size)
		}
		r.used = r.end - off
	}
	r.blocks = append(r.blocks, tlsSpan{off, int(size)})
	at := r.at(off)
	img := r.image[at : at+int(size)]
	clear(img)
	copy(img, init)
	r.changed()
	tcbs.each(func(fs uintptr) {
		copy(Bytes(fs+uintptr(off), size), img)
	})
	return off, nil
}

// alignOffset rounds off down to skew modulo align.
func alignOffset(off, align, skew int) int {
	return off - ((off-skew)%align+align)%align
}

// FreeStaticTLS gives back what AllocStaticTLS returned.
func FreeStaticTLS(off int) {
	r := &reserve
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, s := range r.blocks {
		if s.off == off {
			r.blocks = append(r.blocks[:i], r.blocks[i+1:]...)
			r.free = append(r.free, s)
			return
		}
	}
}

// enrol notes a thread that the C library made and that has not run yet. The initial images are written again, for
// those that came after it was made.
func (r *tlsReserve) enrol(fs uintptr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range r.blocks {
		at := r.at(b.off)
		copy(Bytes(fs+uintptr(b.off), uintptr(b.size)), r.image[at:at+b.size])
	}
	tcbs.add(fs)
}

// fill does the same for a thread that weld made without a C library.
func (r *tlsReserve) fill(fs uintptr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	copy(Bytes(fs-reserveSize, reserveSize), r.image)
	tcbs.add(fs)
}

// changed counts a change of the image, there and for programStarted.
func (r *tlsReserve) changed() {
	n := reserveSeq + 1
	*(*uint64)(unsafe.Pointer(&r.image[r.at(seqSlot)])) = n
	atomic.StoreUint64(&reserveSeq, n)
}

// at returns where in the image the offset off from the thread pointer lies.
func (r *tlsReserve) at(off int) int { return r.size - r.end + off }

// tcbList is the list of thread pointers that weld knows: those it lends and those of threads that loaded code made.
type tcbList struct {
	mu sync.Mutex
	m  map[uintptr]struct{}
}

// drain adds the fresh threads of a Program. l is locked.
func (l *tcbList) drain() {
	for fs := atomic.SwapUintptr(&freshHead, 0); fs != 0; fs = *word(fs + uintptr(freshSlot)) {
		l.m[fs] = struct{}{}
	}
}

func (l *tcbList) has(fs uintptr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drain()
	_, ok := l.m[fs]
	return ok
}

var tcbs = tcbList{m: map[uintptr]struct{}{}}

func (l *tcbList) add(fs uintptr) {
	l.mu.Lock()
	l.m[fs] = struct{}{}
	l.mu.Unlock()
}

// remove forgets a thread that ends and frees its TLS blocks.
func (l *tcbList) remove(fs uintptr) {
	modules.mu.Lock()
	defer modules.mu.Unlock()
	l.mu.Lock()
	l.drain()
	delete(l.m, fs)
	l.mu.Unlock()
	if p := weldWord(fs, dtvSlot); *p != 0 {
		modules.freeVector(fs, *p)
		*p = 0
	}
}

func (l *tcbList) each(f func(fs uintptr)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drain()
	for fs := range l.m {
		f(fs)
	}
}

// A dynamic thread vector is a native block: the number of entries, then the address of each module's block in this
// thread, 0 before the first touch. Assembly reads it.

type tlsModule struct {
	init  []byte
	size  uintptr
	align uintptr
	fixed int // offset from the thread pointer, where the module also has static TLS
}

type tlsModules struct {
	mu   sync.Mutex
	list []*tlsModule // by module number; nil: free
}

var modules tlsModules

const moduleTag = 1 << 63

// AddTLSModule registers a library's TLS segment and returns its module number, as DTPMOD64 relocations store it and
// __tls_get_addr expects it. init is read whenever a thread first touches the module and must stay as it is until
// RemoveTLSModule. align must be a power of two or 0. Where the segment has static TLS too, fixed is its offset, else 0.
func AddTLSModule(init []byte, size, align uintptr, fixed int) uintptr {
	modules.mu.Lock()
	defer modules.mu.Unlock()
	m := &tlsModule{init, size, max(align, 1), fixed}
	for i, old := range modules.list {
		if old == nil {
			modules.list[i] = m
			return uintptr(i) | moduleTag
		}
	}
	modules.list = append(modules.list, m)
	return uintptr(len(modules.list)-1) | moduleTag
}

// SetTLSModuleOffset notes that a module got static TLS after all.
func SetTLSModuleOffset(id uintptr, fixed int) {
	modules.mu.Lock()
	modules.list[id&^moduleTag].fixed = fixed
	modules.mu.Unlock()
}

// RemoveTLSModule forgets a module and frees its block in every thread. No thread may use it any more.
func RemoveTLSModule(id uintptr) {
	i := id &^ moduleTag
	modules.mu.Lock()
	defer modules.mu.Unlock()
	tcbs.each(func(fs uintptr) {
		dtv := *weldWord(fs, dtvSlot)
		if dtv == 0 || i >= *word(dtv) {
			return
		}
		if b := atomic.SwapUintptr(word(dtv+8+8*i), 0); b != 0 {
			modules.freeBlock(fs, i, b)
		}
	})
	modules.list[i] = nil
}

// TLSAddr returns the address of offset in module id for the thread with the given thread pointer, which is the
// caller's own or one that does not run.
func TLSAddr(fs, id, offset uintptr) (uintptr, error) {
	modules.mu.Lock()
	defer modules.mu.Unlock()
	i := id &^ moduleTag
	if id&moduleTag == 0 || i >= uintptr(len(modules.list)) || modules.list[i] == nil {
		return 0, fmt.Errorf("thread-local variable of module %#x: no such module", id)
	}
	m := modules.list[i]
	slot := weldWord(fs, dtvSlot)
	dtv := *slot
	if dtv == 0 || i >= *word(dtv) {
		n := max(16, 2*uintptr(len(modules.list)))
		bigger, err := nativeHeap.Alloc(8 + 8*n)
		if err != nil {
			return 0, err
		}
		*word(bigger) = n
		if dtv != 0 {
			old := *word(dtv)
			copy(Bytes(bigger+8, 8*old), Bytes(dtv+8, 8*old))
			nativeHeap.Free(dtv, 8+8*old)
		}
		dtv = bigger
		*slot = dtv
		if *weldWord(fs, foreignSlot) != foreignEnds {
			tcbs.add(fs)
		}
	}
	p := word(dtv + 8 + 8*i)
	if *p == 0 {
		if m.fixed != 0 {
			*p = fs + uintptr(m.fixed)
			return *p + offset, nil
		}
		b, err := nativeHeap.Alloc(m.blockSize())
		if err != nil {
			return 0, err
		}
		at := (b + 16 + m.align - 1) &^ (m.align - 1)
		*word(at - 8) = b // to free it by
		copy(Bytes(at, m.size), m.init)
		*p = at
	}
	return *p + offset, nil
}

// blockSize is what is allocated for a block; more than there is if that overflows.
func (m *tlsModule) blockSize() uintptr {
	n := m.size + 16 + m.align
	if n < m.size || n < m.align {
		return ^uintptr(0)
	}
	return n
}

// freeVector and freeBlock free what belongs to the thread with thread pointer fs. modules is locked.
func (t *tlsModules) freeVector(fs, dtv uintptr) {
	n := *word(dtv)
	for i := uintptr(0); i < n; i++ {
		if b := *word(dtv + 8 + 8*i); b != 0 {
			t.freeBlock(fs, i, b)
		}
	}
	nativeHeap.Free(dtv, 8+8*n)
}

func (t *tlsModules) freeBlock(fs, i, at uintptr) {
	if m := t.list[i]; m != nil && at != fs+uintptr(m.fixed) {
		nativeHeap.Free(*word(at - 8), m.blockSize())
	}
}

// What loaded code calls for thread-local storage: the value of __tls_get_addr and of the first word of a TLS
// descriptor, dynamic or of a fixed offset (psABI; RFC-TLSDESC-x86). LazyBindEntry is the value of GOT[2].
func TLSGetAddr() uintptr     { return entry.tlsGetAddr }
func TLSDescDynamic() uintptr { return entry.tlsdescDynamic }
func TLSDescStatic() uintptr  { return entry.tlsdescStatic }
func LazyBindEntry() uintptr  { return cmp.Or(resolveStub, entry.lazyBind) }

// Records of the upcalls that trampolines make, and the C library's own __tls_get_addr.
var (
	tlsRecord          uintptr
	lazyRecord         uintptr
	threadStartRecord  uintptr
	foreignFaultRecord uintptr
	systemTLSGetAddr   uintptr
)

func serveTLS(u Upcall) {
	fs := u.ThreadPointer()
	if libc.up.Load() && !tcbs.has(fs) {
		// A thread that the C library made for itself: have its end told. It may be ending, so not in the last round.
		round := uintptr(lastRound - 1)
		if *weldWord(fs, foreignSlot) == foreignEnds {
			round = lastRound
		}
		u.SetResult2(round)
	}
	pair := (*[2]uintptr)(Pointer(u.Arg(0)))
	addr, err := TLSAddr(fs, pair[0], pair[1])
	if err != nil {
		panic(err)
	}
	u.SetResult(addr)
}
