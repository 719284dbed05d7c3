#include "textflag.h"
#include "funcdata.h"
#include "gate_amd64.h"

// Entries of Go func values that stand for native functions. Such a value points to a desc whose first word is one
// of these entries; the caller is compiled Go, so arguments come in the registers of ABIInternal, the desc in DX, g in
// R14 and zero in X15 (cmd/compile/abi-internal.md). None of them may be preempted before the pointers among the
// arguments stand where the garbage collector sees them; assembly never is.
//
// A direct entry serves signatures whose C registers are the Go registers in order: at most six words, eight floats,
// one result. Its number is that of the pointers among the words: they are spilled into the caller's spill area,
// which the entry's Go declaration types as pointers, so that they are alive during the call. While the thread is one
// that the kernel thread wears, there is nothing to do but to swap registers and stacks.

// The frame of a direct entry.
#define F_int    0
#define F_float  48
#define F_thread 112
#define F_fn     120
#define F_desc   128
#define F_flags  136
#define F_ret    144
#define F_fret   152
// in all 160 bytes

#define SPILL \
	MOVQ	AX, (F_int+0)(SP) \
	MOVQ	BX, (F_int+8)(SP) \
	MOVQ	CX, (F_int+16)(SP) \
	MOVQ	DI, (F_int+24)(SP) \
	MOVQ	SI, (F_int+32)(SP) \
	MOVQ	R8, (F_int+40)(SP)

#define SPILLALL \
	SPILL \
	MOVSD	X0, (F_float+0)(SP) \
	MOVSD	X1, (F_float+8)(SP) \
	MOVSD	X2, (F_float+16)(SP) \
	MOVSD	X3, (F_float+24)(SP) \
	MOVSD	X4, (F_float+32)(SP) \
	MOVSD	X5, (F_float+40)(SP) \
	MOVSD	X6, (F_float+48)(SP) \
	MOVSD	X7, (F_float+56)(SP)

// LOADINT and LOADALL load the C argument registers. AX is an upper bound of the vector registers in use.
#define LOADINT \
	MOVQ	(F_int+0)(SP), DI \
	MOVQ	(F_int+8)(SP), SI \
	MOVQ	(F_int+16)(SP), DX \
	MOVQ	(F_int+24)(SP), CX \
	MOVQ	(F_int+32)(SP), R8 \
	MOVQ	(F_int+40)(SP), R9 \
	XORL	AX, AX

#define LOADALL \
	LOADINT \
	MOVSD	(F_float+0)(SP), X0 \
	MOVSD	(F_float+8)(SP), X1 \
	MOVSD	(F_float+16)(SP), X2 \
	MOVSD	(F_float+24)(SP), X3 \
	MOVSD	(F_float+32)(SP), X4 \
	MOVSD	(F_float+40)(SP), X5 \
	MOVSD	(F_float+48)(SP), X6 \
	MOVSD	(F_float+56)(SP), X7 \
	MOVL	$8, AX

// SHUFFLE moves Go's argument registers to those of C; the floats are the same.
#define SHUFFLE \
	MOVQ	R8, R9 \
	MOVQ	SI, R8 \
	MOVQ	CX, DX \
	MOVQ	DI, CX \
	MOVQ	BX, SI \
	MOVQ	AX, DI \
	MOVL	$8, AX

#define KEEP(i) \
	MOVQ	(D_ptr+8*i)(DX), R12 \
	MOVQ	F_int(SP)(R12*1), R12 \
	MOVQ	R12, p+(8*i)(FP)

#define KEEP0
#define KEEP1 KEEP(0)
#define KEEP2 KEEP1 \
	KEEP(1)
#define KEEP3 KEEP2 \
	KEEP(2)
#define KEEP4 KEEP3 \
	KEEP(3)
#define KEEP5 KEEP4 \
	KEEP(4)
#define KEEP6 KEEP5 \
	KEEP(5)

// FIND puts the native thread that the kernel thread wears in R12, or goes to slow if there is none that the goroutine
// may use: it wears none, one made before there was a C library, or the goroutine is in a callback.
#define FIND \
	CMPL	·nested(SB), $0 \
	JEQ	find \
	CALL	·inCallback(SB) \
	JNE	slow \
find: \
	CMPQ	0(FS), $0 \
	JEQ	slow \
	MOVQ	threadSlotFixed(FS), R12 \
	MOVQ	T_era(R12), R10 \
	CMPQ	R10, ·era(SB) \
	JNE	slow

// ENTERS reads where the call goes, once it can be seen that it is on its way there.
#define ENTERS \
	MOVL	$1, T_enters(R12) \
	MOVQ	D_fn(DX), R11

// LEAF is the body of an entry that does not tell the scheduler. The arguments are not looked at before an upcall.
#define LEAF(keep) \
	SPILL \
	MOVQ	DX, F_desc(SP) \
	FIND \
	ENTERS \
	MOVQ	T_sp(R12), R10 \
	SHUFFLE \
	CALL	·enter(SB) \
	GOREGS \
	TESTL	R13, R13 \
	JNE	upcall \
	RET \
upcall: \
	MOVQ	R12, AX \
	MOVQ	F_desc(SP), DX \
	keep \
	MOVQ	AX, R12 \
	MOVL	$leafCall, R10 \
	CALL	·finishCall(SB) \
	RET \
slow: \
	keep \
	CALL	·acquireRegs(SB) \
	MOVQ	T_sp(R12), R10 \
	SHUFFLE \
	CALL	·enterSwitch(SB) \
	MOVL	$(leafCall|heldCall), R10 \
	CALL	·finishCall(SB) \
	RET

// CALLBODY is the body of an entry that does.
#define CALLBODY(spill, load, keep) \
	spill \
	keep \
	FIND \
	ENTERS \
	MOVQ	R11, F_fn(SP) \
	MOVQ	R12, F_thread(SP) \
	ENTERSYSCALL \
	MOVQ	F_thread(SP), R12 \
	MOVQ	F_fn(SP), R11 \
	MOVQ	T_sp(R12), R10 \
	load \
	CALL	·enter(SB) \
	GOREGS \
	TESTL	R13, R13 \
	JNE	upcall \
	MOVQ	AX, F_ret(SP) \
	MOVSD	X0, F_fret(SP) \
	EXITSYSCALL \
	MOVQ	F_ret(SP), AX \
	MOVSD	F_fret(SP), X0 \
	RET \
upcall: \
	XORL	R10, R10 \
	CALL	·finishCall(SB) \
	RET \
slow: \
	CALL	·acquireRegs(SB) \
	MOVQ	R11, F_fn(SP) \
	MOVQ	R12, F_thread(SP) \
	ENTERSYSCALL \
	MOVQ	F_thread(SP), R12 \
	MOVQ	F_fn(SP), R11 \
	MOVQ	T_sp(R12), R10 \
	load \
	CALL	·enterSwitch(SB) \
	MOVL	$heldCall, R10 \
	CALL	·finishCall(SB) \
	RET

// ERRNO is the body of an entry with an errno result, for either kind.
#define ERRNO(keep) \
	SPILLALL \
	MOVQ	D_flags(DX), R11 \
	MOVQ	R11, F_flags(SP) \
	keep \
	FIND \
	ENTERS \
	JMP	found \
slow: \
	CALL	·acquireRegs(SB) \
	ORQ	$heldCall, F_flags(SP) \
found: \
	MOVQ	R11, F_fn(SP) \
	MOVQ	R12, F_thread(SP) \
	MOVQ	T_errno(R12), R10 \
	MOVL	$0, (R10) \
	TESTQ	$leafCall, F_flags(SP) \
	JNE	call \
	ENTERSYSCALL \
call: \
	MOVQ	F_thread(SP), R12 \
	MOVQ	F_fn(SP), R11 \
	MOVQ	T_sp(R12), R10 \
	LOADALL \
	CALL	·enterSwitch(SB) \
	MOVQ	F_flags(SP), R10 \
	CALL	·finishCall(SB) \
	RET

TEXT ·leaf0(SB), NOSPLIT, $160-0
	NO_LOCAL_POINTERS
	LEAF(KEEP0)

TEXT ·leaf1(SB), NOSPLIT, $160-8
	GO_ARGS
	NO_LOCAL_POINTERS
	LEAF(KEEP1)

TEXT ·leaf2(SB), NOSPLIT, $160-16
	GO_ARGS
	NO_LOCAL_POINTERS
	LEAF(KEEP2)

TEXT ·leaf3(SB), NOSPLIT, $160-24
	GO_ARGS
	NO_LOCAL_POINTERS
	LEAF(KEEP3)

TEXT ·leaf4(SB), NOSPLIT, $160-32
	GO_ARGS
	NO_LOCAL_POINTERS
	LEAF(KEEP4)

TEXT ·leaf5(SB), NOSPLIT, $160-40
	GO_ARGS
	NO_LOCAL_POINTERS
	LEAF(KEEP5)

TEXT ·leaf6(SB), NOSPLIT, $160-48
	GO_ARGS
	NO_LOCAL_POINTERS
	LEAF(KEEP6)

TEXT ·int0(SB), NOSPLIT, $160-0
	NO_LOCAL_POINTERS
	CALLBODY(SPILL, LOADINT, KEEP0)

TEXT ·int1(SB), NOSPLIT, $160-8
	GO_ARGS
	NO_LOCAL_POINTERS
	CALLBODY(SPILL, LOADINT, KEEP1)

TEXT ·int2(SB), NOSPLIT, $160-16
	GO_ARGS
	NO_LOCAL_POINTERS
	CALLBODY(SPILL, LOADINT, KEEP2)

TEXT ·int3(SB), NOSPLIT, $160-24
	GO_ARGS
	NO_LOCAL_POINTERS
	CALLBODY(SPILL, LOADINT, KEEP3)

TEXT ·int4(SB), NOSPLIT, $160-32
	GO_ARGS
	NO_LOCAL_POINTERS
	CALLBODY(SPILL, LOADINT, KEEP4)

TEXT ·int5(SB), NOSPLIT, $160-40
	GO_ARGS
	NO_LOCAL_POINTERS
	CALLBODY(SPILL, LOADINT, KEEP5)

TEXT ·int6(SB), NOSPLIT, $160-48
	GO_ARGS
	NO_LOCAL_POINTERS
	CALLBODY(SPILL, LOADINT, KEEP6)

TEXT ·float0(SB), NOSPLIT, $160-0
	NO_LOCAL_POINTERS
	CALLBODY(SPILLALL, LOADALL, KEEP0)

TEXT ·float1(SB), NOSPLIT, $160-8
	GO_ARGS
	NO_LOCAL_POINTERS
	CALLBODY(SPILLALL, LOADALL, KEEP1)

TEXT ·float2(SB), NOSPLIT, $160-16
	GO_ARGS
	NO_LOCAL_POINTERS
	CALLBODY(SPILLALL, LOADALL, KEEP2)

TEXT ·float3(SB), NOSPLIT, $160-24
	GO_ARGS
	NO_LOCAL_POINTERS
	CALLBODY(SPILLALL, LOADALL, KEEP3)

TEXT ·float4(SB), NOSPLIT, $160-32
	GO_ARGS
	NO_LOCAL_POINTERS
	CALLBODY(SPILLALL, LOADALL, KEEP4)

TEXT ·float5(SB), NOSPLIT, $160-40
	GO_ARGS
	NO_LOCAL_POINTERS
	CALLBODY(SPILLALL, LOADALL, KEEP5)

TEXT ·float6(SB), NOSPLIT, $160-48
	GO_ARGS
	NO_LOCAL_POINTERS
	CALLBODY(SPILLALL, LOADALL, KEEP6)

TEXT ·errno0(SB), NOSPLIT, $160-0
	NO_LOCAL_POINTERS
	ERRNO(KEEP0)

TEXT ·errno1(SB), NOSPLIT, $160-8
	GO_ARGS
	NO_LOCAL_POINTERS
	ERRNO(KEEP1)

TEXT ·errno2(SB), NOSPLIT, $160-16
	GO_ARGS
	NO_LOCAL_POINTERS
	ERRNO(KEEP2)

TEXT ·errno3(SB), NOSPLIT, $160-24
	GO_ARGS
	NO_LOCAL_POINTERS
	ERRNO(KEEP3)

TEXT ·errno4(SB), NOSPLIT, $160-32
	GO_ARGS
	NO_LOCAL_POINTERS
	ERRNO(KEEP4)

TEXT ·errno5(SB), NOSPLIT, $160-40
	GO_ARGS
	NO_LOCAL_POINTERS
	ERRNO(KEEP5)

TEXT ·errno6(SB), NOSPLIT, $160-48
	GO_ARGS
	NO_LOCAL_POINTERS
	ERRNO(KEEP6)

// func entries(p *[30]uintptr)
TEXT ·entries(SB), NOSPLIT, $0-8
	MOVQ	p+0(FP), DI
	LEAQ	·leaf0(SB), AX
	MOVQ	AX, 0(DI)
	LEAQ	·leaf1(SB), AX
	MOVQ	AX, 8(DI)
	LEAQ	·leaf2(SB), AX
	MOVQ	AX, 16(DI)
	LEAQ	·leaf3(SB), AX
	MOVQ	AX, 24(DI)
	LEAQ	·leaf4(SB), AX
	MOVQ	AX, 32(DI)
	LEAQ	·leaf5(SB), AX
	MOVQ	AX, 40(DI)
	LEAQ	·leaf6(SB), AX
	MOVQ	AX, 48(DI)
	LEAQ	·int0(SB), AX
	MOVQ	AX, 56(DI)
	LEAQ	·int1(SB), AX
	MOVQ	AX, 64(DI)
	LEAQ	·int2(SB), AX
	MOVQ	AX, 72(DI)
	LEAQ	·int3(SB), AX
	MOVQ	AX, 80(DI)
	LEAQ	·int4(SB), AX
	MOVQ	AX, 88(DI)
	LEAQ	·int5(SB), AX
	MOVQ	AX, 96(DI)
	LEAQ	·int6(SB), AX
	MOVQ	AX, 104(DI)
	LEAQ	·float0(SB), AX
	MOVQ	AX, 112(DI)
	LEAQ	·float1(SB), AX
	MOVQ	AX, 120(DI)
	LEAQ	·float2(SB), AX
	MOVQ	AX, 128(DI)
	LEAQ	·float3(SB), AX
	MOVQ	AX, 136(DI)
	LEAQ	·float4(SB), AX
	MOVQ	AX, 144(DI)
	LEAQ	·float5(SB), AX
	MOVQ	AX, 152(DI)
	LEAQ	·float6(SB), AX
	MOVQ	AX, 160(DI)
	LEAQ	·errno0(SB), AX
	MOVQ	AX, 168(DI)
	LEAQ	·errno1(SB), AX
	MOVQ	AX, 176(DI)
	LEAQ	·errno2(SB), AX
	MOVQ	AX, 184(DI)
	LEAQ	·errno3(SB), AX
	MOVQ	AX, 192(DI)
	LEAQ	·errno4(SB), AX
	MOVQ	AX, 200(DI)
	LEAQ	·errno5(SB), AX
	MOVQ	AX, 208(DI)
	LEAQ	·errno6(SB), AX
	MOVQ	AX, 216(DI)
	LEAQ	·generalFew(SB), AX
	MOVQ	AX, 224(DI)
	LEAQ	·generalMany(SB), AX
	MOVQ	AX, 232(DI)
	RET
