#include "textflag.h"
#include "gate_amd64.h"

// The signals of a program that runs in this process (signals.go).

// blockAll is the handler of a signal that is sent to each of Go's kernel threads once: when it returns, all signals
// are blocked there. It edits the mask in the ucontext (DX; <sys/ucontext.h>).
#define UC_sigmask 296
TEXT ·blockAll(SB), NOSPLIT|NOFRAME, $0
	MOVQ	$-1, UC_sigmask(DX)
	LOCK
	ADDL	$1, ·blockedThreads(SB)
	RET

// func dataSegment(p *[4]uintptr)
TEXT ·dataSegment(SB), NOSPLIT, $0-8
	MOVQ	p+0(FP), DI
	LEAQ	runtime·data(SB), AX // the linker's: cmd/link/internal/ld, (*Link).symtab
	MOVQ	AX, 0(DI)
	LEAQ	runtime·edata(SB), AX
	MOVQ	AX, 8(DI)
	LEAQ	runtime·rodata(SB), AX
	MOVQ	AX, 16(DI)
	LEAQ	runtime·erodata(SB), AX
	MOVQ	AX, 24(DI)
	RET

// sigEntry is where each signal that the program handles goes (DI signal, SI siginfo, DX ucontext), through the entry of
// the handler, whose record is in R11. On the program's threads it goes to the handler. On one of Go's, which know no TCB,
// it blocks all signals there for good and sends the signal to the process again.
TEXT ·sigEntry(SB), NOSPLIT|NOFRAME, $0
	MOVQ	0(FS), AX
	TESTQ	AX, AX
	JEQ	mine
	MOVQ	R_data(R11), AX
	JMP	AX
mine:
	MOVQ	$-1, UC_sigmask(DX)
	MOVQ	DI, R8
	MOVQ	$SYS_getpid, AX
	SYSCALL
	MOVQ	AX, DI
	MOVQ	R8, SI
	MOVQ	$SYS_kill, AX
	SYSCALL
	RET

// handlerEntry puts the entry of the handler SI in SI: what the kernel is to be told. A handler that has none yet gets a
// free one for good; when there are none left, one of the two of the signal DI (1 to 64): that which the kernel has not
// been told of last. Clobbers AX, CX, R8, R10.
TEXT ·handlerEntry(SB), NOSPLIT|NOFRAME, $0
	MOVQ	·handlerCode(SB), R8
	MOVQ	$(handlerFirst<<thunkShift), CX
next:
	LEAQ	(handlerHalf+R_data)(R8)(CX*1), R10
	XORL	AX, AX
	LOCK
	CMPXCHGQ SI, (R10)
	JEQ	found
	CMPQ	AX, SI
	JEQ	found
	ADDQ	$(1<<thunkShift), CX
	CMPQ	CX, $handlerHalf
	JNE	next
	MOVLQZX	DI, CX
	SHLQ	$(thunkShift+1), CX
	MOVQ	$(1<<thunkShift), AX
	LOCK
	XADDQ	AX, (handlerHalf+R_orphan)(R8)(CX*1)
	ANDQ	$(1<<thunkShift), AX
	ADDQ	AX, CX
	MOVQ	SI, (handlerHalf+R_data)(R8)(CX*1)
found:
	LEAQ	(R8)(CX*1), SI
	RET

// entryHandler puts the handler of the entry AX in AX; anything else stays. Clobbers CX, R8.
TEXT ·entryHandler(SB), NOSPLIT|NOFRAME, $0
	MOVQ	·handlerCode(SB), R8
	MOVQ	AX, CX
	SUBQ	R8, CX
	CMPQ	CX, $handlerHalf
	JCC	2(PC)
	MOVQ	(handlerHalf+R_data)(R8)(CX*1), AX
	RET

// programSigaction is sigaction(DI, SI, DX). struct sigaction is 152 bytes in both C libraries, the handler first.
#define sigactionSize 152
TEXT ·programSigaction(SB), NOSPLIT|NOFRAME, $0
	PUSHQ	BX
	PUSHQ	R12
	SUBQ	$sigactionSize, SP
	MOVQ	DX, BX
	LEAL	-1(DI), AX
	CMPL	AX, $64
	JCC	call // the C library refuses it
	TESTQ	SI, SI
	JEQ	call
	MOVQ	DI, R12
	MOVQ	SP, DI
	MOVQ	$(sigactionSize/8), CX
	CLD
	REP; MOVSQ
	MOVQ	R12, DI
	MOVQ	0(SP), SI
	CMPQ	SI, $1 // SIG_DFL, SIG_IGN
	JLS	copied
	CALL	·handlerEntry(SB)
	MOVQ	SI, 0(SP)
copied:
	MOVQ	SP, SI
call:
	MOVQ	·realSigaction(SB), AX
	CALL	AX
	TESTL	AX, AX
	JNE	done
	TESTQ	BX, BX
	JEQ	done
	MOVQ	0(BX), AX
	CALL	·entryHandler(SB)
	MOVQ	AX, 0(BX)
	XORL	AX, AX
done:
	ADDQ	$sigactionSize, SP
	POPQ	R12
	POPQ	BX
	RET

// SIGNAL is signal(DI, SI) and its kin, which differ in the flags they set: they return the handler there was. SIG_ERR,
// SIG_DFL, SIG_IGN and the SIG_HOLD of sigset (-1 to 2) are no handlers.
#define SIGNAL(real) \
	SUBQ	$8, SP \
	LEAL	-1(DI), AX \
	CMPL	AX, $64 \
	JCC	call \
	LEAQ	1(SI), AX \
	CMPQ	AX, $3 \
	JLS	call \
	CALL	·handlerEntry(SB) \
call: \
	MOVQ	real(SB), AX \
	CALL	AX \
	CALL	·entryHandler(SB) \
	ADDQ	$8, SP \
	RET

TEXT ·programSignal(SB), NOSPLIT|NOFRAME, $0
	SIGNAL(·realSignal)

TEXT ·programSysvSignal(SB), NOSPLIT|NOFRAME, $0
	SIGNAL(·realSysvSignal)

TEXT ·programSigset(SB), NOSPLIT|NOFRAME, $0
	SIGNAL(·realSigset)
