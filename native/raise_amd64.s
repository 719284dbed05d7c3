#include "textflag.h"
#include "gate_amd64.h"
#include "vector_amd64.h"

// The handler of signals that native code raises (raise.go).

// raiseFrame (raise.go). TestRaiseFrame compares these with the Go type.
#define B_signal 0
#define B_back   8
#define B_regs   16
#define raiseFrameSize 256

// <sys/ucontext.h>, <asm-generic/siginfo.h>
#define UC_greg(i) (40+8*(i))
#define B_greg(i) (B_regs+8*(i))
#define SI_code 8
#define SI_pid  16
#define SI_TKILL -6

#define SYS_tgkill 234

// A word of finishCall's frame (finish_amd64.s)
#define L_told 88

// raised is the handler (C convention: DI signal, SI siginfo, DX ucontext). A signal that native code has raised, or that an
// instruction of it has, makes it go on in raisedOn, which calls Go; any other goes to the handler that was there
// before, Go's.
TEXT ·raised(SB), NOSPLIT|NOFRAME, $0
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
	MOVQ	DI, R12
	MOVQ	·threadSlot(SB), CX
	MOVQ	(AX)(CX*1), R8
	TESTQ	R8, R8
	JEQ	notlent
	CMPQ	T_goSP(R8), $0 // Go code on a kernel thread that wears a native thread
	JEQ	chain
	JMP	native
notlent:
	MOVQ	·foreignSlot(SB), CX
	CMPQ	(AX)(CX*1), $0
	JEQ	chain

native:
	MOVQ	UC_greg(16)(DX), CX // RIP
	LEAQ	runtime·text(SB), AX
	CMPQ	CX, AX
	JCS	notgo
	LEAQ	runtime·etext(SB), AX
	CMPQ	CX, AX
	JCS	chain // Go, which ends the program in a handler of its own
notgo:
	CMPL	SI_code(SI), $0
	JGT	mine // an instruction
	CMPL	SI_code(SI), $SI_TKILL
	JNE	sent
	MOVQ	$SYS_getpid, AX
	SYSCALL
	CMPL	AX, SI_pid(SI)
	JNE	sent
mine:
	// The frame goes below the red zone and below this handler's own, which may be on the same stack.
	MOVQ	UC_greg(15)(DX), BX // RSP
	LEAQ	-128(BX), R9
	MOVQ	BX, CX
	SUBQ	SP, CX
	CMPQ	CX, $(64<<10)
	JAE	elsewhere
	LEAQ	-256(SP), R9
elsewhere:
	SUBQ	$raiseFrameSize, R9
	ANDQ	$~63, R9
	// Can it be written? The kernel tells without a fault.
	MOVQ	DX, R13
	XORL	DI, DI
	XORL	SI, SI
	LEAQ	-512(R9), DX
	MOVQ	$8, R10
	MOVQ	$SYS_rt_sigprocmask, AX
	SYSCALL
	MOVQ	R12, DI
	MOVQ	R13, DX
	CMPQ	AX, $-14 // EFAULT
	JEQ	chain
	MOVQ	DI, B_signal(R9)
	MOVQ	$0, B_back(R9)
	XORL	CX, CX
copy:
	MOVQ	UC_greg(0)(DX)(CX*8), AX
	MOVQ	AX, B_regs(R9)(CX*8)
	INCQ	CX
	CMPQ	CX, $23
	JLT	copy
	MOVQ	R9, UC_greg(15)(DX)
	LEAQ	·raisedOn(SB), AX
	MOVQ	AX, UC_greg(16)(DX)
	RET // through the restorer

sent:
	TESTQ	R8, R8
	JNE	lent
	// It was sent to the process and has come to a thread that Go does not know: on to the first one.
	MOVQ	$SYS_getpid, AX
	SYSCALL
	MOVQ	AX, DI
	MOVQ	AX, SI
	MOVQ	R12, DX
	MOVQ	$SYS_tgkill, AX
	SYSCALL
	RET
lent:
	// Go may end the program with a dump of the goroutine's stack, and relies on the stack pointer's being in it where the
	// scheduler does not know of the call. Of a direct entry that tells it, it is known that it does (TestEntryOrder), and
	// finishCall has noted it: there the stack pointer stays what it is, for debuggers.
	MOVQ	T_goSP(R8), AX
	MOVQ	(AX), CX
	LEAQ	·int0(SB), R9
	CMPQ	CX, R9
	JCS	untold
	LEAQ	·entries(SB), R9
	CMPQ	CX, R9
	JCS	chain
	LEAQ	·finishCall(SB), R9
	CMPQ	CX, R9
	JCS	untold
	LEAQ	·here(SB), R9
	CMPQ	CX, R9
	JCC	untold
	CMPQ	(8+L_told)(AX), $0
	JNE	chain
untold:
	PUSHQ	DX // not SUBQ: what the assembler knows of the stack pointer debuggers know
	PUSHQ	UC_greg(15)(DX)
	PUSHQ	$0
	MOVQ	T_goSP(R8), AX
	MOVQ	AX, UC_greg(15)(DX)
	MOVQ	·chained(SB), AX
	MOVQ	(AX)(DI*8), AX
	CALL	AX
	POPQ	AX
	POPQ	AX
	POPQ	DX
	MOVQ	AX, UC_greg(15)(DX)
	RET

chain:
	MOVQ	·chained(SB), AX
	MOVQ	(AX)(DI*8), AX
	JMP	AX

child:
	// A child that loaded code has forked has no Go: the signal does what it does without a handler.
	MOVQ	DI, R12
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
	MOVQ	$SYS_getpid, AX
	SYSCALL
	MOVQ	AX, DI
	MOVQ	R12, SI
	MOVQ	$SYS_kill, AX
	SYSCALL
	ADDQ	$40, SP
	RET

// raisedOn is where native code that has raised a signal goes on, with a raiseFrame at SP. When Go has seen to it, all
// registers are what they were, and native code goes on where it was.
TEXT ·raisedOn(SB), NOSPLIT|NOFRAME, $0
	MOVQ	SP, DI
	SAVEVECTOR
	MOVQ	·raisedRecord(SB), R11
	CALL	·upcall(SB)
	RESTOREVECTOR
	MOVQ	B_greg(15)(SP), AX
	MOVQ	B_greg(16)(SP), CX
	LEAQ	-136(AX), AX // below the red zone
	MOVQ	CX, (AX)
	MOVQ	AX, B_back(SP)
	PUSHQ	B_greg(17)(SP) // flags
	POPFQ
	MOVQ	B_greg(0)(SP), R8
	MOVQ	B_greg(1)(SP), R9
	MOVQ	B_greg(2)(SP), R10
	MOVQ	B_greg(3)(SP), R11
	MOVQ	B_greg(4)(SP), R12
	MOVQ	B_greg(5)(SP), R13
	MOVQ	B_greg(6)(SP), R14
	MOVQ	B_greg(7)(SP), R15
	MOVQ	B_greg(8)(SP), DI
	MOVQ	B_greg(9)(SP), SI
	PUSHQ	B_greg(10)(SP)
	POPQ	BP
	MOVQ	B_greg(11)(SP), BX
	MOVQ	B_greg(12)(SP), DX
	MOVQ	B_greg(13)(SP), AX
	MOVQ	B_greg(14)(SP), CX
	MOVQ	B_back(SP), SP
	BYTE	$0xc2; BYTE $0x80; BYTE $0x00 // RET $128: over the red zone

// func raisedEntry() uintptr
TEXT ·raisedEntry(SB), NOSPLIT, $0-8
	LEAQ	·raised(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
