#include "textflag.h"
#include "funcdata.h"
#include "gate_amd64.h"

// The gate switches between the stack and thread pointer of a goroutine and those of a native thread. It runs no
// logic of its own: what native code asks for comes back to Go as the reason of a return (why*).
//
// Order matters in one place: g is stored in the lent thread's slot BEFORE the thread pointer changes, since Go's
// signal handler reads g through the thread pointer at any instruction.
//
// enter is called with a return address on the goroutine's stack. Both the end of the native function and an upcall go
// there, with the reason in R13; enterAgain goes back to where an upcall left off and leaves such an address as well.
// What is left by a jump is entered by one, and what by a call, by a return, so that the processor predicts returns.

// enter calls the native function R11 on thread R12, which the kernel thread wears, with stack pointer R10 and the
// argument registers as they are. It comes back with the reason in R13; if that is whyDone, the result registers are
// the function's. R12 is kept; R14 and X15 are not those of Go. SysV AMD64 psABI 3.2.
TEXT ·enter(SB), NOSPLIT|NOFRAME, $0
	MOVQ	SP, T_goSP(R12)
	MOVL	$0, T_enters(R12) // after T_goSP: see inNative
	MOVQ	BP, T_goBP(R12)
	CMPL	T_mxcsr(R12), $mxcsrDefault
	JNE	control
run:
	MOVQ	R10, SP
	XORL	BP, BP // the end of the native frame chain
	MOVQ	·callStub(SB), R13
	JMP	R13

control:
	LDMXCSR	T_mxcsr(R12)
	FLDCW	T_fpcw(R12)
	JMP	run

// plainStub is what callStub is as a rule: see Gate.
TEXT ·plainStub(SB), NOSPLIT|NOFRAME, $0
	CALL	R11 // R12 is callee-saved
	JMP	·entered(SB)

// entered is enter where the native function has come back.
TEXT ·entered(SB), NOSPLIT|NOFRAME, $0
	STMXCSR	T_status(R12)
	MOVL	T_status(R12), R10
	ANDL	$mxcsrControl, R10 // the status flags are not part of a thread's state
	MOVL	R10, T_mxcsr(R12)
	CMPL	R10, $mxcsrDefault
	JNE	uncontrol
controlled:
	CMPQ	T_goFS(R12), $0
	JNE	unswitch
back:
	MOVQ	T_goSP(R12), SP
	PUSHQ	T_goBP(R12)
	POPQ	BP
	MOVQ	$0, T_goSP(R12)
	XORL	R13, R13 // whyDone
	RET

uncontrol:
	CALL	·goControl(SB)
	JMP	controlled

unswitch:
	MOVQ	AX, T_ret+0(R12)
	MOVQ	DX, T_ret+8(R12)
	MOVQ	T_goFS(R12), AX // its slot still holds g
	CALL	·setFS(SB)
	MOVQ	T_ret+0(R12), AX
	MOVQ	T_ret+8(R12), DX
	JMP	back

// enterSwitch is enter for a thread that the kernel thread need not wear.
TEXT ·enterSwitch(SB), NOSPLIT|NOFRAME, $0
	CALL	·switchIn(SB)
	CMPL	T_guard(R12), $0
	JNE	guarded
	JMP	·enter(SB)
guarded:
	JMP	·enterGuarded(SB)

// enterAgain goes back to native code where an upcall on R12 left off, with the results that the upcall's frame holds.
TEXT ·enterAgain(SB), NOSPLIT|NOFRAME, $0
	MOVQ	SP, T_goSP(R12)
	MOVQ	BP, T_goBP(R12) // the goroutine's stack may have moved
	CALL	·switchIn(SB)
	CMPL	T_guard(R12), $0
	JNE	guarded
	CMPL	T_mxcsr(R12), $mxcsrDefault
	JEQ	3(PC)
	LDMXCSR	T_mxcsr(R12)
	FLDCW	T_fpcw(R12)
	MOVQ	T_frame(R12), SP
	MOVQ	U_next(SP), AX
	MOVQ	AX, T_frame(R12)
	JMP	·upreturn(SB)
guarded:
	MOVQ	T_frame(R12), SP
	MOVQ	U_next(SP), AX
	MOVQ	AX, T_frame(R12)
	LOADCONTROL
	CALL	·unmask(SB)
	JMP	·upreturn(SB)

// upcall is a C function whose address stands in every thunk; R11 is the thunk's record. It saves its arguments
// and the callee-saved registers on the native stack and lets the gate return to Go. On a thread that Go did not
// lend (one that native code made) it posts the frame to the dispatcher and waits.
TEXT ·upcall(SB), NOSPLIT|NOFRAME, $0
	SUBQ	$U_ret, SP
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
	MOVBQZX	AX, AX
	MOVQ	AX, C_NFloat(SP)
	LEAQ	(U_ret+8)(SP), AX // arguments in memory begin above the return address
	MOVQ	AX, C_Stack(SP)
	XORL	AX, AX
	MOVQ	AX, (C_Ret+0)(SP)
	MOVQ	AX, (C_Ret+8)(SP)
	MOVQ	AX, (C_FRet+0)(SP)
	MOVQ	AX, (C_FRet+8)(SP)
	MOVQ	AX, C_SRet(SP) // a pointer to the write barrier, which looks at what it replaces
	MOVQ	BX, (U_saved+0)(SP)
	MOVQ	BP, (U_saved+8)(SP)
	MOVQ	R12, (U_saved+16)(SP)
	MOVQ	R13, (U_saved+24)(SP)
	MOVQ	R14, (U_saved+32)(SP)
	MOVQ	R15, (U_saved+40)(SP)
	MOVQ	R11, U_record(SP)
	MOVQ	0(FS), BX // the TCB's first word is its own address (psABI, variant II)
	MOVQ	BX, U_fs(SP)
	WORDS(BX, CX)
	MOVQ	·magicSlot(SB), CX
	MOVQ	(BX)(CX*1), AX
	CMPQ	AX, ·magic(SB)
	JNE	foreign // a thread that is not even the C library's of weld
	MOVQ	·threadSlot(SB), CX
	MOVQ	(BX)(CX*1), R12
	TESTQ	R12, R12
	JEQ	foreign
	CMPQ	T_goSP(R12), $0 // native code that did not come through the gate
	JEQ	foreign
	CMPL	T_guard(R12), $0
	JNE	guarded
	MOVQ	·goAlive(SB), AX
	CMPL	(AX), $0
	JEQ	orphan
	JMP	lent
guarded:
	CMPL	T_keep(R12), $0
	JNE	kept
	MOVQ	·goAlive(SB), AX
	CMPL	(AX), $0
	JEQ	orphan // a child of _Fork or clone, for which nothing was made ready
kept:
	CALL	·mask(SB)
lent:
	MOVQ	T_frame(R12), AX
	MOVQ	AX, U_next(SP)
	MOVQ	SP, T_frame(R12)
	MOVL	$whyUpcall, R13
	JMP	·suspend(SB)

foreign:
	MOVQ	·goAlive(SB), AX
	CMPL	(AX), $0
	JEQ	orphan
	// No signal handler runs while Go may use the thread's stack and TCB.
	LEAQ	·allSignals(SB), SI
	LEAQ	U_mask(SP), DX
	CALL	·setMask(SB)
	MOVQ	$0, U_done(SP)
	MOVQ	SP, BX
	MOVQ	·foreignHead(SB), AX
push:
	MOVQ	AX, U_next(SP)
	LOCK
	CMPXCHGQ BX, ·foreignHead(SB)
	JNE	push
	LOCK
	ADDL	$1, ·foreignSeq(SB)
	LEAQ	·foreignSeq(SB), DI
	MOVQ	$FUTEX_WAKE_PRIVATE, SI
	MOVQ	$1, DX
	XORL	R10, R10
	MOVQ	$SYS_futex, AX
	SYSCALL
wait:
	LEAQ	U_done(SP), DI
	CMPL	(DI), $0
	JNE	answered
	MOVQ	$FUTEX_WAIT_PRIVATE, SI
	XORL	DX, DX
	XORL	R10, R10
	MOVQ	$SYS_futex, AX
	SYSCALL
	JMP	wait
answered:
	LEAQ	U_mask(SP), SI
	XORL	DX, DX
	CALL	·setMask(SB)
	JMP	·upreturn(SB)

orphan:
	// The process is a child that loaded code has forked: there is no Go to ask.
	MOVQ	U_record(SP), R11
	MOVQ	R_orphan(R11), R11
	TESTQ	R11, R11
	JNE	2(PC)
	JMP	·upreturn(SB) // with 0
	MOVQ	(C_Int+0)(SP), DI
	MOVQ	(C_Int+8)(SP), SI
	MOVQ	(C_Int+16)(SP), DX
	MOVQ	(C_Int+24)(SP), CX
	MOVQ	(C_Int+32)(SP), R8
	MOVQ	(C_Int+40)(SP), R9
	MOVQ	C_NFloat(SP), AX
	MOVQ	(U_saved+0)(SP), BX
	MOVQ	(U_saved+16)(SP), R12
	ADDQ	$U_ret, SP
	JMP	R11

// upcallThen stands in thunks of functions that are let through: it makes an upcall, and then goes on to the function
// with the integer arguments as they were.
TEXT ·upcallThen(SB), NOSPLIT|NOFRAME, $0
	SUBQ	$72, SP
	MOVQ	DI, 0(SP)
	MOVQ	SI, 8(SP)
	MOVQ	DX, 16(SP)
	MOVQ	CX, 24(SP)
	MOVQ	R8, 32(SP)
	MOVQ	R9, 40(SP)
	MOVQ	AX, 48(SP)
	MOVQ	R11, 56(SP)
	CALL	·upcall(SB)
	MOVQ	0(SP), DI
	MOVQ	8(SP), SI
	MOVQ	16(SP), DX
	MOVQ	24(SP), CX
	MOVQ	32(SP), R8
	MOVQ	40(SP), R9
	MOVQ	48(SP), AX
	MOVQ	56(SP), R11
	ADDQ	$72, SP
	MOVQ	R_data(R11), R11
	JMP	R11

// upreturn leaves the upframe at SP for the native code that made the upcall.
TEXT ·upreturn(SB), NOSPLIT|NOFRAME, $0
	MOVQ	(U_saved+0)(SP), BX
	MOVQ	(U_saved+16)(SP), R12
	MOVQ	(U_saved+24)(SP), R13
	MOVQ	(U_saved+32)(SP), R14
	MOVQ	(U_saved+40)(SP), R15
	MOVQ	(C_Ret+0)(SP), AX
	MOVQ	(C_Ret+8)(SP), DX
	MOVSD	(C_FRet+0)(SP), X0
	MOVSD	(C_FRet+8)(SP), X1
	PUSHQ	(U_saved+8)(SP)
	POPQ	BP
	ADDQ	$U_ret, SP
	RET

// suspend goes back to Go with the reason R13 while native frames stay on R12's stack. The native stack is left at once:
// after a fault it may be what overflowed.
//
// Reading the control word costs a fifth of a callback. So it is only done if it was another one than Go's when the call
// began: a function that changes it and calls Go before it returns is called back in that mode, as a C function would be.
TEXT ·suspend(SB), NOSPLIT|NOFRAME, $0
	MOVQ	T_goSP(R12), SP
	PUSHQ	T_goBP(R12)
	POPQ	BP
	MOVQ	R13, T_why(R12)
	CMPL	T_guard(R12), $0
	JNE	guarded
	CMPL	T_mxcsr(R12), $mxcsrDefault
	JEQ	controlled
	STMXCSR	T_status(R12)
	MOVL	T_status(R12), CX
	ANDL	$mxcsrControl, CX
	MOVL	CX, T_mxcsr(R12)
	CALL	·goControl(SB)
controlled:
	MOVQ	T_goFS(R12), AX
	TESTQ	AX, AX
	JEQ	go // it is worn, and stays so
	CALL	·setFS(SB)
go:
	MOVL	$1, T_enters(R12) // before T_goSP, until serve holds the thread: see inNative
	MOVQ	$0, T_goSP(R12)
	POPQ	CX
	JMP	CX
guarded:
	STMXCSR	T_mxcsr(R12)
	CALL	·goControl(SB)
	JMP	controlled

// goControl saves the native floating-point control words in R12 and restores Go's. Who sets a rounding mode sets it
// for both units (C: fesetround), so the x87 word is only looked at if the other changed.
TEXT ·goControl(SB), NOSPLIT|NOFRAME, $0
	FSTCW	T_fpcw(R12)
	FLDCW	·goFPCW(SB)
	LDMXCSR	·goMXCSR(SB)
	RET

// func resetControl()
//
// resetControl restores Go's floating-point control words.
TEXT ·resetControl(SB), NOSPLIT, $0-0
	FLDCW	·goFPCW(SB)
	LDMXCSR	·goMXCSR(SB)
	RET

// switchIn makes R12 the kernel thread's for a call: worn or not, goFS says which. It keeps all registers that carry
// arguments, and R10 and R11.
TEXT ·switchIn(SB), NOSPLIT|NOFRAME, $0
	MOVQ	$0, T_goFS(R12)
	MOVQ	T_fs(R12), R13
	CMPQ	R13, 0(FS)
	JEQ	worn
	MOVQ	(TLS), R15
	MOVQ	T_gslot(R12), R13
	MOVQ	R15, (R13)
	CMPB	·haveFSGSBASE(SB), $0
	JEQ	syscall
	RDFSBASEQ R15
	MOVQ	R15, T_goFS(R12)
	MOVQ	T_fs(R12), R13
	WRFSBASEQ R13
worn:
	RET
syscall:
	MOVQ	AX, (T_gregs+0)(R12)
	MOVQ	CX, (T_gregs+8)(R12)
	MOVQ	DI, (T_gregs+16)(R12)
	MOVQ	SI, (T_gregs+24)(R12)
	MOVQ	R11, (T_gregs+32)(R12)
	LEAQ	T_goFS(R12), SI
	MOVQ	$ARCH_GET_FS, DI
	MOVQ	$SYS_arch_prctl, AX
	SYSCALL
	MOVQ	T_fs(R12), AX
	CALL	·setFS(SB)
	MOVQ	(T_gregs+0)(R12), AX
	MOVQ	(T_gregs+8)(R12), CX
	MOVQ	(T_gregs+16)(R12), DI
	MOVQ	(T_gregs+24)(R12), SI
	MOVQ	(T_gregs+32)(R12), R11
	RET

// setFS sets the thread pointer to AX. Clobbers AX, CX, DI, SI, R11.
TEXT ·setFS(SB), NOSPLIT|NOFRAME, $0
	CMPB	·haveFSGSBASE(SB), $0
	JEQ	syscall
	WRFSBASEQ AX
	RET
syscall:
	MOVQ	AX, SI
	MOVQ	$ARCH_SET_FS, DI
	MOVQ	$SYS_arch_prctl, AX
	SYSCALL
	RET

// RESULTS keeps the result registers in the thread R12 if the native function has returned (R13 is whyDone).
#define RESULTS \
	TESTL	R13, R13 \
	JNE	6(PC) \
	MOVQ	AX, (T_ret+0)(R12) \
	MOVQ	DX, (T_ret+8)(R12) \
	MOVSD	X0, (T_fret+0)(R12) \
	MOVSD	X1, (T_fret+8)(R12) \
	MOVQ	$whyDone, T_why(R12)

// func resume(t *thread)
//
// resume goes on after an upcall, and returns with the reason in t.why.
TEXT ·resume(SB), NOSPLIT, $0-8
	MOVQ	t+0(FP), R12
	CALL	·enterAgain(SB)
	RESULTS
	RET

// func worn() *thread
//
// worn returns the native thread that the current kernel thread wears, nil if there is none. Only for processes that
// had no C library before.
TEXT ·worn(SB), NOSPLIT, $0-8
	XORL	AX, AX
	CMPQ	0(FS), $0
	JEQ	none
	MOVQ	threadSlotFixed(FS), AX
none:
	MOVQ	AX, ret+0(FP)
	RET

// func takeOff()
//
// takeOff takes off what the kernel thread wears: it puts its own thread pointer back, g first.
TEXT ·takeOff(SB), NOSPLIT, $0-0
	MOVQ	threadSlotFixed(FS), R12
	MOVQ	T_mFS(R12), AX
	MOVQ	(TLS), CX
	MOVQ	·gOffset(SB), DI
	MOVQ	CX, (AX)(DI*1)
	MOVQ	$0, T_mFS(R12)
	CALL	·setFS(SB)
	RET

// func wear(t *thread)
//
// wear puts t on the current kernel thread, which is one of Go's and wears none.
TEXT ·wear(SB), NOSPLIT, $0-8
	MOVQ	t+0(FP), R12
	CALL	·switchIn(SB)
	MOVQ	T_goFS(R12), BX
	MOVQ	M_tid(BX), AX
	TESTQ	AX, AX
	JNE	known
	MOVQ	$SYS_gettid, AX
	SYSCALL
	MOVQ	AX, M_tid(BX)
known:
	MOVQ	AX, T_tid(R12) // before mFS, see orphan
	MOVQ	BX, T_mFS(R12)
	MOVQ	$0, T_goFS(R12)
	RET

// func getg() uintptr
TEXT ·getg(SB), NOSPLIT, $0-8
	MOVQ	(TLS), AX
	MOVQ	AX, ret+0(FP)
	RET

// func tcb() uintptr
//
// tcb returns the word at the thread pointer: its own address if it is that of a C library's thread (psABI, variant
// II), 0 if it is one that Go set.
TEXT ·tcb(SB), NOSPLIT, $0-8
	MOVQ	0(FS), AX
	MOVQ	AX, ret+0(FP)
	RET
