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

// GOREGS puts back what compiled Go expects in registers.
#define GOREGS \
	MOVQ	(TLS), R14 \
	XORPS	X15, X15

#define ENTERSYSCALL \
	MOVQ	·entersyscallPC(SB), R11 \
	CALL	R11

#define EXITSYSCALL \
	MOVQ	·exitsyscallPC(SB), R11 \
	CALL	R11

// LEAF is the body of an entry that does not tell the scheduler. The arguments are not looked at before an upcall.
#define LEAF(keep) \
	SPILL \
	MOVQ	DX, F_desc(SP) \
	MOVQ	D_fn(DX), R11 \
	FIND \
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
	MOVL	$(leafCall|ownedCall), R10 \
	CALL	·finishCall(SB) \
	RET

// CALLBODY is the body of an entry that does.
#define CALLBODY(spill, load, keep) \
	spill \
	MOVQ	D_fn(DX), R11 \
	MOVQ	R11, F_fn(SP) \
	keep \
	FIND \
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
	MOVQ	R12, F_thread(SP) \
	ENTERSYSCALL \
	MOVQ	F_thread(SP), R12 \
	MOVQ	F_fn(SP), R11 \
	MOVQ	T_sp(R12), R10 \
	load \
	CALL	·enterSwitch(SB) \
	MOVL	$ownedCall, R10 \
	CALL	·finishCall(SB) \
	RET

// ERRNO is the body of an entry with an errno result, for either kind.
#define ERRNO(keep) \
	SPILLALL \
	MOVQ	D_fn(DX), R11 \
	MOVQ	R11, F_fn(SP) \
	MOVQ	D_flags(DX), R11 \
	MOVQ	R11, F_flags(SP) \
	keep \
	FIND \
	JMP	found \
slow: \
	CALL	·acquireRegs(SB) \
	ORQ	$ownedCall, F_flags(SP) \
found: \
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

// inCallback tells by the zero flag, clear if so, whether the goroutine may be in a callback (see nestTable) or the
// fast paths are not for this process. It keeps all registers but R10, R12 and R13.
TEXT ·inCallback(SB), NOSPLIT|NOFRAME, $0
	CMPB	·hostTCB(SB), $0
	JNE	yes
	MOVQ	$nestMultiplier, R12
	IMULQ	R14, R12
	SHRQ	$nestShift, R12
	LEAQ	(R12)(R12*2), R12 // slots of three words
	LEAQ	·nests(SB), R13
	LEAQ	(R13)(R12*8), R12
	MOVQ	N_g(R12), R10
	ORQ	N_more(R12), R10
yes:
	RET

// acquireRegs gets a thread for a direct entry from acquire and returns it in R12. It keeps the registers that carry
// Go arguments, and R11.
TEXT ·acquireRegs(SB), NOSPLIT, $128-0
	NO_LOCAL_POINTERS
	MOVQ	AX, 8(SP)
	MOVQ	BX, 16(SP)
	MOVQ	CX, 24(SP)
	MOVQ	DI, 32(SP)
	MOVQ	SI, 40(SP)
	MOVQ	R8, 48(SP)
	MOVQ	R11, 56(SP)
	MOVSD	X0, 64(SP)
	MOVSD	X1, 72(SP)
	MOVSD	X2, 80(SP)
	MOVSD	X3, 88(SP)
	MOVSD	X4, 96(SP)
	MOVSD	X5, 104(SP)
	MOVSD	X6, 112(SP)
	MOVSD	X7, 120(SP)
	CALL	·acquire(SB)
	MOVQ	0(SP), R12
	MOVQ	8(SP), AX
	MOVQ	16(SP), BX
	MOVQ	24(SP), CX
	MOVQ	32(SP), DI
	MOVQ	40(SP), SI
	MOVQ	48(SP), R8
	MOVQ	56(SP), R11
	MOVSD	64(SP), X0
	MOVSD	72(SP), X1
	MOVSD	80(SP), X2
	MOVSD	88(SP), X3
	MOVSD	96(SP), X4
	MOVSD	104(SP), X5
	MOVSD	112(SP), X6
	MOVSD	120(SP), X7
	RET

// The frame of finishCall; the first words are for what it calls.
#define L_thread 32
#define L_flags  40
#define L_base   48
#define L_back   56
#define L_ret    64
#define L_fret   72
#define L_errno  80
#define L_mFS    88
// in all 96 bytes

// finishCall ends a direct call whose entry does not do so by itself: it serves upcalls, reads errno, and gives a
// thread back that was acquired. It is called where enter came back on thread R12 with the reason R13 and the flags
// R10, and returns what the entry returns.
TEXT ·finishCall(SB), NOSPLIT, $96-0
	NO_LOCAL_POINTERS
	MOVQ	R12, L_thread(SP)
	MOVQ	R10, L_flags(SP)
	MOVQ	T_sp(R12), R10
	MOVQ	R10, L_base(SP)
	CALL	·here(SB) // puts the address of what follows in L_back
	GOREGS
	TESTL	R13, R13
	JEQ	done
	TESTQ	$leafCall, L_flags(SP)
	JNE	serve
	EXITSYSCALL
serve:
	MOVQ	L_thread(SP), AX
	MOVQ	L_base(SP), BX
	MOVQ	L_flags(SP), CX
	MOVQ	·servePC(SB), R11
	CALL	R11
	MOVQ	AX, L_flags(SP)
	TESTQ	$leafCall, AX
	JNE	again
	ENTERSYSCALL
again:
	MOVQ	L_thread(SP), R12
	PUSHQ	L_back(SP)
	JMP	·enterAgain(SB)
	ADJSP	$-8
done:
	MOVQ	AX, L_ret(SP)
	MOVSD	X0, L_fret(SP)
	MOVQ	T_mFS(R12), CX // after exitsyscall another goroutine may use the thread
	MOVQ	CX, L_mFS(SP)
	TESTQ	$(errnoAX|errnoBX), L_flags(SP)
	JEQ	running
	MOVQ	T_errno(R12), CX
	MOVL	(CX), CX
	MOVQ	CX, L_errno(SP)
running:
	TESTQ	$leafCall, L_flags(SP)
	JNE	release
	EXITSYSCALL
release:
	TESTQ	$(ownedCall|enteredCall), L_flags(SP)
	JEQ	results
	MOVQ	L_thread(SP), AX
	MOVQ	AX, 0(SP)
	MOVQ	L_mFS(SP), AX
	MOVQ	AX, 8(SP)
	MOVQ	L_flags(SP), AX
	MOVQ	AX, 16(SP)
	CALL	·finish(SB)
results:
	GOREGS
	MOVQ	L_ret(SP), AX
	MOVSD	L_fret(SP), X0
	TESTQ	$(errnoAX|errnoBX), L_flags(SP)
	JEQ	end
	MOVQ	L_errno(SP), BX
	TESTQ	$errnoBX, L_flags(SP)
	JNE	end
	MOVQ	BX, AX
end:
	RET
	CALL	runtime·entersyscall(SB) // never: has the linker check the stack that the calls above need
	CALL	runtime·exitsyscall(SB)
	RET

// here stores its return address for finishCall. Native code comes back there.
TEXT ·here(SB), NOSPLIT|NOFRAME, $0
	MOVQ	0(SP), R10
	MOVQ	R10, (8+L_back)(SP)
	RET

// The general entry serves every other signature: it spills all registers and leaves the rest to Go. It comes in two
// sizes, by the number of pointers to keep alive: the words that desc.keep names are copied to the typed part of
// callGeneral's arguments, which are (desc, *GoFrame, stack, keep) and the result text.
#define G_keep 24
#define GENERAL(words, callGeneral) \
	MOVQ	AX, (G_keep+8*words+8+0)(SP) \
	MOVQ	BX, (G_keep+8*words+8+8)(SP) \
	MOVQ	CX, (G_keep+8*words+8+16)(SP) \
	MOVQ	DI, (G_keep+8*words+8+24)(SP) \
	MOVQ	SI, (G_keep+8*words+8+32)(SP) \
	MOVQ	R8, (G_keep+8*words+8+40)(SP) \
	MOVQ	R9, (G_keep+8*words+8+48)(SP) \
	MOVQ	R10, (G_keep+8*words+8+56)(SP) \
	MOVQ	R11, (G_keep+8*words+8+64)(SP) \
	MOVSD	X0, (G_keep+8*words+8+72)(SP) \
	MOVSD	X1, (G_keep+8*words+8+80)(SP) \
	MOVSD	X2, (G_keep+8*words+8+88)(SP) \
	MOVSD	X3, (G_keep+8*words+8+96)(SP) \
	MOVSD	X4, (G_keep+8*words+8+104)(SP) \
	MOVSD	X5, (G_keep+8*words+8+112)(SP) \
	MOVSD	X6, (G_keep+8*words+8+120)(SP) \
	MOVSD	X7, (G_keep+8*words+8+128)(SP) \
	MOVSD	X8, (G_keep+8*words+8+136)(SP) \
	MOVSD	X9, (G_keep+8*words+8+144)(SP) \
	MOVSD	X10, (G_keep+8*words+8+152)(SP) \
	MOVSD	X11, (G_keep+8*words+8+160)(SP) \
	MOVSD	X12, (G_keep+8*words+8+168)(SP) \
	MOVSD	X13, (G_keep+8*words+8+176)(SP) \
	MOVSD	X14, (G_keep+8*words+8+184)(SP) \
	LEAQ	stack+0(FP), R12 \
	MOVQ	DX, 0(SP) \
	LEAQ	(G_keep+8*words+8)(SP), AX \
	MOVQ	AX, 8(SP) \
	MOVQ	R12, 16(SP) \
	LEAQ	G_keep(SP), DI \
	XORL	CX, CX \
	JMP	test \
next: \
	MOVQ	D_keep(DX)(CX*8), R13 \
	TESTQ	R13, R13 \
	JLT	fromstack \
	MOVQ	(-8)(AX)(R13*1), R8 \
	JMP	put \
fromstack: \
	NEGQ	R13 \
	MOVQ	(-8)(R12)(R13*1), R8 \
put: \
	MOVQ	R8, (DI)(CX*8) \
	INCQ	CX \
test: \
	CMPQ	CX, D_nkeep(DX) \
	JLT	next \
	JMP	filled \
fill: \
	MOVQ	$0, (DI)(CX*8) \
	INCQ	CX \
filled: \
	CMPQ	CX, $words \
	JLT	fill \
	CALL	callGeneral(SB) \
	MOVQ	(G_keep+8*words+8+0)(SP), AX \
	MOVQ	(G_keep+8*words)(SP), R12 \
	TESTQ	R12, R12 \
	CMOVQNE	R12, AX \
	MOVQ	(G_keep+8*words+8+8)(SP), BX \
	MOVQ	(G_keep+8*words+8+16)(SP), CX \
	MOVQ	(G_keep+8*words+8+24)(SP), DI \
	MOVQ	(G_keep+8*words+8+32)(SP), SI \
	MOVQ	(G_keep+8*words+8+40)(SP), R8 \
	MOVQ	(G_keep+8*words+8+48)(SP), R9 \
	MOVQ	(G_keep+8*words+8+56)(SP), R10 \
	MOVQ	(G_keep+8*words+8+64)(SP), R11 \
	MOVSD	(G_keep+8*words+8+72)(SP), X0 \
	MOVSD	(G_keep+8*words+8+80)(SP), X1 \
	MOVSD	(G_keep+8*words+8+88)(SP), X2 \
	MOVSD	(G_keep+8*words+8+96)(SP), X3 \
	MOVSD	(G_keep+8*words+8+104)(SP), X4 \
	MOVSD	(G_keep+8*words+8+112)(SP), X5 \
	MOVSD	(G_keep+8*words+8+120)(SP), X6 \
	MOVSD	(G_keep+8*words+8+128)(SP), X7 \
	MOVSD	(G_keep+8*words+8+136)(SP), X8 \
	MOVSD	(G_keep+8*words+8+144)(SP), X9 \
	MOVSD	(G_keep+8*words+8+152)(SP), X10 \
	MOVSD	(G_keep+8*words+8+160)(SP), X11 \
	MOVSD	(G_keep+8*words+8+168)(SP), X12 \
	MOVSD	(G_keep+8*words+8+176)(SP), X13 \
	MOVSD	(G_keep+8*words+8+184)(SP), X14 \
	RET

TEXT ·generalFew(SB), NOSPLIT, $264-8
	NO_LOCAL_POINTERS
	GENERAL(4, ·callGeneralFew)

TEXT ·generalMany(SB), NOSPLIT, $424-8
	NO_LOCAL_POINTERS
	GENERAL(24, ·callGeneralMany)

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
