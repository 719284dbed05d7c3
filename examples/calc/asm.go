package main

import "encoding/binary"

// code is machine code under construction. Values are computed on the stack of the processor.
type code struct {
	b     []byte
	links []link
	depth int // words on the stack
}

// link is a 32-bit displacement that depends on where the code comes to be.
type link struct {
	at int
	to uintptr
}

func (c *code) emit(b ...byte) { c.b = append(c.b, b...) }

func (c *code) word32(n int32) { c.b = binary.LittleEndian.AppendUint32(c.b, uint32(n)) }

// link returns the code for an address.
func (c *code) link(base uintptr) []byte {
	for _, l := range c.links {
		binary.LittleEndian.PutUint32(c.b[l.at:], uint32(l.to-(base+uintptr(l.at)+4)))
	}
	return c.b
}

// maxArgs is the number of registers for arguments, which are %rdi, %rsi, %rdx, %rcx, %r8, %r9.
const maxArgs = 6

var (
	popArg  = [maxArgs][]byte{{0x5f}, {0x5e}, {0x5a}, {0x59}, {0x41, 0x58}, {0x41, 0x59}}
	saveArg = [maxArgs][]byte{{0x48, 0x89, 0xbd}, {0x48, 0x89, 0xb5}, {0x48, 0x89, 0x95}, {0x48, 0x89, 0x8d}, {0x4c, 0x89, 0x85}, {0x4c, 0x89, 0x8d}}
)

func (c *code) push() { c.emit(0x50); c.depth++ } // push %rax
func (c *code) pop()  { c.emit(0x58); c.depth-- } // pop %rax

// constant loads a number into %rax.
func (c *code) constant(n int64) {
	c.emit(0x48, 0xb8)
	c.b = binary.LittleEndian.AppendUint64(c.b, uint64(n))
}

// load and store move variable i from and to %rax. It is at -8(i+1)(%rbp).
func (c *code) load(i int)  { c.emit(0x48, 0x8b, 0x85); c.word32(int32(-8 * (i + 1))) }
func (c *code) store(i int) { c.emit(0x48, 0x89, 0x85); c.word32(int32(-8 * (i + 1))) }

// jump emits a jump with an opcode, to be aimed by land.
func (c *code) jump(op ...byte) (at int) {
	c.emit(op...)
	c.word32(0)
	return len(c.b)
}

func (c *code) land(at int) { binary.LittleEndian.PutUint32(c.b[at-4:], uint32(len(c.b)-at)) }

// back emits a jump to what has been emitted.
func (c *code) back(to int) {
	c.emit(0xe9)
	c.word32(int32(to - (len(c.b) + 4)))
}

// near calls what is within 2 GiB.
func (c *code) near(to uintptr) {
	c.emit(0xe8)
	c.links = append(c.links, link{len(c.b), to})
	c.word32(0)
}

// far calls what may be anywhere.
func (c *code) far(to uintptr) {
	c.constant(int64(to))
	c.emit(0xff, 0xd0)
}

// aligned has call made with %rsp a multiple of 16 (psABI, "The Stack Frame").
func (c *code) aligned(call func()) {
	if odd := c.depth%2 != 0; odd {
		c.emit(0x48, 0x83, 0xec, 8)
		defer c.emit(0x48, 0x83, 0xc4, 8)
	}
	call()
}
