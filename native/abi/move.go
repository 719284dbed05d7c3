package abi

import "unsafe"

// op says how many bytes a move loads, how it extends them and how many it
// stores.
type op uint8

const (
	opWord  op = iota // 8 bytes
	opZero            // store 8 zero bytes
	opZx1             // load 1, zero-extend, store 8
	opZx2             // load 2, zero-extend, store 8
	opZx4             // load 4, zero-extend, store 8
	opSx1             // load 1, sign-extend, store 8
	opSx2             // load 2, sign-extend, store 8
	opSx4             // load 4, sign-extend, store 8
	opBool            // load 1, make it 0 or 1, store 8
	opBool1           // load 1, make it 0 or 1, store 1
	opCopy1           // 1 byte
	opCopy2           // 2 bytes
	opCopy4           // 4 bytes
	opCopyN           // size bytes
)

type move struct {
	op       op
	from, to Area
	size     uint32 // opCopyN
	fromOff  uint32
	toOff    uint32
}

// run executes ms. It must not grow the stack: frames of the gate may hold
// addresses of it that nothing would adjust.
//
//go:nosplit
//go:nocheckptr
func run(ms []move, g *GoFrame, c *CFrame, cstack *uint64) {
	var base [8]unsafe.Pointer
	base[GoReg] = unsafe.Pointer(g)
	base[GoStack] = g.Stack
	base[CReg] = unsafe.Pointer(c)
	base[CStack] = unsafe.Pointer(cstack)
	base[SRet] = c.SRet
	for i := range ms {
		m := &ms[i]
		src := unsafe.Add(base[m.from&7], m.fromOff)
		dst := unsafe.Add(base[m.to&7], m.toOff)
		switch m.op {
		case opWord:
			*(*uint64)(dst) = *(*uint64)(src)
		case opZero:
			*(*uint64)(dst) = 0
		case opZx1:
			*(*uint64)(dst) = uint64(*(*uint8)(src))
		case opZx2:
			*(*uint64)(dst) = uint64(*(*uint16)(src))
		case opZx4:
			*(*uint64)(dst) = uint64(*(*uint32)(src))
		case opSx1:
			*(*int64)(dst) = int64(*(*int8)(src))
		case opSx2:
			*(*int64)(dst) = int64(*(*int16)(src))
		case opSx4:
			*(*int64)(dst) = int64(*(*int32)(src))
		case opBool:
			*(*uint64)(dst) = truth(*(*uint8)(src))
		case opBool1:
			*(*uint8)(dst) = uint8(truth(*(*uint8)(src)))
		case opCopy1:
			*(*uint8)(dst) = *(*uint8)(src)
		case opCopy2:
			*(*uint16)(dst) = *(*uint16)(src)
		case opCopy4:
			*(*uint32)(dst) = *(*uint32)(src)
		case opCopyN:
			n := uintptr(m.size)
			o := uintptr(0)
			for ; o+8 <= n; o += 8 {
				*(*uint64)(unsafe.Add(dst, o)) = *(*uint64)(unsafe.Add(src, o))
			}
			for ; o < n; o++ {
				*(*uint8)(unsafe.Add(dst, o)) = *(*uint8)(unsafe.Add(src, o))
			}
		}
	}
}

//go:nosplit
func truth(b uint8) uint64 {
	if b != 0 {
		return 1
	}
	return 0
}

// moves is a list of moves under construction.
type moves []move

func (ms *moves) add(o op, from, to Loc) {
	*ms = append(*ms, move{op: o, from: from.Area, to: to.Area, fromOff: from.Off, toOff: to.Off})
}

func (ms *moves) zero(to Loc) { ms.add(opZero, to, to) }

// copy adds a move of exactly n bytes.
func (ms *moves) copy(from, to Loc, n uintptr) {
	switch n {
	case 0:
	case 1:
		ms.add(opCopy1, from, to)
	case 2:
		ms.add(opCopy2, from, to)
	case 4:
		ms.add(opCopy4, from, to)
	case 8:
		ms.add(opWord, from, to)
	default:
		*ms = append(*ms, move{op: opCopyN, from: from.Area, to: to.Area, size: uint32(n), fromOff: from.Off, toOff: to.Off})
	}
}

// load adds a move of n bytes, zero-extended to a word that is all ours.
func (ms *moves) load(from, to Loc, n uintptr) {
	switch n {
	case 1:
		ms.add(opZx1, from, to)
	case 2:
		ms.add(opZx2, from, to)
	case 4:
		ms.add(opZx4, from, to)
	case 8:
		ms.add(opWord, from, to)
	default:
		ms.zero(to)
		ms.copy(from, to, n)
	}
}
