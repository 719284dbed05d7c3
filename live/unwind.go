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

const (
	endbr64      = "\xf3\x0f\x1e\xfa"
	pushRbp      = "\x55"
	movRspRbp    = "\x48\x89\xe5"
	movRspRbpAlt = "\x48\x8b\xec"
	popRbpRet    = "\x5d\xc3"
	leaveRet     = "\xc9\xc3"
)

// frame is a frame by frame pointer; the zero value is that there is none.
type frame struct {
	saved int // bytes of code up to the mov that sets %rbp
	end   int // offset of the ret with which the function ends and %rbp is the caller's again, 0 if it does not
}

// set returns the bytes of code until %rbp is set.
func (f frame) set() int { return f.saved + len(movRspRbp) }

// frameOf returns the frame of a function that is described by its code.
func (u *Unwind) frameOf(code []byte) (f frame) {
	const longest = len(endbr64) + len(pushRbp) + len(movRspRbp)
	var begin [longest]byte
	copy(begin[:], code)
	b := begin[:]
	if string(b[:len(endbr64)]) == endbr64 {
		f.saved, b = len(endbr64), b[len(endbr64):]
	}
	mov := b[len(pushRbp):][:len(movRspRbp)]
	switch is := string(b[:len(pushRbp)]) == pushRbp && (string(mov) == movRspRbp || string(mov) == movRspRbpAlt); {
	case is:
		f.saved += len(pushRbp)
	case u.mode == byCode:
		return frame{}
	default: // the caller knows better
		f.saved = len(pushRbp)
	}
	if end := len(code) - 1; end > f.set() {
		if last := code[end-1:]; string(last) == popRbpRet || string(last) == leaveRet {
			f.end = end
		}
	}
	return f
}

// append adds the instructions.
func (f frame) append(b []byte) []byte {
	if f.saved == 0 {
		return b
	}
	b = appendAdvance(b, f.saved)
	b = append(b, cfaDefCFAOffset, 16, cfaOffset|byte(RBP), 2)
	b = appendAdvance(b, len(movRspRbp))
	b = append(b, cfaDefCFAReg, byte(RBP))
	if f.end > 0 {
		b = appendAdvance(b, f.end-f.set())
		b = append(b, cfaDefCFA, byte(RSP), 8, cfaRestore|byte(RBP))
	}
	return b
}

// steps returns what holds from certain places on.
func (f frame) steps() []Row {
	if f.saved == 0 {
		return nil
	}
	saved := []Saved{{RBP, -16}}
	rows := []Row{{f.saved, RSP, 16, saved}, {f.set(), RBP, 16, saved}}
	if f.end > 0 {
		rows = append(rows, Row{f.end, RSP, 8, nil})
	}
	return rows
}

// byFrame reports whether a function is described by its frame, which is in its code.
func (u *Unwind) byFrame() bool { return u.mode == byCode || u.mode == byPointer }

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
	return u.frameOf(code).append(b)
}

// appendFrom is append for the part of the function from an offset on.
func (u *Unwind) appendFrom(b, code []byte, from int) []byte {
	rows := u.rows
	switch u.mode {
	case byRaw, noFrame:
		return b
	case byCode, byPointer:
		rows = u.frameOf(code).steps()
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
