// Package abitest lets tests see and set the registers of Go's internal
// calling convention on amd64, in code that the Go compiler or reflect made.
// It keeps its state in package variables: one call at a time.
package abitest

import "unsafe"

// Regs are the argument or result registers: RAX RBX RCX RDI RSI R8 R9 R10
// R11, and the low 8 bytes of X0 to X14.
type Regs struct {
	Int   [9]uint64
	Float [15]uint64
}

// MaxStack is the largest stack area in bytes.
const MaxStack = 4096

// What the last call of a Probe func received, and what the next one does.
var (
	In       Regs              // registers at entry
	InStack  [MaxStack / 8]int // the first StackLen bytes of the stack area at entry
	StackLen uintptr

	Out       Regs              // registers at return
	OutStack  [MaxStack / 8]int // bytes stored at ResultOff of the stack area
	ResultOff uintptr
	ResultLen uintptr
)

func probePC() uintptr

var closure = &struct{ pc uintptr }{probePC()}

// Probe makes the func variable at fn, of whatever type, one that records its
// arguments in In and InStack and returns what Out and OutStack hold.
func Probe(fn unsafe.Pointer) { *(*unsafe.Pointer)(fn) = unsafe.Pointer(closure) }

// Call calls the func value fn (the word of a func variable) with the given
// registers and n bytes of stack area, and stores both as they are at return.
// The collector sees no pointer in either.
func Call(fn unsafe.Pointer, regs *Regs, stack unsafe.Pointer, n uintptr)
