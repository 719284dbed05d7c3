package debug

import (
	"encoding/binary"
	"slices"

	"weld/native"
)

// How debuggers get from a native function to the Go functions that have called it, and from a Go function to the native
// ones. The native function is called by a stub, whose description (.eh_frame) leads from the native stack to the one of
// the goroutine: the thread record, which a callee-saved register points to, has its stack pointer. For a Go function that
// native code has called a stub seems to be the caller that never runs: its description leads to the frame that the native
// code has left on its stack. Then the thread record is that of a call within, and what it says is not of the native code
// further out; but the frame of its upcall says which Go function serves that, by the distance from the end of the
// goroutine's stack, which may have moved meanwhile (see native.Gate).

// stubName is the name by which gdb lets a frame continue on another stack, below the one that it was called on. It is what
// gcc calls the function that does so for -fsplit-stack; for others gdb stops there ("previous frame inner to this frame").
const stubName = "__morestack"

// callStub returns the code of the stub: call *%r11; movabs $return, %r13; jmp *%r13.
func callStub(g native.Gate) []byte {
	code := []byte{0x41, 0xff, 0xd3, 0x49, 0xbd}
	code = binary.LittleEndian.AppendUint64(code, uint64(g.Return))
	return append(code, 0x41, 0xff, 0xe5)
}

// bridgeName names the other stub, which seems to be in the middle of a call: int3; int3.
const bridgeName = "weld_callback"

var bridgeStub = []byte{0xcc, 0xcc}

// Lazy binding, as gdb knows it: it steps through what is in a section .plt, and when it comes to the function of the one name
// while there is one of the other, it goes on where that returns to (glibc-tdep.c). The code is that of lazyBind:
// call fixup; lea 8(%rsp), %rsp; ret.
const resolveName, fixupName = "_dl_runtime_resolve", "_dl_fixup"

var resolveCode = []byte{0xe8, byte(objectFixup - (objectResolve + 5)), 0, 0, 0, 0x48, 0x8d, 0x64, 0x24, 8, 0xc3}

// Parts of DWARF call frame information (DWARF 5, 6.4.2 and 7.24), and the registers of x86-64 (psABI, 3.6.2).
const (
	cfaOffset, cfaUndefined       = 0x80, 0x07
	cfaAdvanceLoc                 = 0x40
	cfaDefCFA, cfaDefCFAOffset    = 0x0c, 0x0e
	cfaDefCFAExpression           = 0x0f
	cfaValExpression              = 0x16
	opDeref, opPlusUconst, opLit0 = 0x06, 0x23, 0x30
	opDup, opDrop, opSwap         = 0x12, 0x13, 0x16
	opMinus, opEq, opGe, opGt     = 0x1c, 0x29, 0x2a, 0x2b
	opBra, opSkip                 = 0x28, 0x2f
	opBreg                        = 0x70
	regRbx, regRbp, regRsp        = 3, 6, 7
	regR12, regR13, regR14        = 12, 13, 14
	regR15, regReturn             = 15, 16
	pcrelSdata4                   = 0x1b
)

// breg is the value of a register plus an offset, deref the word that lies behind a number of bytes from the address on
// top, and jump a branch over a number of bytes.
func breg(reg byte, off uintptr) []byte {
	b := []byte{opBreg + reg}
	for ; off >= 0x40; off >>= 7 {
		b = append(b, byte(off)|0x80)
	}
	return append(b, byte(off))
}

func deref(off uintptr) []byte {
	return append(binary.AppendUvarint([]byte{opPlusUconst}, uint64(off)), opDeref)
}

func jump(op byte, over int) []byte {
	return binary.LittleEndian.AppendUint16([]byte{op}, uint16(over))
}

// callerCFA is the expression of the frame address of the stub that calls native functions. It distinguishes the call that
// is being executed, whose Go frame the thread record has, from those that wait for an upcall, whose frames lie above
// where the native stack goes on. For these it looks for the oldest upframe that lies below: it is what that call waits for.
func callerCFA(g native.Gate) []byte {
	older := append([]byte{opDup}, deref(g.Older)...)
	isLast := append([]byte{opDup, opLit0, opEq}, jump(opBra, 0)...)
	isAbove := append(append([]byte{opDup}, breg(regRsp, 0)...), append([]byte{opGe}, jump(opBra, 0)...)...)
	next := append([]byte{opSwap, opDrop}, jump(opSkip, 0)...)
	jumpTo := func(from []byte, over int) { copy(from[len(from)-2:], jump(0, over)[1:]) }
	jumpTo(isLast, len(isAbove)+len(next))
	jumpTo(isAbove, len(next))
	jumpTo(next, -(len(older) + len(isLast) + len(isAbove) + len(next)))

	waiting := slices.Concat(breg(regR12, g.Upcall), []byte{opDeref}, older, isLast, isAbove, next, []byte{opDrop}, // the upframe
		[]byte{opDup}, deref(g.Goroutine), deref(g.GoStackEnd), []byte{opSwap}, deref(g.Depth), []byte{opMinus})
	running := append(breg(regR12, g.SP), opDeref)
	return append(choose(g, running, waiting), opPlusUconst, 8)
}

// callerBP is that of its frame pointer, which finds the frame address on the stack.
func callerBP(g native.Gate) []byte {
	running := append(append([]byte{opDrop}, breg(regR12, g.BP)...), opDeref)
	return choose(g, running, binary.AppendUvarint([]byte{opPlusUconst}, uint64(g.ServedBP+8)))
}

// choose is one expression for the call that is being executed and another one for those that wait.
func choose(g native.Gate, running, waiting []byte) []byte {
	running = append(running, jump(opSkip, len(waiting))...)
	return slices.Concat(breg(regRsp, 0), breg(regR12, g.Stack), []byte{opDeref, opGt}, jump(opBra, len(running)), running, waiting)
}

// ehFrame returns the .eh_frame section that lies at a vaddr: of the functions from text to stub, which change nothing, and
// of the two stubs.
func ehFrame(at, text, stub, stubSize, bridge uint64, g native.Gate) []byte {
	le := binary.LittleEndian
	var b []byte
	entry := func(id func(start int) uint32, body []byte) {
		start := len(b)
		body = append(body, make([]byte, -(8+len(body))&7)...) // DW_CFA_nop
		b = le.AppendUint32(b, uint32(4+len(body)))
		b = le.AppendUint32(b, id(start+4))
		b = append(b, body...)
	}
	// The common part: the return address lies right below the frame.
	cie := append([]byte{1}, "zR\x00"...)
	cie = append(cie, 1, 0x78, regReturn, 1, pcrelSdata4) // code and data alignment: 1 and -8
	cie = append(cie, cfaDefCFA, regRsp, 8, cfaOffset|regReturn, 1)
	entry(func(int) uint32 { return 0 }, cie)
	function := func(from, size uint64, rules []byte) {
		body := le.AppendUint32(nil, uint32(from-(at+uint64(len(b))+8)))
		body = le.AppendUint32(body, uint32(size))
		body = append(append(body, 0), rules...)
		entry(func(start int) uint32 { return uint32(start) }, body) // distance to the common part, at 0
	}
	function(text, stub-text, nil)
	expression := func(b []byte, e []byte) []byte { return append(binary.AppendUvarint(b, uint64(len(e))), e...) }
	rules := expression([]byte{cfaDefCFAExpression}, callerCFA(g))
	rules = expression(append(rules, cfaValExpression, regRbp), callerBP(g))
	for _, r := range []byte{regRbx, regR12, regR13, regR14, regR15} {
		rules = append(rules, cfaUndefined, r) // Go keeps none
	}
	function(stub, stubSize, rules)

	rules = expression([]byte{cfaDefCFAExpression}, slices.Concat(breg(regRsp, g.Served), []byte{opDeref, opPlusUconst},
		binary.AppendUvarint(nil, uint64(g.UpcallReturn+8))))
	for i, r := range []byte{regRbx, regRbp, regR12, regR13, regR14, regR15} {
		rules = append(rules, cfaOffset|r)
		rules = binary.AppendUvarint(rules, uint64(g.UpcallReturn+8-g.Saved)/8-uint64(i))
	}
	function(bridge, uint64(len(bridgeStub)), rules)

	// In lazy binding two words more are on the stack, and in the end one.
	function(uint64(objectResolve), uint64(len(resolveCode)),
		[]byte{cfaDefCFAOffset, 24, cfaAdvanceLoc | byte(len(resolveCode)-1), cfaDefCFAOffset, 16})
	function(uint64(objectFixup), siteSize, nil)
	return append(b, 0, 0, 0, 0)
}
