package native

import "unsafe"

// What debuggers need to get from the frames of a native function to those of the Go functions that have called it. The
// native stack is another one, and of an assembly function the Go linker describes only what moves the stack pointer. So the
// return address of a native function may be in other text than this executable's, in an object with descriptions of its
// own.

// callStub is where enter jumps to with everything as the function R11 wants it: it calls that, and then goes to entered.
var callStub uintptr //lint:ignore U1000 assembly uses it

// bridge is where native code seems to be called from by debuggers, in the Go functions that it has called: see fromNative.
var bridge uintptr //lint:ignore U1000 assembly uses it

// resolveStub is the entry of lazy binding in such text, 0 for lazyBind.
var resolveStub uintptr

// Gate says how such text goes on, and where it finds the frames on the other stack. All but Return and Fixup are offsets in bytes.
type Gate struct {
	Return uintptr // what to jump to when the function has returned, which may change R13
	Fixup  uintptr // what to call for lazy binding: it puts the target in the place of the relocation's index

	// From the thread record, which the callee-saved register R12 points to in native code: the words with the Go stack
	// pointer, where a return address lies, and the Go frame pointer, for a call that no upcall of it is served of; the
	// word with the place where the native stack goes on for calls nested in upcalls, above which the frames of all calls
	// are that wait for an upcall; and the one with the address of the upframe that is served, the newest of several.
	SP, BP, Stack, Upcall uintptr

	// From an upframe: the words with the next older one or 0, with the address of the goroutine (which has the end of its
	// stack at GoStackEnd), with the distance from there to the return address in the Go frame that serves the upcall,
	// the saved registers rbx, rbp, r12 to r15, and the return address of the upcall.
	Older, Goroutine, Depth, Saved, UpcallReturn uintptr
	GoStackEnd                                   uintptr

	// From the stack pointer of the Go function that serves an upcall: the word with the address of the upframe, and what
	// its frame pointer is.
	Served, ServedBP uintptr
}

// DescribeGate returns what a stub is made from.
func DescribeGate() Gate {
	var t thread
	var f upframe
	return Gate{
		Return: entry.entered, Fixup: entry.lazyFixup,
		SP: unsafe.Offsetof(t.goSP), BP: unsafe.Offsetof(t.goBP), Stack: unsafe.Offsetof(t.sp), Upcall: unsafe.Offsetof(t.frame),
		Older: unsafe.Offsetof(f.next), Goroutine: unsafe.Offsetof(f.g), Depth: unsafe.Offsetof(f.depth), Saved: unsafe.Offsetof(f.saved),
		UpcallReturn: unsafe.Offsetof(f.ret), GoStackEnd: 8,
		Served: servedFrame, ServedBP: finishFrame,
	}
}

// The word L_frame of finishCall, and the size of its frame.
const (
	servedFrame = 96
	finishFrame = 112
)

// SetStubs has native functions called by the stub at an address from now on; has debuggers find another address as the one
// that a Go function returns to which native code has called, with the stack pointer as Gate.Served says; and has what is
// loaded from now on bound lazily by the stub at a third one.
func SetStubs(call, from, resolve uintptr) {
	callStub = call
	if entry.fromNativeDone == entry.fromNative+fromNativeSize {
		bridge = from
	}
	resolveStub = resolve
}

// fromNativeSize is the length of fromNative: the function behind it must follow at once.
const fromNativeSize = 32
