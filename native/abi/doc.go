// Package abi converts between Go's internal calling convention and the C
// calling convention of the System V psABI for AMD64.
//
// A call gate written in assembly stores the registers of one convention in a
// [GoFrame] or a [CFrame] and loads those of the other. What lies between is
// decided once for each func type by [New] and kept in a [Plan]: a flat list
// of moves, run without allocation, locks or reflection. Where both
// conventions agree (integers, pointers and floats in registers) there is
// nothing to move and [Plan.Direct] says so.
//
// # Go side
//
// Registers and stack slots are assigned as cmd/compile/abi-internal.md
// describes for amd64: nine integer and fifteen floating-point registers, a
// value wholly in registers or wholly on the stack, arrays of two or more
// elements always on the stack, arguments first on the stack and results after
// them, aligned to a word. The upper bits of a register that holds a narrow
// value are unspecified.
//
// # C side
//
// Arguments and results are classified by section 3.2.3 of the psABI, each Go
// type standing for the C type of the same size and kind:
//
//	bool                    _Bool
//	int8 ... uint64         int8_t ... uint64_t
//	int, uint, uintptr      long, unsigned long, uintptr_t
//	float32, float64        float, double
//	complex64, complex128   float _Complex, double _Complex
//	unsafe.Pointer, *T      a pointer
//	*T with Addr() uintptr  a function pointer: what Addr returns (calls only)
//	string                  char *, NUL-terminated
//	[]T                     T *, the first element (calls only)
//	struct                  the struct of the same fields, by value
//	...any                  ... (calls only)
//
// An empty struct has size 0, as in GNU C, and is not passed. A struct must
// have the same layout in C; one in which Go's padding after a last field of
// size zero moves what follows is refused. A blank field of bytes that only
// fills what alignment leaves open is padding, as cgo -godefs writes it; any
// other blank field counts as a field of its type.
//
// Integers of 8 and 16 bits and bool are extended to 32 bits and more, which
// the psABI leaves open and compilers rely on. Integers of 32 bits are passed
// as they are: the upper half of their register is unspecified on both sides.
//
// A last result of type [syscall.Errno] is not a C result: its place is given
// in [Plan.ErrnoLoc]. There may be one other result.
package abi
