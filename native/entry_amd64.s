#include "textflag.h"
#include "funcdata.h"
#include "gate_amd64.h"

// Entries of Go func values that stand for native functions. Such a value points to a desc whose first word is one
// of these entries; the caller is compiled Go, so arguments come in the registers of ABIInternal, the desc in DX
// (cmd/compile/abi-internal.md). None of them may be preempted before the pointers among the arguments stand where
// the garbage collector sees them; assembly never is.

// The frame of a direct entry: words that are passed on at 0-24, a CFrame, then locals.
#define F_frame   32
#define F_thread  (F_frame+C_size)
#define F_base    (F_frame+C_size+8)
#define F_fn      (F_frame+C_size+16)
#define F_errno   (F_frame+C_size+24) // which result register gets errno
#define F_leaf    (F_frame+C_size+32)
#define F_why     (F_frame+C_size+40)
#define F_ups     (F_frame+C_size+48) // 1 once there was an upcall
#define F_ret     (F_frame+C_size+56) // results, copied before another goroutine may use the thread
#define F_float   (F_frame+C_size+64)
#define F_err     (F_frame+C_size+72)
#define F_mFS     (F_frame+C_size+80) // 0: the thread is still this goroutine's
// in all 304 bytes

#define KEEP(i) \
	MOVQ	(D_ptr+8*i)(DX), R12 \
	MOVQ	F_frame(SP)(R12*1), R12 \
	MOVQ	R12, p+(8*i)(FP)

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

// A direct entry serves signatures whose C registers are the Go registers in order: at most six words, eight floats,
// one result. directN is for N pointers among the words: they are spilled into the caller's spill area, which the
// entry's Go declaration types as pointers, so that they are alive during the call.

#define SPILL \
	MOVQ	AX, (F_frame+C_Int+0)(SP) \
	MOVQ	BX, (F_frame+C_Int+8)(SP) \
	MOVQ	CX, (F_frame+C_Int+16)(SP) \
	MOVQ	DI, (F_frame+C_Int+24)(SP) \
	MOVQ	SI, (F_frame+C_Int+32)(SP) \
	MOVQ	R8, (F_frame+C_Int+40)(SP) \
	MOVSD	X0, (F_frame+C_Float+0)(SP) \
	MOVSD	X1, (F_frame+C_Float+8)(SP) \
	MOVSD	X2, (F_frame+C_Float+16)(SP) \
	MOVSD	X3, (F_frame+C_Float+24)(SP) \
	MOVSD	X4, (F_frame+C_Float+32)(SP) \
	MOVSD	X5, (F_frame+C_Float+40)(SP) \
	MOVSD	X6, (F_frame+C_Float+48)(SP) \
	MOVSD	X7, (F_frame+C_Float+56)(SP) \
	MOVQ	$8, (F_frame+C_NFloat)(SP) \
	MOVQ	$0, (F_frame+C_NStack)(SP)

#define BODY \
	MOVQ	D_fn(DX), AX \
	MOVQ	AX, F_fn(SP) \
	MOVQ	D_errno(DX), AX \
	MOVQ	AX, F_errno(SP) \
	MOVQ	D_leaf(DX), AX \
	MOVQ	AX, F_leaf(SP) \
	MOVQ	$0, F_ups(SP) \
find: \
	CMPL	·nested(SB), $0 \
	JNE	slow \
	MOVQ	0(FS), AX \
	TESTQ	AX, AX \
	JEQ	slow \
	MOVQ	·threadSlot(SB), CX \
	MOVQ	(AX)(CX*1), R12 \
	TESTQ	R12, R12 \
	JEQ	slow \
	MOVQ	T_era(R12), R11 \
	CMPQ	R11, ·era(SB) \
	JEQ	have \
slow: \
	CALL	·acquireForEntry(SB) \
	MOVQ	0(SP), R12 \
	TESTQ	R12, R12 \
	JEQ	find \
have: \
	MOVQ	R12, F_thread(SP) \
	MOVQ	T_sp(R12), AX \
	MOVQ	AX, F_base(SP) \
	CMPQ	F_errno(SP), $errnoNone \
	JEQ	noerrno \
	MOVQ	T_errno(R12), AX \
	MOVL	$0, (AX) \
noerrno: \
	CMPQ	F_leaf(SP), $0 \
	JNE	call \
	CALL	runtime·entersyscall(SB) \
call: \
	MOVQ	F_thread(SP), AX \
	MOVQ	AX, 0(SP) \
	LEAQ	F_frame(SP), AX \
	MOVQ	AX, 8(SP) \
	MOVQ	F_fn(SP), AX \
	MOVQ	AX, 16(SP) \
	CALL	·gate(SB) \
back: \
	MOVQ	F_thread(SP), R12 \
	MOVQ	T_why(R12), AX \
	MOVQ	AX, F_why(SP) \
	CMPQ	AX, $whyDone \
	JNE	gone \
	MOVQ	F_base(SP), AX \
	MOVQ	AX, T_sp(R12) \
	MOVQ	T_ret0(R12), AX \
	MOVQ	AX, F_ret(SP) \
	MOVSD	T_fret0(R12), X0 \
	MOVSD	X0, F_float(SP) \
	MOVQ	T_mFS(R12), AX \
	MOVQ	AX, F_mFS(SP) \
	CMPQ	F_errno(SP), $errnoNone \
	JEQ	gone \
	MOVQ	T_errno(R12), AX \
	MOVL	(AX), AX \
	MOVQ	AX, F_err(SP) \
gone: \
	CMPQ	F_leaf(SP), $0 \
	JNE	running \
	CALL	runtime·exitsyscall(SB) \
running: \
	CMPQ	F_why(SP), $whyDone \
	JEQ	done \
	MOVQ	F_thread(SP), AX \
	MOVQ	AX, 0(SP) \
	MOVQ	F_base(SP), AX \
	MOVQ	AX, 8(SP) \
	MOVQ	F_ups(SP), AX \
	MOVQ	AX, 16(SP) \
	MOVQ	$1, F_ups(SP) \
	CALL	·serve(SB) \
	CMPQ	F_leaf(SP), $0 \
	JNE	again \
	CALL	runtime·entersyscall(SB) \
again: \
	MOVQ	F_thread(SP), AX \
	MOVQ	AX, 0(SP) \
	CALL	·resume(SB) \
	JMP	back \
done: \
	CMPQ	F_mFS(SP), $0 \
	JEQ	release \
	CMPQ	F_ups(SP), $0 \
	JNE	release \
results: \
	MOVQ	F_ret(SP), AX \
	MOVSD	F_float(SP), X0 \
	CMPQ	F_errno(SP), $errnoNone \
	JEQ	end \
	MOVQ	F_err(SP), BX \
	CMPQ	F_errno(SP), $errnoBX \
	JEQ	end \
	MOVQ	BX, AX \
end: \
	RET \
release: \
	MOVQ	F_thread(SP), AX \
	MOVQ	AX, 0(SP) \
	MOVQ	F_mFS(SP), AX \
	MOVQ	AX, 8(SP) \
	MOVQ	F_ups(SP), AX \
	MOVQ	AX, 16(SP) \
	CALL	·releaseForEntry(SB) \
	JMP	results

TEXT ·direct0(SB), NOSPLIT, $304-0
	NO_LOCAL_POINTERS
	SPILL
	BODY

TEXT ·direct1(SB), NOSPLIT, $304-8
	GO_ARGS
	NO_LOCAL_POINTERS
	SPILL
	KEEP1
	BODY

TEXT ·direct2(SB), NOSPLIT, $304-16
	GO_ARGS
	NO_LOCAL_POINTERS
	SPILL
	KEEP2
	BODY

TEXT ·direct3(SB), NOSPLIT, $304-24
	GO_ARGS
	NO_LOCAL_POINTERS
	SPILL
	KEEP3
	BODY

TEXT ·direct4(SB), NOSPLIT, $304-32
	GO_ARGS
	NO_LOCAL_POINTERS
	SPILL
	KEEP4
	BODY

TEXT ·direct5(SB), NOSPLIT, $304-40
	GO_ARGS
	NO_LOCAL_POINTERS
	SPILL
	KEEP5
	BODY

TEXT ·direct6(SB), NOSPLIT, $304-48
	GO_ARGS
	NO_LOCAL_POINTERS
	SPILL
	KEEP6
	BODY

// The frame of the general entry: arguments and result of callGeneral (desc, *GoFrame, keep; text), the GoFrame.
#define G_keep    16
#define G_text    (G_keep+8*keepWords)
#define G_frame   (G_text+8)
// in all 416 bytes

// general is the entry of every other signature: it spills all registers and leaves the rest to Go. The words whose
// bit is set in desc.mask are copied to the typed part of callGeneral's arguments.
TEXT ·general(SB), NOSPLIT, $416-8
	NO_LOCAL_POINTERS
	MOVQ	AX, (G_frame+0)(SP)
	MOVQ	BX, (G_frame+8)(SP)
	MOVQ	CX, (G_frame+16)(SP)
	MOVQ	DI, (G_frame+24)(SP)
	MOVQ	SI, (G_frame+32)(SP)
	MOVQ	R8, (G_frame+40)(SP)
	MOVQ	R9, (G_frame+48)(SP)
	MOVQ	R10, (G_frame+56)(SP)
	MOVQ	R11, (G_frame+64)(SP)
	MOVSD	X0, (G_frame+72)(SP)
	MOVSD	X1, (G_frame+80)(SP)
	MOVSD	X2, (G_frame+88)(SP)
	MOVSD	X3, (G_frame+96)(SP)
	MOVSD	X4, (G_frame+104)(SP)
	MOVSD	X5, (G_frame+112)(SP)
	MOVSD	X6, (G_frame+120)(SP)
	MOVSD	X7, (G_frame+128)(SP)
	MOVSD	X8, (G_frame+136)(SP)
	MOVSD	X9, (G_frame+144)(SP)
	MOVSD	X10, (G_frame+152)(SP)
	MOVSD	X11, (G_frame+160)(SP)
	MOVSD	X12, (G_frame+168)(SP)
	MOVSD	X13, (G_frame+176)(SP)
	MOVSD	X14, (G_frame+184)(SP)
	LEAQ	stack+0(FP), R12 // the caller's outgoing area: its stack-assigned arguments and results
	MOVQ	R12, (G_frame+192)(SP)
	MOVQ	DX, 0(SP)
	LEAQ	G_frame(SP), AX
	MOVQ	AX, 8(SP)
	// keep[i] = word i where desc.keep has an offset, else nil; offsets below 0 are into the stack area (minus one).
	LEAQ	G_keep(SP), DI
	XORL	CX, CX
next:
	MOVQ	D_keep(DX)(CX*8), R13
	XORL	R8, R8
	TESTQ	R13, R13
	JEQ	put
	JLT	fromstack
	MOVQ	(-8)(AX)(R13*1), R8 // offset plus eight, so that zero is none
	JMP	put
fromstack:
	NEGQ	R13
	MOVQ	(-8)(R12)(R13*1), R8
put:
	MOVQ	R8, (DI)(CX*8)
	INCQ	CX
	CMPQ	CX, $keepWords
	JLT	next
	CALL	·callGeneral(SB)
	MOVQ	(G_frame+0)(SP), AX
	MOVQ	G_text(SP), R12
	TESTQ	R12, R12
	CMOVQNE	R12, AX
	MOVQ	(G_frame+8)(SP), BX
	MOVQ	(G_frame+16)(SP), CX
	MOVQ	(G_frame+24)(SP), DI
	MOVQ	(G_frame+32)(SP), SI
	MOVQ	(G_frame+40)(SP), R8
	MOVQ	(G_frame+48)(SP), R9
	MOVQ	(G_frame+56)(SP), R10
	MOVQ	(G_frame+64)(SP), R11
	MOVSD	(G_frame+72)(SP), X0
	MOVSD	(G_frame+80)(SP), X1
	MOVSD	(G_frame+88)(SP), X2
	MOVSD	(G_frame+96)(SP), X3
	MOVSD	(G_frame+104)(SP), X4
	MOVSD	(G_frame+112)(SP), X5
	MOVSD	(G_frame+120)(SP), X6
	MOVSD	(G_frame+128)(SP), X7
	MOVSD	(G_frame+136)(SP), X8
	MOVSD	(G_frame+144)(SP), X9
	MOVSD	(G_frame+152)(SP), X10
	MOVSD	(G_frame+160)(SP), X11
	MOVSD	(G_frame+168)(SP), X12
	MOVSD	(G_frame+176)(SP), X13
	MOVSD	(G_frame+184)(SP), X14
	RET

// func entries(p *[8]uintptr)
TEXT ·entries(SB), NOSPLIT, $0-8
	MOVQ	p+0(FP), DI
	LEAQ	·direct0(SB), AX
	MOVQ	AX, 0(DI)
	LEAQ	·direct1(SB), AX
	MOVQ	AX, 8(DI)
	LEAQ	·direct2(SB), AX
	MOVQ	AX, 16(DI)
	LEAQ	·direct3(SB), AX
	MOVQ	AX, 24(DI)
	LEAQ	·direct4(SB), AX
	MOVQ	AX, 32(DI)
	LEAQ	·direct5(SB), AX
	MOVQ	AX, 40(DI)
	LEAQ	·direct6(SB), AX
	MOVQ	AX, 48(DI)
	LEAQ	·general(SB), AX
	MOVQ	AX, 56(DI)
	RET
