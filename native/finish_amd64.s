#include "textflag.h"
#include "funcdata.h"
#include "gate_amd64.h"

// What the direct entries share, and the general entries.

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

// acquireRegs gets a thread for a direct entry, whose desc is in DX, from acquireFor, and returns it in R12 and where the
// call goes in R11. It keeps the registers that carry Go arguments.
TEXT ·acquireRegs(SB), NOSPLIT, $136-0
	NO_LOCAL_POINTERS
	MOVQ	AX, 24(SP)
	MOVQ	BX, 32(SP)
	MOVQ	CX, 40(SP)
	MOVQ	DI, 48(SP)
	MOVQ	SI, 56(SP)
	MOVQ	R8, 64(SP)
	MOVSD	X0, 72(SP)
	MOVSD	X1, 80(SP)
	MOVSD	X2, 88(SP)
	MOVSD	X3, 96(SP)
	MOVSD	X4, 104(SP)
	MOVSD	X5, 112(SP)
	MOVSD	X6, 120(SP)
	MOVSD	X7, 128(SP)
	MOVQ	DX, 0(SP)
	CALL	·acquireFor(SB)
	MOVQ	8(SP), R12
	MOVQ	16(SP), R11
	MOVQ	24(SP), AX
	MOVQ	32(SP), BX
	MOVQ	40(SP), CX
	MOVQ	48(SP), DI
	MOVQ	56(SP), SI
	MOVQ	64(SP), R8
	MOVSD	72(SP), X0
	MOVSD	80(SP), X1
	MOVSD	88(SP), X2
	MOVSD	96(SP), X3
	MOVSD	104(SP), X4
	MOVSD	112(SP), X5
	MOVSD	120(SP), X6
	MOVSD	128(SP), X7
	RET

// func invoke(t *thread, c *frame, fn, flags, base uintptr)
//
// invoke calls fn with the arguments of c on t, which the caller holds, serves its upcalls, and leaves the results in t.
// base is what t.sp goes back to if one of them panics.
TEXT ·invoke(SB), NOSPLIT, $16-40
	GO_ARGS
	NO_LOCAL_POINTERS
	TESTQ	$leafCall, flags+24(FP)
	JNE	call
	GOREGS
	ENTERSYSCALL
call:
	MOVQ	t+0(FP), R12
	MOVQ	c+8(FP), R13
	MOVQ	fn+16(FP), R11
	MOVQ	T_sp(R12), R10
	ANDQ	$~15, R10
	MOVQ	C_NStack(R13), CX
	TESTQ	CX, CX
	JEQ	regs
	LEAQ	1(CX), AX // round up to an even number of words: R10 stays a multiple of 16
	ANDQ	$~1, AX
	SHLQ	$3, AX
	SUBQ	AX, R10
	MOVQ	C_Stack(R13), SI
	MOVQ	R10, DI
	CLD
	REP; MOVSQ
regs:
	MOVQ	C_NFloat(R13), AX // al: upper bound of vector registers used, for variadic callees
	TESTQ	AX, AX
	JEQ	ints
	MOVSD	(C_Float+0)(R13), X0
	MOVSD	(C_Float+8)(R13), X1
	MOVSD	(C_Float+16)(R13), X2
	MOVSD	(C_Float+24)(R13), X3
	MOVSD	(C_Float+32)(R13), X4
	MOVSD	(C_Float+40)(R13), X5
	MOVSD	(C_Float+48)(R13), X6
	MOVSD	(C_Float+56)(R13), X7
ints:
	MOVQ	(C_Int+0)(R13), DI
	MOVQ	(C_Int+8)(R13), SI
	MOVQ	(C_Int+16)(R13), DX
	MOVQ	(C_Int+24)(R13), CX
	MOVQ	(C_Int+32)(R13), R8
	MOVQ	(C_Int+40)(R13), R9
	CALL	·enterSwitch(SB)
	MOVQ	flags+24(FP), R10
	MOVQ	base+32(FP), R11
	CALL	·finishCall(SB)
	RET

// The frame of finishCall; the first words are for what it calls.
#define L_thread 32
#define L_flags  40
#define L_base   48
#define L_back   56
#define L_ret    64
#define L_fret   72
#define L_errno  80
#define L_told   88 // not 0: the scheduler has been told that the goroutine is away; raise_amd64.s knows it
#define L_frame  96 // the upframe that is served
// in all 112 bytes

// finishCall ends a call: it serves upcalls, and for a direct one reads errno and releases a thread that the call holds.
// It is called where enter came back on thread R12 with the reason R13 and the flags R10, and returns what the entry
// returns. For a lentCall R11 is the base, and the results go to the thread.
//
// At the first upcall of a call that does not hold its thread the goroutine is still on the kernel thread that wears
// it, and is locked to that: before exitsyscall, which may move it.
//
// All upcalls are served here, without a return in between: the processor predicts returns by calls, and that of the
// native function which called goes with its call.
TEXT ·finishCall(SB), NOSPLIT, $112-0
	NO_LOCAL_POINTERS
	MOVQ	R12, L_thread(SP)
	MOVQ	R10, L_flags(SP)
	NOTQ	R10
	ANDQ	$leafCall, R10
	MOVQ	R10, L_told(SP)
	TESTQ	$lentCall, L_flags(SP)
	JNE	based
	MOVQ	T_sp(R12), R11
based:
	MOVQ	R11, L_base(SP)
	CALL	·here(SB) // puts the address of what follows in L_back
	GOREGS
	TESTL	R13, R13
	JEQ	done
	TESTQ	$(heldCall|lentCall), L_flags(SP)
	JNE	locked
	MOVQ	·lockPC(SB), R11
	CALL	R11
locked:
	CMPQ	L_told(SP), $0
	JEQ	serve
	EXITSYSCALL
serve:
	MOVQ	L_thread(SP), AX
	CMPQ	T_why(AX), $whyUpcall
	JNE	fault // there is no frame
	MOVQ	T_frame(AX), DI
	MOVQ	DI, L_frame(SP)
	MOVQ	R14, U_g(DI)
	MOVQ	8(R14), SI // g.stack.hi
	LEAQ	-16(SP), R8 // where CALL fromNative has its return address
	SUBQ	R8, SI
	MOVQ	SI, U_depth(DI)
fault:
	MOVQ	L_base(SP), BX
	MOVQ	L_flags(SP), CX
	MOVQ	·bridge(SB), R11
	TESTQ	R11, R11
	JEQ	unseen
	PUSHQ	R11
	CALL	·fromNative(SB)
	POPQ	R11
	JMP	served
unseen:
	CALL	·callServe(SB)
served:
	MOVQ	L_flags(SP), AX
	TESTQ	$lentCall, AX
	JNE	lent
	ORQ	$heldCall, AX
	MOVQ	AX, L_flags(SP)
lent:
	MOVQ	$0, L_told(SP)
	TESTQ	$leafCall, AX
	JNE	again
	MOVQ	L_thread(SP), R12
	CMPL	T_keep(R12), $0
	JNE	again
	MOVQ	$1, L_told(SP)
	ENTERSYSCALL
again:
	MOVQ	L_thread(SP), R12
	PUSHQ	L_back(SP)
	JMP	·enterAgain(SB)
	ADJSP	$-8
done:
	TESTQ	$lentCall, L_flags(SP)
	JNE	toThread
	MOVQ	AX, L_ret(SP)
	MOVSD	X0, L_fret(SP)
	TESTQ	$(errnoAX|errnoBX), L_flags(SP)
	JEQ	running
	MOVQ	T_errno(R12), CX // after exitsyscall another goroutine may use the thread
	MOVL	(CX), CX
	MOVQ	CX, L_errno(SP)
running:
	CMPQ	L_told(SP), $0
	JEQ	release
	EXITSYSCALL
release:
	TESTQ	$heldCall, L_flags(SP)
	JEQ	results
	MOVQ	L_thread(SP), AX
	MOVQ	·releasePC(SB), R11
	CALL	R11
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
toThread:
	MOVQ	AX, (T_ret+0)(R12)
	MOVQ	DX, (T_ret+8)(R12)
	MOVSD	X0, (T_fret+0)(R12)
	MOVSD	X1, (T_fret+8)(R12)
	MOVQ	$whyDone, T_why(R12)
	CMPQ	L_told(SP), $0
	JEQ	end
	EXITSYSCALL
	RET
	CALL	runtime·entersyscall(SB) // never: has the linker check the stack that the calls above need
	CALL	runtime·exitsyscall(SB)
	RET

// fromNative calls callServe in such a way that the Go runtime and debuggers see different callers of it: the runtime that
// of fromNative, with the Go functions that have called native code, and debuggers the word above its return address, which
// leads to that native code (see bridge). Both look for a description of a frame by the return address, but debuggers
// by the last byte of the call. So the call is at the very end of fromNative, which is as long as the linker aligns functions
// to: it returns to the beginning of fromNativeDone, whose frame for the runtime is that of a function just called. For
// debuggers there is one word more on the stack in fromNative, since the instruction before the call would have put it there.
TEXT ·fromNative(SB), NOSPLIT|NOFRAME, $0
	JMP	call
	BYTE $0x90; BYTE $0x90; BYTE $0x90; BYTE $0x90; BYTE $0x90; BYTE $0x90; BYTE $0x90; BYTE $0x90
	BYTE $0x90; BYTE $0x90; BYTE $0x90; BYTE $0x90; BYTE $0x90; BYTE $0x90; BYTE $0x90; BYTE $0x90
	BYTE $0x90; BYTE $0x90; BYTE $0x90; BYTE $0x90; BYTE $0x90; BYTE $0x90; BYTE $0x90; BYTE $0x90
	PUSHQ	AX // never
call:
	CALL	·callServe(SB)

TEXT ·fromNativeDone(SB), NOSPLIT|NOFRAME, $0
	RET

// callServe calls serve with its arguments in registers. It sets up no frame pointer, which lldb would follow: what Go says
// of the frames within does not include it.
TEXT ·callServe(SB), NOSPLIT|NOFRAME, $0
	NO_LOCAL_POINTERS
	ADJSP	$24 // for the arguments of serve
	MOVQ	·servePC(SB), R11
	CALL	R11
	ADJSP	$-24
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
