#include "textflag.h"
#include "gate_amd64.h"
#include "vector_amd64.h"

// Trampolines that compiled code enters outside the C calling convention, or so often that they have a fast path:
// lazy binding, __tls_get_addr and TLS descriptors.

// lazyBind is GOT[2] of every lazily bound object (psABI 5.2, PLT). On the stack: GOT[1], the relocation's index,
// the return address of the call that is to be bound. Every register is kept as it was. Where there is the object of the
// probes, the like of it in there is taken (see Gate.Fixup).
TEXT ·lazyBind(SB), NOSPLIT|NOFRAME, $0
	CALL	·lazyFixup(SB)
	LEAQ	8(SP), SP // GOT[1]; flags are not part of the convention, but LEA keeps them too
	RET // to the target, with the caller's return address on top

// lazyFixup puts the target in the place of the index.
TEXT ·lazyFixup(SB), NOSPLIT|NOFRAME, $0
	PUSHQ	BX
	PUSHQ	AX
	PUSHQ	CX
	PUSHQ	DX
	PUSHQ	SI
	PUSHQ	DI
	PUSHQ	R8
	PUSHQ	R9
	PUSHQ	R10
	PUSHQ	R11
	MOVQ	88(SP), DI // GOT[1]
	MOVQ	96(SP), SI // index
	MOVQ	104(SP), CX // where the call came from, for messages
	SAVEVECTOR
	MOVQ	CX, DX
	MOVQ	·lazyRecord(SB), R11
	CALL	·upcall(SB)
	MOVQ	AX, CX
	RESTOREVECTOR
	MOVQ	CX, 96(SP)
	POPQ	R11
	POPQ	R10
	POPQ	R9
	POPQ	R8
	POPQ	DI
	POPQ	SI
	POPQ	DX
	POPQ	CX
	POPQ	AX
	POPQ	BX
	RET

// tlsGetAddr is __tls_get_addr for code that weld loaded (psABI; DI = *{module, offset}). Modules of weld have bit
// 63 set; the others are the C library's.
TEXT ·tlsGetAddr(SB), NOSPLIT|NOFRAME, $0
	MOVQ	0(DI), CX
	BTRQ	$63, CX
	JCC	system
	MOVQ	0(FS), AX
	WORDS(AX, DX)
	MOVQ	·dtvSlot(SB), DX
	MOVQ	(AX)(DX*1), DX
	TESTQ	DX, DX
	JEQ	slow
	CMPQ	CX, 0(DX) // capacity
	JCC	slow
	MOVQ	8(DX)(CX*8), AX
	TESTQ	AX, AX
	JEQ	slow
	ADDQ	8(DI), AX
	RET
slow:
	PUSHQ	AX // three words, which align the stack
	PUSHQ	AX
	PUSHQ	AX
	MOVQ	·tlsRecord(SB), R11
	CALL	·upcall(SB) // DX: what the value of weld's key is to be, which only this thread can set; 0: it has one
	TESTQ	DX, DX
	JEQ	noted
	MOVQ	AX, 0(SP)
	MOVQ	DX, SI
	MOVQ	·threadKey(SB), DI
	MOVQ	·threadSetSpecific(SB), AX
	CALL	AX
	MOVQ	0(SP), AX
noted:
	POPQ	CX
	POPQ	CX
	POPQ	CX
	RET
system:
	MOVQ	·systemTLSGetAddr(SB), AX
	JMP	AX

// tlsdescStatic resolves a descriptor whose variable has a fixed distance to the thread pointer (AX = descriptor).
// TLS descriptors keep every register but AX.
TEXT ·tlsdescStatic(SB), NOSPLIT|NOFRAME, $0
	MOVQ	8(AX), AX
	RET

// tlsdescDynamic resolves a descriptor by module and offset: its second word points to such a pair.
TEXT ·tlsdescDynamic(SB), NOSPLIT|NOFRAME, $0
	SUBQ	$72, SP
	MOVQ	DI, 64(SP)
	MOVQ	DX, 56(SP)
	MOVQ	CX, 48(SP)
	MOVQ	8(AX), DI
	MOVQ	0(DI), CX
	BTRQ	$63, CX
	JCC	slow
	MOVQ	0(FS), AX
	WORDS(AX, DX)
	MOVQ	·dtvSlot(SB), DX
	MOVQ	(AX)(DX*1), DX
	TESTQ	DX, DX
	JEQ	slow
	CMPQ	CX, 0(DX)
	JCC	slow
	MOVQ	8(DX)(CX*8), AX
	TESTQ	AX, AX
	JEQ	slow
	ADDQ	8(DI), AX
	JMP	found
slow:
	MOVQ	BX, 40(SP)
	MOVQ	SI, 32(SP)
	MOVQ	R8, 24(SP)
	MOVQ	R9, 16(SP)
	MOVQ	R10, 8(SP)
	MOVQ	R11, 0(SP)
	SAVEVECTOR
	CALL	·tlsGetAddr(SB)
	MOVQ	AX, CX
	RESTOREVECTOR
	MOVQ	CX, AX
	MOVQ	40(SP), BX
	MOVQ	32(SP), SI
	MOVQ	24(SP), R8
	MOVQ	16(SP), R9
	MOVQ	8(SP), R10
	MOVQ	0(SP), R11
found:
	SUBQ	0(FS), AX
	MOVQ	64(SP), DI
	MOVQ	56(SP), DX
	MOVQ	48(SP), CX
	ADDQ	$72, SP
	RET
