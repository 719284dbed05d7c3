package abi

import "unsafe"

// Registers of each convention that carry arguments.
const (
	goIntRegs   = 9
	goFloatRegs = 15
	cIntRegs    = 6
	cFloatRegs  = 8
)

// GoFrame holds the argument or result registers of a Go function
// (cmd/compile/abi-internal.md, amd64). Assembly relies on its layout.
//
// The registers are plain words: the garbage collector sees no pointer in
// them. Who fills a frame keeps what it points to reachable (see
// Plan.PointerMask).
type GoFrame struct {
	Int   [goIntRegs]uint64   // RAX RBX RCX RDI RSI R8 R9 R10 R11
	Float [goFloatRegs]uint64 // X0 ... X14, low 8 bytes
	Stack unsafe.Pointer      // stack-assigned arguments, then results
}

// CFrame holds the registers of a C function (psABI 3.2.3). Assembly relies on
// its layout.
type CFrame struct {
	Int    [cIntRegs]uint64   // rdi rsi rdx rcx r8 r9
	Float  [cFloatRegs]uint64 // xmm0 ... xmm7, low 8 bytes
	NFloat uint64             // vector registers that carry arguments: al of a variadic call
	NStack uint64             // memory argument words at Stack
	Stack  *uint64            // memory argument words, the first at the lowest address
	Ret    [2]uint64          // rax rdx
	FRet   [2]uint64          // xmm0 xmm1, low 8 bytes

	// SRet is the memory of a result that is returned in memory. For a call
	// the caller of ToC sets it to Plan.SRetSize bytes, aligned to 16, that
	// stay valid until FromC; for a callback FromCArgs sets it and ToCResult
	// needs it unchanged.
	SRet unsafe.Pointer
}

// Area names the memory that a Loc is an offset into.
type Area uint8

const (
	GoReg   Area = iota // the GoFrame itself
	GoStack             // what GoFrame.Stack points to
	CReg                // the CFrame itself
	CStack              // the C memory argument words
	SRet                // what CFrame.SRet points to
)

// Loc is the place of a value in one of the frames: Off bytes into Area.
type Loc struct {
	Area Area
	Off  uint32
}

const (
	offGoFloat = uint32(unsafe.Offsetof(GoFrame{}.Float))
	offCFloat  = uint32(unsafe.Offsetof(CFrame{}.Float))
	offCRet    = uint32(unsafe.Offsetof(CFrame{}.Ret))
	offCFRet   = uint32(unsafe.Offsetof(CFrame{}.FRet))
)

func goInt(i int) Loc   { return Loc{GoReg, uint32(8 * i)} }
func goFloat(i int) Loc { return Loc{GoReg, offGoFloat + uint32(8*i)} }
func cInt(i int) Loc    { return Loc{CReg, uint32(8 * i)} }
func cFloat(i int) Loc  { return Loc{CReg, offCFloat + uint32(8*i)} }
func cRet(i int) Loc    { return Loc{CReg, offCRet + uint32(8*i)} }
func cFRet(i int) Loc   { return Loc{CReg, offCFRet + uint32(8*i)} }

func (l Loc) add(n uintptr) Loc { return Loc{l.Area, l.Off + uint32(n)} }

// Addr returns the address of l in g or c, whichever it lies in; the other may
// be nil. A CStack place is taken from c.Stack: a callback whose memory
// arguments lie elsewhere sets c.Stack to them first.
func (l Loc) Addr(g *GoFrame, c *CFrame) unsafe.Pointer {
	switch l.Area {
	case GoReg:
		return unsafe.Add(unsafe.Pointer(g), l.Off)
	case GoStack:
		return unsafe.Add(g.Stack, l.Off)
	case CReg:
		return unsafe.Add(unsafe.Pointer(c), l.Off)
	case CStack:
		return unsafe.Add(unsafe.Pointer(c.Stack), l.Off)
	default:
		return unsafe.Add(c.SRet, l.Off)
	}
}
