package native

import "unsafe"

// What debuggers need to get from the frames of a native function to those of the Go functions that have called it. The
// native stack is another one, and of an assembly function the Go linker describes only what moves the stack pointer. So the
// return address of a native function may be in other text than this executable's, in an object with descriptions of its
// own.

// callStub is where enter jumps to with everything as the function R11 wants it: it calls that, and then goes to entered.
var callStub uintptr //lint:ignore U1000 assembly uses it

// Gate says how such text goes on, and where it finds the Go frames.
type Gate struct {
	Return uintptr // what to jump to when the function has returned, which may change R13
	// From the thread record, which the callee-saved register R12 points to, in bytes: the word with the Go stack pointer,
	// where a return address lies, and the one with the Go frame pointer.
	SP, BP uintptr
}

// DescribeGate returns what a stub is made from.
func DescribeGate() Gate {
	return Gate{entry.entered, unsafe.Offsetof(thread{}.goSP), unsafe.Offsetof(thread{}.goBP)}
}

// SetCallStub has native functions called by the stub at an address from now on.
func SetCallStub(addr uintptr) { callStub = addr }
