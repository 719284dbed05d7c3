package link

import (
	"sync"
	"unsafe"
)

// A memory is room for tables of a link, which lives as long as any of them. Most of what a link makes are tables without pointers. They
// are cut from blocks one after the other, since a page of memory costs the kernel more time than the linker to fill it: of blocks it can
// be asked to make huge pages.
type memory struct {
	mu     sync.Mutex
	rest   []byte   // of the newest block
	syms   []symbol // room for symbols, which have pointers
	inputs int      // bytes of all objects and indices of archives
}

const (
	// largeLink is how many bytes of objects and of indices of archives make a link a large one: what its tables need fills huge pages.
	largeLink = 4 << 20
	// smallBlock is the size of blocks of other links.
	smallBlock = 256 << 10
	// largeBlock is the size of those of large ones. What is not used of it takes no memory.
	largeBlock = 8 << 20
	// hugePage is what the kernel's huge pages are aligned to on most processors.
	hugePage = 2 << 20
)

// A plain is what tables can be made of: it holds no pointers that the garbage collector would have to see.
type plain interface {
	~uint8 | ~bool | ~uint32 | ~uint64 | section | nameRef | mergeRef | frag | ehRec | symAux | dynSym | keptSym
}

// tableOf returns a table of n elements, all of them zero.
func tableOf[T plain](m *memory, n int) []T {
	if n == 0 {
		return nil
	}
	var t T
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(m.take(n*int(unsafe.Sizeof(t)))))), n)
}

// expect notes what is going to be read.
func (m *memory) expect(b *batch) {
	for _, o := range b.objs {
		m.inputs += len(o.data)
	}
	for _, lb := range b.libs {
		for i := range lb.indices {
			m.inputs += len(lb.indices[i].data)
		}
	}
}

// take returns size bytes, aligned for any element.
func (m *memory) take(size int) []byte {
	size = (size + 15) &^ 15
	m.mu.Lock()
	defer m.mu.Unlock()
	if size > len(m.rest) {
		switch large := m.inputs >= largeLink; {
		case large && size > largeBlock/4:
			return hugeBlock(size)
		case large:
			m.rest = hugeBlock(largeBlock)
		case size > smallBlock/4:
			return make([]byte, size)
		default:
			m.rest = make([]byte, smallBlock)
		}
	}
	b := m.rest[:size:size]
	m.rest = m.rest[size:]
	return b
}

// reserveSymbols makes room for n symbols together, which symbols then gives out.
func (m *memory) reserveSymbols(n int) {
	const size = int(unsafe.Sizeof(symbol{}))
	if m.inputs < largeLink {
		m.syms = make([]symbol, n)
		return
	}
	// They may be in huge pages if these have room.
	all := make([]symbol, n+2*hugePage/size)
	start := int(-uintptr(unsafe.Pointer(unsafe.SliceData(all))) % hugePage)
	m.syms = all[(start+size-1)/size:][:n]
	adviseHuge(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(all))), len(all)*size)[start:])
}

// symbols returns room for n symbols.
func (m *memory) symbols(n int) []symbol {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n > len(m.syms) {
		return make([]symbol, 0, n)
	}
	s := m.syms[:0:n]
	m.syms = m.syms[n:]
	return s
}

// hugeBlock allocates a block of huge pages, if the kernel makes such.
func hugeBlock(size int) []byte {
	b := make([]byte, size+hugePage)
	b = b[-uintptr(unsafe.Pointer(unsafe.SliceData(b)))%hugePage:][:size]
	adviseHuge(b)
	return b
}
