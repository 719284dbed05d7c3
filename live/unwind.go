package live

import (
	"bytes"
	"fmt"
	"slices"
)

// Unwind says how the callers of a function are found from within it: call frame information (DWARF 5, section 6.4, and
// LSB, ".eh_frame"). The zero value is DefaultFrame.
type Unwind struct {
	mode unwindMode
	raw  []byte
	rows []Row
}

type unwindMode uint8

const (
	byCode unwindMode = iota
	byPointer
	noFrame
	byRaw
	byRows
)

var (
	// DefaultFrame goes by the code as it is at the Commit: FramePointer if it begins with push %rbp; mov %rsp,%rbp,
	// after an endbr64 or not, else NoFrame.
	DefaultFrame = Unwind{}
	// FramePointer is for a function that begins with push %rbp; mov %rsp,%rbp. If it ends with pop %rbp or leave
	// and ret, that is seen too.
	FramePointer = Unwind{mode: byPointer}
	// NoFrame is for a function that leaves %rsp and the callee-saved registers alone: the caller's frame ends right
	// above the return address (CFA = %rsp+8).
	NoFrame = Unwind{mode: noFrame}
)

// CFI describes a function by call frame instructions. They follow those of every function here: DW_CFA_def_cfa %rsp 8 and
// DW_CFA_offset of the return address, code is aligned to 1, data to -8. They are not looked into.
func CFI(instructions []byte) Unwind {
	return Unwind{mode: byRaw, raw: bytes.Clone(instructions)}
}

// Steps describes a function by what holds from certain places in its code on, by ascending offset. Before the
// first one, what holds is what NoFrame says.
func Steps(rows ...Row) Unwind {
	u := Unwind{mode: byRows, rows: slices.Clone(rows)}
	for i := range u.rows {
		u.rows[i].Saved = slices.Clone(u.rows[i].Saved)
	}
	return u
}

// Row says how to unwind from a place in the code on.
type Row struct {
	At    int      // offset in the function, in bytes
	CFA   Register // the canonical frame address, where %rsp is once the function has returned, is this register...
	Add   int      // ...and so many bytes
	Saved []Saved  // all callee-saved registers that are in memory; the others have their values
}

// Saved says where the caller's value of a register is.
type Saved struct {
	Reg Register
	At  int // bytes from the CFA, below 0 and a multiple of 8
}

// Register is a register by its DWARF number (psABI x86-64, figure 3.36).
type Register uint8

// The registers that a frame can be described by.
const (
	RAX Register = iota
	RDX
	RCX
	RBX
	RSI
	RDI
	RBP
	RSP
	R8
	R9
	R10
	R11
	R12
	R13
	R14
	R15
	returnAddress
)

// Call frame instructions (DWARF 5, table 7.29).
const (
	cfaAdvance      = 0x40
	cfaOffset       = 0x80
	cfaRestore      = 0xc0
	cfaNop          = 0x00
	cfaAdvance1     = 0x02
	cfaAdvance2     = 0x03
	cfaAdvance4     = 0x04
	cfaDefCFA       = 0x0c
	cfaDefCFAReg    = 0x0d
	cfaDefCFAOffset = 0x0e
	cfaDataAlign    = 8 // -8 is that of the CIE
)

// check tells what is wrong with a description of a function of size bytes.
func (u *Unwind) check(size int) string {
	at := -1
	for i := range u.rows {
		r := &u.rows[i]
		switch {
		case r.At <= at && !(i == 0 && r.At == 0):
			return fmt.Sprintf("step %d is not behind the one before", i)
		case r.At >= size:
			return fmt.Sprintf("step %d is at %d of a function of %d bytes", i, r.At, size)
		case r.CFA > R15 || r.Add < 0:
			return fmt.Sprintf("step %d: no CFA is register %d and %d", i, r.CFA, r.Add)
		}
		at = r.At
		for _, s := range r.Saved {
			if s.Reg > R15 || s.At >= 0 || s.At%cfaDataAlign != 0 {
				return fmt.Sprintf("step %d: register %d cannot be saved at CFA%+d", i, s.Reg, s.At)
			}
		}
	}
	return ""
}

var (
	endbr64      = []byte{0xf3, 0x0f, 0x1e, 0xfa}
	pushRbp      = []byte{0x55}
	movRspRbp    = []byte{0x48, 0x89, 0xe5}
	movRspRbpAlt = []byte{0x48, 0x8b, 0xec}
	popRbpRet    = []byte{0x5d, 0xc3}
	leaveRet     = []byte{0xc9, 0xc3}
)

// prologue returns the length of the standard prologue up to and without the mov; ok is false if code does not begin with
// it.
func prologue(code []byte) (n int, ok bool) {
	if bytes.HasPrefix(code, endbr64) {
		n = len(endbr64)
	}
	if !bytes.HasPrefix(code[n:], pushRbp) {
		return 0, false
	}
	n += len(pushRbp)
	return n, bytes.HasPrefix(code[n:], movRspRbp) || bytes.HasPrefix(code[n:], movRspRbpAlt)
}

// append adds the instructions for a function with the given code to b.
func (u *Unwind) append(b, code []byte) []byte {
	switch u.mode {
	case byRaw:
		return append(b, u.raw...)
	case byRows:
		return appendRows(b, u.rows)
	case noFrame:
		return b
	}
	n, ok := prologue(code)
	if !ok {
		if u.mode == byCode {
			return b
		}
		n = len(pushRbp) // the caller knows better
	}
	b = appendAdvance(b, n)
	b = append(b, cfaDefCFAOffset, 16, cfaOffset|byte(RBP), 2)
	b = appendAdvance(b, len(movRspRbp))
	b = append(b, cfaDefCFAReg, byte(RBP))
	if end := len(code) - 1; end > n+len(movRspRbp) && (bytes.HasSuffix(code, popRbpRet) || bytes.HasSuffix(code, leaveRet)) {
		b = appendAdvance(b, end-n-len(movRspRbp))
		b = append(b, cfaDefCFA, byte(RSP), 8, cfaRestore|byte(RBP))
	}
	return b
}

// appendFrom is append for the part of the function from an offset on.
func (u *Unwind) appendFrom(b, code []byte, from int) []byte {
	rows := u.rows
	switch u.mode {
	case byRaw, noFrame:
		return b
	case byCode, byPointer:
		n, ok := prologue(code)
		if !ok {
			if u.mode == byCode {
				return b
			}
			n = len(pushRbp)
		}
		saved := []Saved{{RBP, -16}}
		rows = []Row{{n, RSP, 16, saved}, {n + len(movRspRbp), RBP, 16, saved}}
		if end := len(code) - 1; bytes.HasSuffix(code, popRbpRet) || bytes.HasSuffix(code, leaveRet) {
			rows = append(rows, Row{end, RSP, 8, nil})
		}
	}
	first := 0 // of those that hold later, and the one that holds there is moved to it
	for first < len(rows) && rows[first].At <= from {
		first++
	}
	rest := slices.Clone(rows[max(first-1, 0):])
	for i := range rest {
		rest[i].At = max(rest[i].At-from, 0)
	}
	return appendRows(b, rest)
}

func appendRows(b []byte, rows []Row) []byte {
	at := 0
	var saved [returnAddress]int // offsets from the CFA
	for i := range rows {
		r := &rows[i]
		b = appendAdvance(b, r.At-at)
		at = r.At
		b = append(b, cfaDefCFA, byte(r.CFA))
		b = appendUleb(b, uint64(r.Add))
		var now [returnAddress]int
		for _, s := range r.Saved {
			now[s.Reg] = s.At
		}
		for reg, off := range now {
			switch {
			case off == saved[reg]:
			case off == 0:
				b = append(b, cfaRestore|byte(reg))
			default:
				b = append(b, cfaOffset|byte(reg))
				b = appendUleb(b, uint64(-off/cfaDataAlign))
			}
		}
		saved = now
	}
	return b
}

func appendAdvance(b []byte, n int) []byte {
	switch {
	case n == 0:
		return b
	case n < cfaAdvance:
		return append(b, cfaAdvance|byte(n))
	case n < 1<<8:
		return append(b, cfaAdvance1, byte(n))
	case n < 1<<16:
		return append(b, cfaAdvance2, byte(n), byte(n>>8))
	}
	return append(b, cfaAdvance4, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
}

func appendUleb(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

func appendSleb(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}
