#include "textflag.h"
#include "funcdata.h"
#include "gate_amd64.h"

// The gate switches between the stack and thread pointer of a goroutine and those of a native thread. It runs no
// logic of its own: what native code asks for comes back to Go as the reason of a return (why*).
//
// Order matters in one place: g is stored in the lent thread's slot BEFORE the thread pointer changes, since Go's
// signal handler reads g through the thread pointer at any instruction.

// SETFS sets the thread pointer to AX. Clobbers AX, and without FSGSBASE also CX, DI, SI, R11.
#define SETFS \
	CMPB	·haveFSGSBASE(SB), $0 \
	JEQ	3(PC) \
	WRFSBASEQ AX \
	JMP	5(PC) \
	MOVQ	AX, SI \
	MOVQ	$ARCH_SET_FS, DI \
	MOVQ	$SYS_arch_prctl, AX \
	SYSCALL

// GETFS reads the thread pointer into m. Clobbers AX, and without FSGSBASE also CX, DI, SI, R11.
#define GETFS(m) \
	CMPB	·haveFSGSBASE(SB), $0 \
	JEQ	4(PC) \
	RDFSBASEQ AX \
	MOVQ	AX, m \
	JMP	5(PC) \
	LEAQ	m, SI \
	MOVQ	$ARCH_GET_FS, DI \
	MOVQ	$SYS_arch_prctl, AX \
	SYSCALL

// LEAVEGO saves the Go side in the thread R12 and takes on the native side's thread pointer and control word. If the
// kernel thread wears R12 already there is nothing to change. The stack pointer is still Go's afterwards.
// Clobbers AX, CX, DI, SI, R11.
#define LEAVEGO \
	MOVQ	SP, T_goSP(R12) \
	MOVQ	$0, T_goFS(R12) \
	MOVQ	0(FS), AX \
	CMPQ	AX, T_fs(R12) \
	JEQ	22(PC) \
	MOVQ	(TLS), AX \
	MOVQ	T_gslot(R12), CX \
	MOVQ	AX, (CX) \
	GETFS(T_goFS(R12)) \
	MOVQ	T_fs(R12), AX \
	SETFS \
	CMPL	T_mxcsr(R12), $mxcsrDefault \
	JEQ	2(PC) \
	LDMXCSR	T_mxcsr(R12)

// GOMXCSR saves the native control word (its status flags are not part of a thread's state) and restores Go's.
#define GOMXCSR \
	STMXCSR	T_mxcsr(R12) \
	ANDL	$mxcsrControl, T_mxcsr(R12) \
	CMPL	T_mxcsr(R12), $mxcsrDefault \
	JEQ	2(PC) \
	LDMXCSR	·goMXCSR(SB)

// GOSTACK goes back to the goroutine's stack.
#define GOSTACK \
	MOVQ	T_goSP(R12), SP \
	MOVQ	T_goBP(R12), BP \
	MOVQ	$0, T_goSP(R12)

// func gate(t *thread, f *abi.CFrame, fn uintptr)
//
// gate calls fn on t's stack with the arguments of f and leaves the results in t. It also returns when fn wants
// something of Go: t.why tells. SysV AMD64 psABI 3.2.
TEXT ·gate(SB), NOSPLIT|NOFRAME, $0-24
	MOVQ	t+0(FP), R12 // callee-saved on the C side: it survives fn
	MOVQ	f+8(FP), R13
	MOVQ	fn+16(FP), BX
	MOVQ	BP, T_goBP(R12)
	LEAVEGO
	MOVQ	T_sp(R12), SP
	ANDQ	$~15, SP
	MOVQ	C_NStack(R13), CX
	TESTQ	CX, CX
	JEQ	regs
	LEAQ	1(CX), AX // round up to an even number of words: SP stays a multiple of 16
	ANDQ	$~1, AX
	SHLQ	$3, AX
	SUBQ	AX, SP
	MOVQ	C_Stack(R13), SI
	MOVQ	SP, DI
	CLD
	REP; MOVSQ
regs:
	MOVSD	(C_Float+0)(R13), X0
	MOVSD	(C_Float+8)(R13), X1
	MOVSD	(C_Float+16)(R13), X2
	MOVSD	(C_Float+24)(R13), X3
	MOVSD	(C_Float+32)(R13), X4
	MOVSD	(C_Float+40)(R13), X5
	MOVSD	(C_Float+48)(R13), X6
	MOVSD	(C_Float+56)(R13), X7
	MOVQ	(C_Int+0)(R13), DI
	MOVQ	(C_Int+8)(R13), SI
	MOVQ	(C_Int+16)(R13), DX
	MOVQ	(C_Int+24)(R13), CX
	MOVQ	(C_Int+32)(R13), R8
	MOVQ	(C_Int+40)(R13), R9
	MOVQ	C_NFloat(R13), AX // al: upper bound of vector registers used, for variadic callees
	XORL	BP, BP // the end of the native frame chain
	CALL	BX
	MOVQ	AX, T_ret0(R12)
	MOVQ	DX, T_ret1(R12)
	MOVSD	X0, T_fret0(R12)
	MOVSD	X1, T_fret1(R12)
	MOVQ	$whyDone, T_why(R12)
	GOMXCSR
	MOVQ	T_goFS(R12), AX
	TESTQ	AX, AX
	JEQ	worn
	CMPQ	T_nest(R12), $0
	JNE	restore
	CMPQ	T_excl(R12), $0
	JNE	restore
	CMPQ	0(AX), $0 // the kernel thread wears another one
	JNE	restore
	MOVQ	AX, T_mFS(R12) // keep R12 on
	CMPQ	AX, T_lastFS(R12)
	JEQ	worn
	MOVQ	AX, T_lastFS(R12)
	MOVQ	$SYS_gettid, AX
	SYSCALL
	MOVQ	AX, T_tid(R12)
	JMP	worn
restore:
	SETFS
worn:
	GOSTACK
	RET

// func resume(t *thread)
//
// resume goes on where an upcall left native code, with the results that the upcall's frame holds.
TEXT ·resume(SB), NOSPLIT|NOFRAME, $0-8
	MOVQ	t+0(FP), R12
	MOVQ	BP, T_goBP(R12)
	LEAVEGO
	MOVQ	T_sp(R12), SP // the upframe
	JMP	·upreturn(SB)

// upreturn leaves the upframe at SP for the native code that made the upcall.
TEXT ·upreturn(SB), NOSPLIT|NOFRAME, $0
	MOVQ	U_rbx(SP), BX
	PUSHQ	U_rbp(SP)
	POPQ	BP
	MOVQ	U_r12(SP), R12
	MOVQ	U_r13(SP), R13
	MOVQ	U_r14(SP), R14
	MOVQ	U_r15(SP), R15
	MOVQ	(C_Ret+0)(SP), AX
	MOVQ	(C_Ret+8)(SP), DX
	MOVSD	(C_FRet+0)(SP), X0
	MOVSD	(C_FRet+8)(SP), X1
	ADDQ	$U_size, SP
	RET

// upcall is a C function whose address stands in every thunk; R11 is the thunk's record. It saves its arguments
// and the callee-saved registers on the native stack and lets the gate return to Go. On a thread that Go did not
// lend (one that native code made) it posts the frame to the dispatcher and waits.
TEXT ·upcall(SB), NOSPLIT|NOFRAME, $0
	SUBQ	$U_size, SP
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
	LEAQ	(U_size+8)(SP), AX // arguments in memory begin above the return address
	MOVQ	AX, C_Stack(SP)
	MOVQ	$0, (C_Ret+0)(SP)
	MOVQ	$0, (C_Ret+8)(SP)
	MOVQ	$0, (C_FRet+0)(SP)
	MOVQ	$0, (C_FRet+8)(SP)
	MOVQ	BX, U_rbx(SP)
	MOVQ	BP, U_rbp(SP)
	MOVQ	R12, U_r12(SP)
	MOVQ	R13, U_r13(SP)
	MOVQ	R14, U_r14(SP)
	MOVQ	R15, U_r15(SP)
	MOVQ	R11, U_record(SP)
	MOVQ	0(FS), BX // the TCB's first word is its own address (psABI, variant II)
	MOVQ	BX, U_fs(SP)
	MOVQ	·threadSlot(SB), CX
	MOVQ	(BX)(CX*1), R12
	TESTQ	R12, R12
	JEQ	foreign
	CMPQ	T_goSP(R12), $0 // native code that did not come through the gate
	JEQ	foreign
	MOVQ	SP, T_sp(R12)
	MOVQ	SP, T_frame(R12)
	MOVQ	$whyUpcall, T_why(R12)
	JMP	·suspend(SB)

foreign:
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
	JMP	·upreturn(SB)

// faultReturn is where a fault in lent native code goes on once the signal handler has returned: back to Go, the
// thread in R12, its registers in t.gregs. The native stack is not touched: it may be what overflowed.
TEXT ·faultReturn(SB), NOSPLIT|NOFRAME, $0
	MOVQ	$whyFault, T_why(R12)
	JMP	·suspend(SB)

// suspend goes back to Go while native frames stay on R12's stack. The goroutine may go on on another kernel thread,
// so this one takes R12 off: it puts its own thread pointer back, g first.
TEXT ·suspend(SB), NOSPLIT|NOFRAME, $0
	GOMXCSR
	MOVQ	T_goFS(R12), AX
	TESTQ	AX, AX
	JNE	set // not worn; the slot there still holds g
	MOVQ	T_mFS(R12), AX
	CMPQ	AX, T_fs(R12)
	JEQ	stack // the kernel thread's own: see adopt.go
	MOVQ	(TLS), CX
	MOVQ	·gOffset(SB), DI
	MOVQ	CX, (AX)(DI*1)
	MOVQ	$0, T_mFS(R12)
	MOVQ	$0, T_lastFS(R12)
set:
	SETFS
stack:
	GOSTACK
	RET // from gate or resume

// fault is the handler of the synchronous signals (C convention: DI signal, SI siginfo, DX ucontext). A fault on a
// lent or foreign native thread is reported; any other goes to the handler that was there before, Go's.
TEXT ·fault(SB), NOSPLIT|NOFRAME, $0
	MOVQ	0(FS), AX
	TESTQ	AX, AX // Go's own thread pointer has no TCB behind it
	JEQ	chain
	MOVQ	·threadSlot(SB), CX
	TESTQ	CX, CX
	JEQ	chain
	MOVQ	(AX)(CX*1), R8
	TESTQ	R8, R8
	JEQ	notlent
	CMPQ	T_goSP(R8), $0 // Go code on a kernel thread that wears a native thread
	JEQ	chain
	// 23 general registers: ucontext.uc_mcontext.gregs at offset 40.
	XORL	R9, R9
copy:
	MOVQ	40(DX)(R9*8), R10
	MOVQ	R10, T_gregs(R8)(R9*8)
	INCQ	R9
	CMPQ	R9, $23
	JLT	copy
	MOVQ	DI, (T_gregs+23*8)(R8) // the signal
	MOVQ	16(SI), R10
	MOVQ	R10, (T_gregs+24*8)(R8) // si_addr
	LEAQ	·faultReturn(SB), R10
	MOVQ	R10, (40+16*8)(DX) // RIP
	MOVQ	R8, (40+4*8)(DX) // R12
	RET // through the restorer

notlent:
	MOVQ	·foreignSlot(SB), CX
	CMPQ	(AX)(CX*1), $0
	JEQ	chain
	// A foreign thread: hand the signal frame to the dispatcher, which ends the program.
	MOVQ	DX, SI // ucontext
	MOVQ	·foreignFaultRecord(SB), R11
	JMP	·upcall(SB)

chain:
	MOVQ	·chained(SB), AX
	MOVQ	(AX)(DI*8), AX
	JMP	AX

// restorer ends a signal handler (sa_restorer).
TEXT ·restorer(SB), NOSPLIT|NOFRAME, $0
	MOVQ	$SYS_rt_sigreturn, AX
	SYSCALL
	INT	$3

// park is the start routine of the threads whose stack and TCB are lent (pthread_create; DI = *parking). It reports
// both, moves to a small stack of its own so that the big one is free, and sleeps for ever.
TEXT ·park(SB), NOSPLIT|NOFRAME, $0
	MOVQ	DI, BX
	MOVQ	0(FS), AX
	MOVQ	AX, 0(BX) // parking.fs
	LEAQ	-256(SP), AX
	ANDQ	$~15, AX
	MOVQ	AX, 8(BX) // parking.sp
	MOVQ	16(BX), SP // parking.stack
	// All signals stay blocked but 32 and 33, which the C library sends its own threads.
	LEAQ	32(BX), SI // parking.mask
	MOVQ	$2, DI // SIG_SETMASK
	XORL	DX, DX
	MOVQ	$8, R10
	MOVQ	$SYS_rt_sigprocmask, AX
	SYSCALL
	MOVL	$1, 24(BX) // parking.ready
	LEAQ	24(BX), DI
	MOVQ	$FUTEX_WAKE_PRIVATE, SI
	MOVQ	$1, DX
	XORL	R10, R10
	MOVQ	$SYS_futex, AX
	SYSCALL
sleep:
	LEAQ	24(BX), DI
	MOVQ	$FUTEX_WAIT_PRIVATE, SI
	MOVQ	$1, DX
	XORL	R10, R10
	MOVQ	$SYS_futex, AX
	SYSCALL
	JMP	sleep

// started is the start routine of threads that loaded code makes (DI = node). It marks the thread as one that Go
// does not own, tells Go about it, and goes on to the real start routine.
TEXT ·started(SB), NOSPLIT|NOFRAME, $0
	MOVQ	0(FS), AX
	MOVQ	·foreignSlot(SB), CX
	MOVQ	$1, (AX)(CX*1)
	SUBQ	$8, SP
	MOVQ	·threadStartRecord(SB), R11
	CALL	·upcall(SB) // RAX: start routine, RDX: its argument
	ADDQ	$8, SP
	MOVQ	DX, DI
	JMP	AX

// func boot(entry, sp uintptr)
//
// boot jumps to the entry point of the system's run-time linker as the kernel would (gABI; RDX = 0: no function to
// register with atexit) and comes back when that jumps to AT_ENTRY, which is booted.
TEXT ·boot(SB), NOSPLIT|NOFRAME, $0-16
	MOVQ	entry+0(FP), BX
	MOVQ	sp+8(FP), DX
	MOVQ	SP, ·bootState+0(SB)
	MOVQ	BP, ·bootState+8(SB)
	LEAQ	·bootState+16(SB), SI
	MOVQ	$ARCH_GET_FS, DI
	MOVQ	$SYS_arch_prctl, AX
	MOVQ	DX, R13
	SYSCALL
	MOVQ	R13, SP
	MOVQ	BX, AX
	XORL	BX, BX
	XORL	CX, CX
	XORL	DX, DX
	XORL	SI, SI
	XORL	DI, DI
	XORL	BP, BP
	JMP	AX

// booted is AT_ENTRY. RDX is the finaliser of the run-time linker, SP the stack boot made.
TEXT ·booted(SB), NOSPLIT|NOFRAME, $0
	MOVQ	DX, ·bootState+24(SB)
	MOVQ	SP, ·bootState+32(SB)
	LEAQ	·bootState+40(SB), SI
	MOVQ	$ARCH_GET_FS, DI
	MOVQ	$SYS_arch_prctl, AX
	SYSCALL
	MOVQ	·bootState+16(SB), SI
	MOVQ	$ARCH_SET_FS, DI
	MOVQ	$SYS_arch_prctl, AX
	SYSCALL
	MOVQ	·bootState+0(SB), SP
	PUSHQ	·bootState+8(SB)
	POPQ	BP
	RET

// func entryPoints(p *[16]uintptr)
TEXT ·entryPoints(SB), NOSPLIT, $0-8
	MOVQ	p+0(FP), DI
	LEAQ	·upcall(SB), AX
	MOVQ	AX, 0(DI)
	LEAQ	·fault(SB), AX
	MOVQ	AX, 8(DI)
	LEAQ	·restorer(SB), AX
	MOVQ	AX, 16(DI)
	LEAQ	·park(SB), AX
	MOVQ	AX, 24(DI)
	LEAQ	·started(SB), AX
	MOVQ	AX, 32(DI)
	LEAQ	·booted(SB), AX
	MOVQ	AX, 40(DI)
	LEAQ	·lazyBind(SB), AX
	MOVQ	AX, 48(DI)
	LEAQ	·tlsGetAddr(SB), AX
	MOVQ	AX, 56(DI)
	LEAQ	·tlsdescDynamic(SB), AX
	MOVQ	AX, 64(DI)
	LEAQ	·tlsdescStatic(SB), AX
	MOVQ	AX, 72(DI)
	LEAQ	·getg(SB), AX
	MOVQ	AX, 80(DI)
	LEAQ	·ownDone(SB), AX
	MOVQ	AX, 88(DI)
	RET

// func takeOff() *thread
//
// takeOff takes the native thread off that the current kernel thread wears and returns it; nil if there is none.
TEXT ·takeOff(SB), NOSPLIT, $0-8
	MOVQ	$0, ret+0(FP)
	MOVQ	0(FS), AX
	TESTQ	AX, AX
	JEQ	none
	MOVQ	·threadSlot(SB), CX
	MOVQ	(AX)(CX*1), R12
	TESTQ	R12, R12
	JEQ	none
	MOVQ	R12, ret+0(FP)
	MOVQ	T_mFS(R12), AX
	CMPQ	AX, T_fs(R12)
	JEQ	none
	MOVQ	(TLS), CX
	MOVQ	·gOffset(SB), DI
	MOVQ	CX, (AX)(DI*1)
	MOVQ	$0, T_mFS(R12)
	SETFS
none:
	RET

// func wear(t *thread) bool
//
// wear puts t on the current kernel thread, unless that wears one.
TEXT ·wear(SB), NOSPLIT, $0-9
	MOVQ	t+0(FP), R12
	MOVB	$0, ret+8(FP)
	CMPQ	0(FS), $0
	JNE	no
	MOVB	$1, ret+8(FP)
	MOVQ	(TLS), AX
	MOVQ	T_gslot(R12), CX
	MOVQ	AX, (CX)
	GETFS(T_mFS(R12))
	MOVQ	T_mFS(R12), AX
	CMPQ	AX, T_lastFS(R12)
	JEQ	known
	MOVQ	AX, T_lastFS(R12)
	MOVQ	$SYS_gettid, AX
	SYSCALL
	MOVQ	AX, T_tid(R12)
known:
	MOVQ	T_fs(R12), AX
	SETFS
no:
	RET

// ownDone is the destructor of the C library's key on kernel threads of Go that are its own threads: DI = *thread.
TEXT ·ownDone(SB), NOSPLIT|NOFRAME, $0
	MOVQ	$0, T_mFS(DI)
	RET

// func getg() uintptr
TEXT ·getg(SB), NOSPLIT, $0-8
	MOVQ	(TLS), AX
	MOVQ	AX, ret+0(FP)
	RET

// func threadPointer() uintptr
TEXT ·threadPointer(SB), NOSPLIT, $8-8
	CMPB	·haveFSGSBASE(SB), $0
	JEQ	sys
	RDFSBASEQ AX
	MOVQ	AX, ret+0(FP)
	RET
sys:
	MOVQ	SP, SI
	MOVQ	$ARCH_GET_FS, DI
	MOVQ	$SYS_arch_prctl, AX
	SYSCALL
	MOVQ	0(SP), AX
	MOVQ	AX, ret+0(FP)
	RET
