#include "textflag.h"
#include "gate_amd64.h"

// What a program needs that runs in this process (program.go): a start that lets nothing of Go's show, the gate with the
// program's signal mask on one side only, and what its code calls instead of the C library's functions. Those (others
// are in signals_amd64.s) are C functions without Go: they work in signal handlers, between fork and exec, and in
// children of fork.

// _weld_start is the entry point of the weld command: it comes before the Go runtime. Where the process is to run a
// program, that is, if its first argument is "run" or the kernel has started it as the interpreter of another one
// (AT_ENTRY), it notes what Go is going to change, blocks all signals, which all of Go's kernel threads inherit, and hides
// the variables that the Go runtime takes orders from (Environ puts them right).
TEXT _weld_start(SB), NOSPLIT|NOFRAME, $0
	MOVQ	SP, BX
	MOVQ	DX, R13
	MOVQ	0(BX), AX // argc
	LEAQ	16(BX)(AX*8), CX // envp
environ:
	MOVQ	0(CX), AX
	ADDQ	$8, CX
	TESTQ	AX, AX
	JNE	environ
auxv:
	MOVQ	0(CX), AX
	TESTQ	AX, AX
	JEQ	command
	ADDQ	$16, CX
	CMPQ	AX, $9 // AT_ENTRY
	JNE	auxv
	LEAQ	_weld_start(SB), AX
	CMPQ	-8(CX), AX
	JEQ	command
	MOVL	$1, ·startState+S_interpreter(SB) // the arguments are the program's
	JMP	note
command:
	CMPQ	0(BX), $2
	JLT	start
	MOVQ	16(BX), DX
	CMPL	0(DX), $0x6e7572 // "run"
	JNE	start
note:
	LEAQ	·startState(SB), R12
	MOVL	$1, S_started(R12)
	MOVQ	BX, S_sp(R12)
	LEAQ	·allSignals(SB), SI
	LEAQ	S_mask(R12), DX
	CALL	·setMask(SB)
	SUBQ	$32, SP // a kernel sigaction
	MOVQ	$1, R14
next:
	MOVQ	R14, DI
	XORL	SI, SI
	MOVQ	SP, DX
	MOVQ	$8, R10
	MOVQ	$SYS_rt_sigaction, AX
	SYSCALL
	CMPQ	0(SP), $1 // SIG_IGN
	JNE	other
	LEAQ	-1(R14), CX
	BTSQ	CX, S_ignored(R12)
other:
	INCQ	R14
	CMPQ	R14, $65
	JNE	next
	ADDQ	$32, SP
	MOVQ	0(BX), AX
	LEAQ	16(BX)(AX*8), CX
variable:
	MOVQ	0(CX), AX
	ADDQ	$8, CX
	TESTQ	AX, AX
	JEQ	limit
	CMPW	0(AX), $0x4f47 // "GO"
	JNE	variable
	MOVB	$1, 0(AX) // hidden
	JMP	variable
limit:
	XORL	DI, DI // this process
	MOVQ	$9, SI // RLIMIT_AS
	XORL	DX, DX
	LEAQ	S_nofile(R12), R10 // for the moment
	MOVQ	$SYS_prlimit64, AX
	SYSCALL
	MOVQ	·leastSpace(SB), AX
	CMPQ	S_nofile(R12), AX
	JCS	tight
	XORL	DI, DI
	MOVQ	$7, SI // RLIMIT_NOFILE
	XORL	DX, DX
	LEAQ	S_nofile(R12), R10
	MOVQ	$SYS_prlimit64, AX
	SYSCALL
	XORL	R14, R14
std:
	MOVQ	R14, DI
	MOVQ	$1, SI // F_GETFD
	MOVQ	$SYS_fcntl, AX
	SYSCALL
	TESTQ	AX, AX
	JGE	open
	BTSQ	R14, S_closed(R12)
open:
	INCQ	R14
	CMPQ	R14, $3
	JNE	std
	JMP	start
tight:
	MOVQ	$2, DI
	MOVQ	·noSpace+0(SB), SI
	MOVQ	·noSpace+8(SB), DX
	MOVQ	$1, AX // write
	SYSCALL
	MOVQ	$126, DI
	MOVQ	$231, AX // exit_group
	SYSCALL
start:
	MOVQ	BX, SP
	MOVQ	R13, DX
	JMP	_rt0_amd64_linux(SB)

// setMask is rt_sigprocmask(SIG_SETMASK, SI, DX). Clobbers AX, CX, DI, R10, R11.
TEXT ·setMask(SB), NOSPLIT|NOFRAME, $0
	MOVQ	$SIG_SETMASK, DI
	MOVQ	$8, R10
	MOVQ	$SYS_rt_sigprocmask, AX
	SYSCALL
	RET

// mask blocks all signals before Go runs on the kernel thread that runs R12, and keeps what was blocked. It is called
// on R12's stack. Clobbers CX, DI, SI, R10, R11.
TEXT ·mask(SB), NOSPLIT|NOFRAME, $0
	PUSHQ	AX
	PUSHQ	DX
	LEAQ	·allSignals(SB), SI
	LEAQ	T_mask(R12), DX
	CALL	·setMask(SB)
	POPQ	DX
	POPQ	AX
	RET

// unmask is called when the kernel thread is on R12's stack and has its thread pointer: handlers may run from here on.
// It keeps all registers.
TEXT ·unmask(SB), NOSPLIT|NOFRAME, $0
	PUSHQ	AX
	PUSHQ	CX
	PUSHQ	DX
	PUSHQ	SI
	PUSHQ	DI
	PUSHQ	R10
	PUSHQ	R11
	LEAQ	T_mask(R12), SI
	XORL	DX, DX
	CALL	·setMask(SB)
	POPQ	R11
	POPQ	R10
	POPQ	DI
	POPQ	SI
	POPQ	DX
	POPQ	CX
	POPQ	AX
	RET

// enterGuarded is enter for a thread that runs with the program's signal mask. It is not worn.
TEXT ·enterGuarded(SB), NOSPLIT|NOFRAME, $0
	MOVQ	SP, T_goSP(R12)
	MOVQ	BP, T_goBP(R12)
	MOVQ	R10, SP
	LOADCONTROL
	CALL	·unmask(SB)
	XORL	BP, BP
	CALL	R11
	CALL	·mask(SB)
	STMXCSR	T_mxcsr(R12)
	CALL	·goControl(SB)
	MOVQ	AX, T_ret+0(R12)
	MOVQ	DX, T_ret+8(R12)
	MOVQ	T_goFS(R12), AX
	CALL	·setFS(SB)
	MOVQ	T_ret+0(R12), AX
	MOVQ	T_ret+8(R12), DX
	MOVQ	T_goSP(R12), SP
	MOVQ	T_goBP(R12), BP
	MOVQ	$0, T_goSP(R12)
	XORL	R13, R13 // whyDone
	RET

// func gateProgram(t *thread, entry, sp, fini uintptr)
//
// gateProgram jumps to the entry point of a program on t, as the kernel and then ld.so would (psABI 3.4.1): sp is the
// address of argc, fini goes to RDX. It returns as gate does.
TEXT ·gateProgram(SB), NOSPLIT, $0-32
	MOVQ	t+0(FP), R12
	MOVQ	entry+8(FP), R11
	MOVQ	sp+16(FP), R10
	MOVQ	fini+24(FP), DX
	CALL	·enterProgram(SB)
	MOVQ	R13, T_why(R12)
	RET

TEXT ·enterProgram(SB), NOSPLIT|NOFRAME, $0
	MOVQ	SP, T_goSP(R12)
	MOVQ	BP, T_goBP(R12)
	CALL	·switchIn(SB)
	MOVQ	R10, SP
	LOADCONTROL
	CALL	·unmask(SB)
	XORL	BP, BP
	JMP	·atEntry(SB)

// atEntry jumps to R11 with what a program finds in registers but BP. Only RDX has a meaning.
TEXT ·atEntry(SB), NOSPLIT|NOFRAME, $0
	XORL	AX, AX
	XORL	BX, BX
	XORL	CX, CX
	XORL	SI, SI
	XORL	DI, DI
	XORL	R8, R8
	XORL	R9, R9
	XORL	R10, R10
	XORL	R12, R12
	XORL	R13, R13
	XORL	R14, R14
	XORL	R15, R15
	JMP	R11

// func jumpProgram(entry, sp uintptr, mask *uint64)
//
// jumpProgram jumps to the entry point of a static program. This kernel thread does not come back to Go.
TEXT ·jumpProgram(SB), NOSPLIT|NOFRAME, $0-24
	MOVQ	BP, ·bootState+8(SB)
	MOVQ	entry+0(FP), R12
	MOVQ	mask+16(FP), R13
	MOVQ	sp+8(FP), BX
	XORL	SI, SI
	MOVQ	$ARCH_SET_FS, DI
	MOVQ	$SYS_arch_prctl, AX
	SYSCALL
	MOVQ	BX, SP
	MOVQ	R13, SI
	XORL	DX, DX
	CALL	·setMask(SB)
	FLDCW	·goFPCW(SB)
	LDMXCSR	·goMXCSR(SB) // no exception has been raised yet
	MOVQ	R12, R11
	XORL	DX, DX
	XORL	BP, BP
	JMP	·atEntry(SB)

// programCreate is pthread_create(DI, SI, DX, CX): the new thread begins in programStarted, with a block of the C
// library's memory that says where to go on.
#define attrSize 56 // of pthread_attr_t, in both C libraries
TEXT ·programCreate(SB), NOSPLIT|NOFRAME, $0
	PUSHQ	BX
	PUSHQ	R12
	PUSHQ	R13
	PUSHQ	R14
	PUSHQ	R15
	MOVQ	DI, R12
	MOVQ	SI, R13
	MOVQ	DX, R14
	MOVQ	CX, R15
	MOVQ	$16, DI
	MOVQ	·realMalloc(SB), AX
	CALL	AX
	MOVQ	AX, BX
	MOVL	$11, AX // EAGAIN
	TESTQ	BX, BX
	JEQ	end
	MOVQ	R14, 0(BX)
	MOVQ	R15, 8(BX)
	SUBQ	$(attrSize+24), SP
	TESTQ	R13, R13
	JEQ	create
	// The reserve takes its part of the stack. Of a small one that is too much: a copy of the attributes asks for it on
	// top, unless the program brings the stack: then the end of it is not 0.
	MOVQ	$0, attrSize(SP)
	MOVQ	$0, (attrSize+8)(SP)
	MOVQ	R13, DI
	LEAQ	attrSize(SP), SI // its address
	LEAQ	(attrSize+8)(SP), DX // its size
	MOVQ	·realGetStack(SB), AX
	CALL	AX
	TESTL	AX, AX
	JNE	own // musl: there is none
	MOVQ	attrSize(SP), CX
	ADDQ	(attrSize+8)(SP), CX
	JNE	create
own:
	MOVQ	R13, DI
	LEAQ	(attrSize+8)(SP), SI
	MOVQ	·realGetSize(SB), AX
	CALL	AX
	TESTL	AX, AX
	JNE	create
	MOVQ	·reserveBytes(SB), AX
	SHLQ	$2, AX
	CMPQ	(attrSize+8)(SP), AX
	JCC	create
	MOVQ	R13, SI
	MOVQ	SP, DI
	MOVQ	$(attrSize/8), CX
	CLD
	REP; MOVSQ
	MOVQ	SP, R13
	MOVQ	SP, DI
	MOVQ	(attrSize+8)(SP), SI
	ADDQ	·reserveBytes(SB), SI
	MOVQ	·realSetSize(SB), AX
	CALL	AX
create:
	MOVQ	R12, DI
	MOVQ	R13, SI
	LEAQ	·programStarted(SB), DX
	MOVQ	BX, CX
	MOVQ	·realCreate(SB), AX
	CALL	AX
	ADDQ	$(attrSize+24), SP
	TESTL	AX, AX
	JEQ	end
	MOVL	AX, R12
	MOVQ	BX, DI
	MOVQ	·realFree(SB), AX
	CALL	AX
	MOVL	R12, AX
end:
	POPQ	R15
	POPQ	R14
	POPQ	R13
	POPQ	R12
	POPQ	BX
	RET

// programCreate11 is thrd_create(DI, SI, DX); thrd_nomem is 3, thrd_error 2 in glibc, and the same in musl.
TEXT ·programCreate11(SB), NOSPLIT|NOFRAME, $0
	PUSHQ	BX
	PUSHQ	R12
	PUSHQ	R13
	PUSHQ	R14
	SUBQ	$8, SP
	MOVQ	DI, R12
	MOVQ	SI, R13
	MOVQ	DX, R14
	MOVQ	$16, DI
	MOVQ	·realMalloc(SB), AX
	CALL	AX
	MOVQ	AX, BX
	MOVL	$3, AX
	TESTQ	BX, BX
	JEQ	end
	MOVQ	R13, 0(BX)
	MOVQ	R14, 8(BX)
	MOVQ	R12, DI
	LEAQ	·programStarted(SB), SI
	MOVQ	BX, DX
	MOVQ	·realCreate11(SB), AX
	CALL	AX
	TESTL	AX, AX
	JEQ	end
	MOVL	AX, R12
	MOVQ	BX, DI
	MOVQ	·realFree(SB), AX
	CALL	AX
	MOVL	R12, AX
end:
	ADDQ	$8, SP
	POPQ	R14
	POPQ	R13
	POPQ	R12
	POPQ	BX
	RET

// programStarted is where a program's threads begin. It puts the thread's TCB on the list of fresh ones and goes on to
// the start routine. If the image of static TLS has changed since the C library gave the thread its copy, Go brings that
// up to date: the list comes first, so that either this or the one who changes the image sees the other.
TEXT ·programStarted(SB), NOSPLIT|NOFRAME, $0
	PUSHQ	BX
	PUSHQ	R12
	PUSHQ	R13
	MOVQ	DI, BX
	MOVQ	0(FS), R13
	MOVQ	·foreignSlot(SB), CX
	MOVQ	$1, (R13)(CX*1)
	MOVQ	·freshSlot(SB), CX
	MOVQ	·freshHead(SB), AX
push:
	MOVQ	AX, (R13)(CX*1)
	LOCK
	CMPXCHGQ R13, ·freshHead(SB)
	JNE	push
	MOVQ	·seqSlot(SB), CX
	MOVQ	(R13)(CX*1), AX
	CMPQ	AX, ·reserveSeq(SB)
	JEQ	current
	MOVQ	·threadStartRecord(SB), R11
	CALL	·upcall(SB)
current:
	MOVQ	·threadKey(SB), DI
	MOVQ	$1, SI
	MOVQ	·threadSetSpecific(SB), AX
	CALL	AX
	MOVQ	0(BX), R12
	MOVQ	8(BX), R13
	MOVQ	BX, DI
	MOVQ	·realFree(SB), AX
	CALL	AX
	MOVQ	R12, AX
	MOVQ	R13, DI
	POPQ	R13
	POPQ	R12
	POPQ	BX
	JMP	AX

// orphanError is dlerror where there is no Go to ask.
TEXT ·orphanError(SB), NOSPLIT|NOFRAME, $0
	MOVQ	·orphanMessage(SB), AX
	RET

// orphanDie ends a process that needs Go and has none.
TEXT ·orphanDie(SB), NOSPLIT|NOFRAME, $0
	MOVQ	$2, DI
	MOVQ	·orphanMessage(SB), SI
	MOVQ	·orphanLength(SB), DX
	MOVQ	$1, AX // write
	SYSCALL
	MOVQ	$127, DI
	MOVQ	$231, AX // exit_group
	SYSCALL
	INT	$3

// func programEntries(p *[16]uintptr)
TEXT ·programEntries(SB), NOSPLIT, $0-8
	MOVQ	p+0(FP), DI
	LEAQ	·blockAll(SB), AX
	MOVQ	AX, 0(DI)
	LEAQ	·programSigaction(SB), AX
	MOVQ	AX, 8(DI)
	LEAQ	·programSignal(SB), AX
	MOVQ	AX, 16(DI)
	LEAQ	·programSysvSignal(SB), AX
	MOVQ	AX, 24(DI)
	LEAQ	·programSigset(SB), AX
	MOVQ	AX, 32(DI)
	LEAQ	·programCreate(SB), AX
	MOVQ	AX, 40(DI)
	LEAQ	·programCreate11(SB), AX
	MOVQ	AX, 48(DI)
	LEAQ	·sigEntry(SB), AX
	MOVQ	AX, 56(DI)
	RET
