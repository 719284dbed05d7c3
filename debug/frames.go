package debug

import (
	"encoding/binary"

	"weld/native"
)

// How debuggers get from a native function to the Go functions that have called it. The native function is called by a
// stub, whose description (.eh_frame) leads from the native stack to the one of the goroutine: the thread record, which a
// callee-saved register points to, has its stack pointer (see native.Gate).

// stubName is the name by which gdb lets a frame continue on another stack, below the one that it was called on. It is what
// gcc calls the function that does so for -fsplit-stack; for others gdb stops there ("previous frame inner to this frame").
const stubName = "__morestack"

// callStub returns the code of the stub: call *%r11; movabs $return, %r13; jmp *%r13.
func callStub(g native.Gate) []byte {
	code := []byte{0x41, 0xff, 0xd3, 0x49, 0xbd}
	code = binary.LittleEndian.AppendUint64(code, uint64(g.Return))
	return append(code, 0x41, 0xff, 0xe5)
}

// Parts of DWARF call frame information (DWARF 5, 6.4.2 and 7.24), and the registers of x86-64 (psABI, 3.6.2).
const (
	cfaOffset, cfaUndefined = 0x80, 0x07
	cfaDefCFA               = 0x0c
	cfaDefCFAExpression     = 0x0f
	cfaExpression           = 0x10
	opDeref, opPlusUconst   = 0x06, 0x23
	opBreg                  = 0x70
	regRbx, regRbp, regRsp  = 3, 6, 7
	regR12, regR13, regR14  = 12, 13, 14
	regR15, regReturn       = 15, 16
	pcrelSdata4             = 0x1b
)

// ehFrame returns the .eh_frame section that lies at a vaddr: of the functions from text to stub, which change nothing, and
// of the stub.
func ehFrame(at, text, stub, stubSize uint64, g native.Gate) []byte {
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
	word := func(off uintptr) []byte { return []byte{opBreg + regR12, byte(off)} } // offsets are below 64
	cfa := append(word(g.SP), opDeref, opPlusUconst, 8)
	rules := append([]byte{cfaDefCFAExpression, byte(len(cfa))}, cfa...)
	bp := word(g.BP)
	rules = append(append(rules, cfaExpression, regRbp, byte(len(bp))), bp...)
	for _, r := range []byte{regRbx, regR12, regR13, regR14, regR15} {
		rules = append(rules, cfaUndefined, r) // Go keeps none
	}
	function(stub, stubSize, rules)
	return append(b, 0, 0, 0, 0)
}
