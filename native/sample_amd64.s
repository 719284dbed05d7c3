#include "textflag.h"
#include "gate_amd64.h"

// The handler of SIGPROF while a Sampler runs (sample.go).

// sampling (sample.go). TestSampleOffsets compares these with the Go type.
#define Q_ring    0
#define Q_size    8
#define Q_head    16
#define Q_tail    24
#define Q_next    32
#define Q_limit   40
#define Q_markers 48
#define Q_lost    56
#define Q_chained 64

// sampleRecord (sample.go)
#define E_head    0
#define E_id      8
#define E_bytes   16
#define E_goSP    24
#define E_code    32
#define E_regs    40
#define E_stack   192

#define sampleStack 16384
#define sampleDone  1
#define samplePad   2

// <sys/ucontext.h>: gregs[i] of a ucontext_t; <asm-generic/siginfo.h>: si_code
#define UC_greg(i) (40+8*(i))
#define G_RSP 15
#define G_RIP 16
#define SI_code 8

// The frame of sample: 104 bytes, so that the call below is aligned.
#define K_signal 0
#define K_info   8
#define K_ctx    16
#define K_rip    24
#define K_rsp    32
#define K_goSP   40
#define K_id     48

// sample is the handler (C convention: DI signal, SI siginfo, DX ucontext). It stands in front of the one that was there,
// Go's, which gets every signal. Where native code was interrupted, on a thread that is lent or one that loaded code made,
// it puts a record in the ring, and shows Go another place for the time of the call: the marker of the record, as if the
// gate had called that where it went to native code. So Go's profiler finds the goroutine's frames and labels, and names
// the record as their leaf.
//
// Anything may be interrupted, the gate as well: T_goSP is not 0 from before native code runs to after, and where it is
// not, Go's thread pointer and stack are Go's business.
TEXT ·sample(SB), NOSPLIT|NOFRAME, $0
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
	XORL	R9, R9 // the Go side
	MOVQ	$sampleStack, R12 // most bytes of stack to copy
	MOVQ	·threadSlot(SB), CX
	MOVQ	(AX)(CX*1), R8
	TESTQ	R8, R8
	JEQ	notlent
	MOVQ	T_goSP(R8), R9
	TESTQ	R9, R9 // Go code on a kernel thread that wears a native thread
	JEQ	chain
	MOVQ	T_sp(R8), CX // the call's frames end there
	SUBQ	UC_greg(G_RSP)(DX), CX
	CMPQ	CX, R12
	JAE	take // another stack, or more than fits
	MOVQ	CX, R12
	JMP	take
notlent:
	MOVQ	·foreignSlot(SB), CX
	CMPQ	(AX)(CX*1), $1
	JNE	chain

take:
	SUBQ	$104, SP
	MOVQ	DI, K_signal(SP)
	MOVQ	SI, K_info(SP)
	MOVQ	DX, K_ctx(SP)
	MOVQ	R9, K_goSP(SP)
	MOVQ	$0, K_id(SP)
	MOVL	$1, AX
	LEAQ	·sampling(SB), R15
	LOCK
	XADDQ	AX, Q_next(R15)
	CMPQ	AX, Q_limit(R15)
	JAE	lost
	MOVQ	AX, K_id(SP)

	// How much of the stack can be read: rt_sigprocmask looks at a set before it refuses what to do with it.
	MOVQ	UC_greg(G_RSP)(DX), BX
	TESTQ	$7, BX
	JNE	nostack
	ANDQ	$~7, R12
	MOVQ	BX, R13
page:
	LEAQ	(BX)(R12*1), CX
	CMPQ	R13, CX
	JAE	reserve
	MOVQ	$-1, DI
	MOVQ	R13, SI
	XORL	DX, DX
	MOVQ	$8, R10
	MOVQ	$SYS_rt_sigprocmask, AX
	SYSCALL
	CMPQ	AX, $-14 // EFAULT
	JEQ	unreadable
	ANDQ	$~4095, R13
	ADDQ	$4096, R13
	JMP	page
nostack:
	XORL	R12, R12
	JMP	reserve
unreadable:
	MOVQ	R13, R12
	SUBQ	BX, R12

	// Room in the ring: R14 bytes, in one piece.
reserve:
	LEAQ	(E_stack+63)(R12), R14
	ANDQ	$~63, R14
again:
	MOVQ	Q_head(R15), AX
	MOVQ	Q_size(R15), CX
	LEAQ	-1(CX), SI
	ANDQ	AX, SI // place of the head
	MOVQ	CX, DI
	SUBQ	SI, DI // to the end of the ring
	XORL	R8, R8
	CMPQ	DI, R14
	JAE	fits
	MOVQ	DI, R8 // which stays empty
fits:
	LEAQ	(AX)(R8*1), R9
	ADDQ	R14, R9
	MOVQ	R9, R10
	SUBQ	Q_tail(R15), R10
	CMPQ	R10, CX
	JHI	lost // full; the id remains without a record
	LOCK
	CMPXCHGQ R9, Q_head(R15)
	JNE	again
	MOVQ	Q_ring(R15), DI
	ADDQ	DI, SI
	TESTQ	R8, R8
	JEQ	fill
	ORQ	$(sampleDone|samplePad), R8
	MOVQ	R8, E_head(SI)
	MOVQ	DI, SI
fill:
	MOVQ	SI, R8
	MOVQ	K_id(SP), AX
	MOVQ	AX, E_id(R8)
	MOVQ	R12, E_bytes(R8)
	MOVQ	K_goSP(SP), AX
	MOVQ	AX, E_goSP(R8)
	MOVQ	K_info(SP), SI
	MOVLQSX	SI_code(SI), AX
	MOVQ	AX, E_code(R8)
	CLD
	MOVQ	K_ctx(SP), SI
	ADDQ	$UC_greg(0), SI
	LEAQ	E_regs(R8), DI
	MOVQ	$17, CX
	REP; MOVSQ
	MOVQ	BX, SI
	LEAQ	E_stack(R8), DI
	MOVQ	R12, CX
	SHRQ	$3, CX
	REP; MOVSQ
	ORQ	$sampleDone, R14
	MOVQ	R14, E_head(R8) // it is complete; stores stay in order
	JMP	show
lost:
	LOCK
	ADDQ	$1, Q_lost(R15)

show:
	MOVQ	K_ctx(SP), DX
	MOVQ	UC_greg(G_RIP)(DX), AX
	MOVQ	AX, K_rip(SP)
	MOVQ	UC_greg(G_RSP)(DX), AX
	MOVQ	AX, K_rsp(SP)
	MOVQ	K_id(SP), AX
	SHLQ	$1, AX
	ADDQ	Q_markers(R15), AX
	INCQ	AX
	MOVQ	AX, UC_greg(G_RIP)(DX)
	MOVQ	K_goSP(SP), AX
	TESTQ	AX, AX
	JEQ	nogo
	MOVQ	AX, UC_greg(G_RSP)(DX)
nogo:
	MOVQ	K_signal(SP), DI
	MOVQ	K_info(SP), SI
	MOVQ	Q_chained(R15), AX
	CALL	AX
	MOVQ	K_ctx(SP), DX
	MOVQ	K_rip(SP), AX
	MOVQ	AX, UC_greg(G_RIP)(DX)
	MOVQ	K_rsp(SP), AX
	MOVQ	AX, UC_greg(G_RSP)(DX)
	ADDQ	$104, SP
	RET

chain:
	MOVQ	·sampling+Q_chained(SB), AX
	JMP	AX

child:
	RET // a child that loaded code has forked: it has no profile

// func sampleEntry() uintptr
TEXT ·sampleEntry(SB), NOSPLIT, $0-8
	LEAQ	·sample(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
