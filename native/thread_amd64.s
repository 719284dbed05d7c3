#include "textflag.h"
#include "gate_amd64.h"

// What runs on native threads beside calls: the handler of faults, the start routines of threads, and the start of the
// C library.

// faultReturn is where a fault in lent native code goes on once the signal handler has returned: back to Go, the
// thread in R12, its registers in t.gregs.
TEXT ·faultReturn(SB), NOSPLIT|NOFRAME, $0
	MOVL	$whyFault, R13
	JMP	·suspend(SB)

// fault is the handler of the synchronous signals (C convention: DI signal, SI siginfo, DX ucontext). A fault on a
// lent or foreign native thread is reported; any other goes to the handler that was there before, Go's.
TEXT ·fault(SB), NOSPLIT|NOFRAME, $0
	MOVQ	0(FS), AX
	TESTQ	AX, AX // Go's own thread pointer has no TCB behind it
	JEQ	chain
	WORDS(AX, CX)
	MOVQ	·magicSlot(SB), CX
	MOVQ	(AX)(CX*1), R8
	CMPQ	R8, ·magic(SB) // a TCB that weld knows nothing of
	JNE	chain
	MOVQ	·goAlive(SB), R8
	CMPL	(R8), $0
	JEQ	child
	MOVQ	·threadSlot(SB), CX
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

child:
	// A child that loaded code has forked has no Go to report to: the fault comes again, without a handler.
	SUBQ	$40, SP
	MOVQ	$0, 0(SP) // SIG_DFL
	MOVQ	$0, 8(SP)
	MOVQ	$0, 16(SP)
	MOVQ	$0, 24(SP)
	MOVQ	SP, SI
	XORL	DX, DX
	MOVQ	$8, R10
	MOVQ	$SYS_rt_sigaction, AX
	SYSCALL
	ADDQ	$40, SP
	RET

// restorer__sigaction ends a signal handler (sa_restorer). gdb takes a frame there for that of a signal handler only if the
// name has this word in it and the code is glibc's to the byte, as unwinders want it too; assemblers choose a shorter MOV
// from Go 1.27 on.
TEXT ·restorer__sigaction(SB), NOSPLIT|NOFRAME, $0
	BYTE	$0x48; BYTE $0xc7; BYTE $0xc0 // mov $SYS_rt_sigreturn, %rax, with the number as a word of 32 bits
	LONG	$SYS_rt_sigreturn
	SYSCALL
	INT	$3

// park is the start routine of the threads whose stack and TCB are lent (pthread_create; DI = *parking). It reports
// both, moves to a small stack of its own so that the big one is free, and sleeps for ever.
TEXT ·park(SB), NOSPLIT|NOFRAME, $0
	MOVQ	DI, BX
	MOVQ	0(FS), AX
	MOVQ	AX, P_fs(BX)
	LEAQ	-256(SP), AX
	ANDQ	$~15, AX
	MOVQ	AX, P_sp(BX)
	MOVQ	P_stack(BX), SP
	LEAQ	P_mask(BX), SI // all signals but those that the C library sends its own threads
	MOVQ	$2, DI // SIG_SETMASK
	XORL	DX, DX
	MOVQ	$8, R10
	MOVQ	$SYS_rt_sigprocmask, AX
	SYSCALL
	MOVL	$1, P_ready(BX) // parking.ready
	LEAQ	P_ready(BX), DI
	MOVQ	$FUTEX_WAKE_PRIVATE, SI
	MOVQ	$1, DX
	XORL	R10, R10
	MOVQ	$SYS_futex, AX
	SYSCALL
sleep:
	LEAQ	P_ready(BX), DI
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
	WORDS(AX, CX)
	MOVQ	·foreignSlot(SB), CX
	MOVQ	$1, (AX)(CX*1)
	MOVQ	·magicSlot(SB), CX // it has that already, unless its words are musl's (adopt.go)
	MOVQ	·magic(SB), DX
	MOVQ	DX, (AX)(CX*1)
	SUBQ	$8, SP
	MOVQ	·threadStartRecord(SB), R11
	CALL	·upcall(SB) // RAX: start routine, RDX: its argument
	ADDQ	$8, SP
	MOVQ	DX, DI
	JMP	AX

// threadEnd is the destructor of weld's key of thread-specific data (DI = value, the number of the round, from 1). It
// sets the next value, which asks for one more round, until there is none: only that goes on to Go.
TEXT ·threadEnd(SB), NOSPLIT|NOFRAME, $0
	CMPQ	DI, $lastRound
	JCC	last
	LEAQ	1(DI), SI
	MOVQ	·threadKey(SB), DI
	MOVQ	·threadSetSpecific(SB), AX
	JMP	AX
last:
	JMP	·upcall(SB)

// keepWord is the destructor of the keys of useKeys (DI = value): the word of the thread that its record names gets back
// the value.
TEXT ·keepWord(SB), NOSPLIT|NOFRAME, $0
	MOVQ	0(FS), AX
	WORDS(AX, CX)
	MOVQ	R_data(R11), CX
	MOVQ	DI, (AX)(CX*1)
	RET

// signalSelf stands in thunks of functions that signal the kernel thread of the C library's record (self.go), with up to four
// arguments: while the function runs the record names this one.
TEXT ·signalSelf(SB), NOSPLIT|NOFRAME, $0
	SUBQ	$signalSelfFrame, SP // 8 above a multiple of 16: the stack is aligned for the call
	MOVQ	CX, 0(SP)
	MOVQ	R11, 8(SP)
	MOVQ	$SYS_gettid, AX
	SYSCALL // changes CX and R11
	MOVQ	0(SP), CX
	MOVQ	8(SP), R11
	MOVQ	0(FS), R10
	ADDQ	·tidOffset(SB), R10
	MOVL	(R10), R8
	MOVL	AX, (R10)
	MOVQ	R10, 0(SP)
	MOVL	R8, 8(SP)
	MOVQ	R_data(R11), R11
	CALL	R11
	MOVQ	0(SP), R10
	MOVL	8(SP), R8
	MOVL	R8, (R10)
	ADDQ	$signalSelfFrame, SP
	RET

// signalSelfDone follows signalSelf.
TEXT ·signalSelfDone(SB), NOSPLIT|NOFRAME, $0
	INT	$3

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

// func entryPoints(p *[23]uintptr)
TEXT ·entryPoints(SB), NOSPLIT, $0-8
	MOVQ	p+0(FP), DI
	LEAQ	·upcall(SB), AX
	MOVQ	AX, 0(DI)
	LEAQ	·fault(SB), AX
	MOVQ	AX, 8(DI)
	LEAQ	·restorer__sigaction(SB), AX
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
	LEAQ	·orphanError(SB), AX
	MOVQ	AX, 88(DI)
	LEAQ	·orphanDie(SB), AX
	MOVQ	AX, 96(DI)
	LEAQ	·upcallThen(SB), AX
	MOVQ	AX, 104(DI)
	LEAQ	·plainStub(SB), AX
	MOVQ	AX, 112(DI)
	LEAQ	·entered(SB), AX
	MOVQ	AX, 120(DI)
	LEAQ	·keepWord(SB), AX
	MOVQ	AX, 128(DI)
	LEAQ	·threadEnd(SB), AX
	MOVQ	AX, 136(DI)
	LEAQ	·fromNative(SB), AX
	MOVQ	AX, 144(DI)
	LEAQ	·fromNativeDone(SB), AX
	MOVQ	AX, 152(DI)
	LEAQ	·lazyFixup(SB), AX
	MOVQ	AX, 160(DI)
	LEAQ	·signalSelf(SB), AX
	MOVQ	AX, 168(DI)
	LEAQ	·signalSelfDone(SB), AX
	MOVQ	AX, 176(DI)
	RET

