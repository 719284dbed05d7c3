package unwind

// Operations of DWARF expressions (DWARF 5, table 7.9), as far as descriptions of frames have them.
const (
	opAddr     = 0x03
	opDeref    = 0x06
	opConst1u  = 0x08
	opConst1s  = 0x09
	opConst2u  = 0x0a
	opConst2s  = 0x0b
	opConst4u  = 0x0c
	opConst4s  = 0x0d
	opConst8u  = 0x0e
	opConst8s  = 0x0f
	opConstu   = 0x10
	opConsts   = 0x11
	opDup      = 0x12
	opDrop     = 0x13
	opOver     = 0x14
	opPick     = 0x15
	opSwap     = 0x16
	opRot      = 0x17
	opAbs      = 0x19
	opAnd      = 0x1a
	opMinus    = 0x1c
	opMul      = 0x1e
	opNeg      = 0x1f
	opNot      = 0x20
	opOr       = 0x21
	opPlus     = 0x22
	opPlusUc   = 0x23
	opShl      = 0x24
	opShr      = 0x25
	opShra     = 0x26
	opXor      = 0x27
	opBra      = 0x28
	opEq       = 0x29
	opGe       = 0x2a
	opGt       = 0x2b
	opLe       = 0x2c
	opLt       = 0x2d
	opNe       = 0x2e
	opSkip     = 0x2f
	opLit0     = 0x30
	opLit31    = 0x4f
	opBreg0    = 0x70
	opBreg31   = 0x8f
	opNop      = 0x96
	maxSteps   = 256
	maxOnStack = 64
)

// evaluate runs an expression. first, if there is one, is on the stack before it begins (DWARF 5, section 6.4.2.3).
func evaluate(r reader, regs *Regs, mem Memory, first *uint64) (uint64, bool) {
	var stack [maxOnStack]uint64
	n := 0
	bad := false
	push := func(v uint64) {
		if n == maxOnStack {
			bad = true
			return
		}
		stack[n] = v
		n++
	}
	pop := func() uint64 {
		if n == 0 {
			bad = true
			return 0
		}
		n--
		return stack[n]
	}
	truth := func(b bool) {
		if b {
			push(1)
		} else {
			push(0)
		}
	}
	jump := func(by uint64) {
		to := int64(r.off) + int64(by)
		if to < 0 || to > int64(len(r.b)) {
			bad = true
			return
		}
		r.off = int(to)
	}
	if first != nil {
		push(*first)
	}
	for step := 0; r.more() && !bad; step++ {
		if step == maxSteps {
			return 0, false
		}
		op := uint8(r.fixed(1))
		switch {
		case op >= opLit0 && op <= opLit31:
			push(uint64(op - opLit0))
			continue
		case op >= opBreg0 && op <= opBreg31:
			off := uint64(r.sleb())
			if op-opBreg0 >= nreg {
				return 0, false
			}
			push(regs[op-opBreg0] + off)
			continue
		}
		switch op {
		case opAddr, opConst8u, opConst8s:
			push(r.fixed(8))
		case opConst1u:
			push(r.fixed(1))
		case opConst1s:
			push(r.signed(1))
		case opConst2u:
			push(r.fixed(2))
		case opConst2s:
			push(r.signed(2))
		case opConst4u:
			push(r.fixed(4))
		case opConst4s:
			push(r.signed(4))
		case opConstu:
			push(r.uleb())
		case opConsts:
			push(uint64(r.sleb()))
		case opDeref:
			v, ok := mem(pop())
			bad = bad || !ok
			push(v)
		case opDup:
			v := pop()
			push(v)
			push(v)
		case opDrop:
			pop()
		case opOver, opPick:
			i := 1
			if op == opPick {
				i = int(r.fixed(1))
			}
			if i >= n {
				return 0, false
			}
			push(stack[n-1-i])
		case opSwap:
			a, b := pop(), pop()
			push(a)
			push(b)
		case opRot:
			a, b, c := pop(), pop(), pop()
			push(a)
			push(c)
			push(b)
		case opAbs:
			v := int64(pop())
			push(uint64(max(v, -v)))
		case opNeg:
			push(-pop())
		case opNot:
			push(^pop())
		case opPlusUc:
			push(pop() + r.uleb())
		case opAnd, opMinus, opMul, opOr, opPlus, opShl, opShr, opShra, opXor:
			b, a := pop(), pop()
			switch op {
			case opAnd:
				a &= b
			case opMinus:
				a -= b
			case opMul:
				a *= b
			case opOr:
				a |= b
			case opPlus:
				a += b
			case opShl:
				a <<= b
			case opShr:
				a >>= b
			case opShra:
				a = uint64(int64(a) >> b)
			case opXor:
				a ^= b
			}
			push(a)
		case opEq, opGe, opGt, opLe, opLt, opNe:
			b, a := int64(pop()), int64(pop())
			switch op {
			case opEq:
				truth(a == b)
			case opGe:
				truth(a >= b)
			case opGt:
				truth(a > b)
			case opLe:
				truth(a <= b)
			case opLt:
				truth(a < b)
			case opNe:
				truth(a != b)
			}
		case opSkip:
			jump(r.signed(2))
		case opBra:
			by := r.signed(2)
			if pop() != 0 {
				jump(by)
			}
		case opNop:
		default:
			return 0, false
		}
	}
	v := pop()
	return v, !bad && !r.bad
}
