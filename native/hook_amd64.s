#include "textflag.h"
#include "gate_amd64.h"
#include "vector_amd64.h"

// What stands in for a function without Go (hook.go): the code that a thunk jumps to, with its record in R11. Each
// leaves every argument where it is, those of variadic functions included, and is safe in signal handlers, in threads of
// whatever origin and in children of fork.

// hookPass goes on to the function.
TEXT ·hookPass(SB), NOSPLIT|NOFRAME, $0
	MOVQ	R_orphan(R11), R11
	JMP	R11

// hookCount counts the call.
TEXT ·hookCount(SB), NOSPLIT|NOFRAME, $0
	LOCK
	INCQ	R_data(R11)
	MOVQ	R_orphan(R11), R11
	JMP	R11

// hookFail counts the call in a failure that several hooks may share, and returns the failure's result with its errno
// if it is one of those that are to fail.
TEXT ·hookFail(SB), NOSPLIT|NOFRAME, $0
	SUBQ	$16, SP
	MOVQ	AX, 8(SP)
	MOVQ	R11, 0(SP)
	MOVQ	R_data(R11), R11
	MOVQ	$1, AX
	LOCK
	XADDQ	AX, F_calls(R11)
	CMPQ	AX, F_from(R11)
	JCS	pass
	CMPQ	AX, F_to(R11)
	JHI	pass
	MOVQ	R11, 8(SP) // AX is of no use any more
	CMPL	F_errno(R11), $0
	JEQ	result
	SUBQ	$8, SP // psABI 3.2.2
	MOVQ	F_location(R11), AX
	CALL	AX
	MOVQ	16(SP), R11
	MOVL	F_errno(R11), CX
	MOVL	CX, (AX)
	ADDQ	$8, SP
result:
	MOVQ	F_result(R11), AX
	ADDQ	$16, SP
	RET
pass:
	MOVQ	0(SP), R11
	MOVQ	8(SP), AX
	ADDQ	$16, SP
	MOVQ	R_orphan(R11), R11
	JMP	R11

// hookNext is the function behind an interposition (Interposer.Next): behind the hook of it that this thread is in,
// else the first.
TEXT ·hookNext(SB), NOSPLIT|NOFRAME, $0
	PUSHQ	AX
	PUSHQ	CX
	MOVQ	0(FS), AX
	WORDS(AX, CX)
	MOVQ	·hookSlot(SB), CX
	MOVQ	(AX)(CX*1), AX
	TESTQ	AX, AX
	JEQ	first
	MOVQ	R_data(AX), CX
	CMPQ	CX, R_data(R11)
	JNE	first
	MOVQ	AX, R11
first:
	POPQ	CX
	POPQ	AX
	MOVQ	R_orphan(R11), R11
	JMP	R11

// The frame of hookTrace below BP: a CallFrame.
#define H_size	208

// hookTrace tells Go of the call, makes it with a copy of the arguments in memory, and tells Go of the result. Where Go
// answers 0 to the first, or is not there, it goes on to the function instead, as the others do.
TEXT ·hookTrace(SB), NOSPLIT|NOFRAME, $0
	SUBQ	$8, SP
	MOVQ	BP, 0(SP)
	MOVQ	SP, BP
	SUBQ	$H_size, SP
	MOVQ	DI, (C_Int+0)(SP)
	MOVQ	SI, (C_Int+8)(SP)
	MOVQ	DX, (C_Int+16)(SP)
	MOVQ	CX, (C_Int+24)(SP)
	MOVQ	R8, (C_Int+32)(SP)
	MOVQ	R9, (C_Int+40)(SP)
	MOVSD	X0, (C_Float+0)(SP)
	MOVSD	X1, (C_Float+8)(SP)
	MOVSD	X2, (C_Float+16)(SP)
	MOVSD	X3, (C_Float+24)(SP)
	MOVSD	X4, (C_Float+32)(SP)
	MOVSD	X5, (C_Float+40)(SP)
	MOVSD	X6, (C_Float+48)(SP)
	MOVSD	X7, (C_Float+56)(SP)
	MOVQ	AX, C_NFloat(SP)
	LEAQ	16(BP), AX
	MOVQ	AX, C_Stack(SP)
	MOVQ	BX, H_bx(SP)
	MOVQ	R10, H_r10(SP)
	MOVQ	R11, H_record(SP)
	SAVEVECTOR
	MOVQ	BX, DI
	MOVQ	·traceEnter(SB), R11
	CALL	·upcall(SB)
	MOVQ	AX, CX
	RESTOREVECTOR
	MOVQ	SP, R11
	TESTQ	CX, CX
	JEQ	registers
	SHRQ	$1, CX // words in memory
	LEAQ	1(CX), AX
	ANDQ	$~1, AX
	SHLQ	$3, AX
	SUBQ	AX, SP
	LEAQ	16(BP), SI
	MOVQ	SP, DI
	CLD
	REP; MOVSQ
	MOVQ	$1, CX
registers:
	MOVQ	CX, BX
	MOVQ	(C_Int+0)(R11), DI
	MOVQ	(C_Int+8)(R11), SI
	MOVQ	(C_Int+16)(R11), DX
	MOVQ	(C_Int+24)(R11), CX
	MOVQ	(C_Int+32)(R11), R8
	MOVQ	(C_Int+40)(R11), R9
	MOVQ	C_NFloat(R11), AX
	MOVQ	H_r10(R11), R10
	TESTQ	BX, BX
	JNE	call
	MOVQ	H_bx(R11), BX
	MOVQ	H_record(R11), R11
	MOVQ	BP, SP
	MOVQ	0(SP), BP
	ADDQ	$8, SP
	MOVQ	R_orphan(R11), R11
	JMP	R11
call:
	MOVQ	H_record(R11), R11
	MOVQ	R_orphan(R11), R11
	CALL	R11
	LEAQ	-H_size(BP), SP
	MOVQ	AX, (C_Ret+0)(SP)
	MOVQ	DX, (C_Ret+8)(SP)
	MOVSD	X0, (C_FRet+0)(SP)
	MOVSD	X1, (C_FRet+8)(SP)
	SAVEVECTOR
	MOVQ	BX, DI
	MOVQ	·traceLeave(SB), R11
	CALL	·upcall(SB)
	RESTOREVECTOR
	MOVQ	(C_Ret+0)(SP), AX
	MOVQ	(C_Ret+8)(SP), DX
	MOVQ	H_bx(SP), BX
	MOVQ	BP, SP
	MOVQ	0(SP), BP
	ADDQ	$8, SP
	RET

// func hookEntries(p *[8]uintptr)
TEXT ·hookEntries(SB), NOSPLIT, $0-8
	MOVQ	p+0(FP), DI
	LEAQ	·hookPass(SB), AX
	MOVQ	AX, 0(DI)
	LEAQ	·hookCount(SB), AX
	MOVQ	AX, 8(DI)
	LEAQ	·hookFail(SB), AX
	MOVQ	AX, 16(DI)
	LEAQ	·hookNext(SB), AX
	MOVQ	AX, 24(DI)
	LEAQ	·hookTrace(SB), AX
	MOVQ	AX, 32(DI)
	RET
