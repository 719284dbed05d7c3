#include "textflag.h"
#include "forked_amd64.h"

// orphanFail is a C function that returns -1.
TEXT ·orphanFail(SB), NOSPLIT|NOFRAME, $0
	MOVQ	$-1, AX
	RET

// forkedChild is what fork calls in the child (pthread_atfork). There may be no Go here. Each range of the table becomes anonymous
// memory with the same bytes, by one call of the kernel; where there is no memory for that the range can be used no more.
// Then the parent, which waits, is told.
TEXT ·forkedChild(SB), NOSPLIT|NOFRAME, $0
	PUSHQ	BX
	PUSHQ	R12
	PUSHQ	R13
	PUSHQ	R14
	PUSHQ	R15
	CLD
	MOVQ	·forkTableAt(SB), BX
	TESTQ	BX, BX
	JEQ	out
	MOVQ	$0, ·forkTableAt(SB)
	MOVQ	T_n(BX), R12
	LEAQ	T_list(BX), R13
next:
	TESTQ	R12, R12
	JEQ	tell
	XORL	DI, DI
	MOVQ	C_size(R13), SI
	MOVQ	$(PROT_READ|PROT_WRITE), DX
	MOVQ	$(MAP_PRIVATE|MAP_ANONYMOUS|MAP_POPULATE), R10
	MOVQ	$-1, R8
	XORL	R9, R9
	MOVQ	$SYS_mmap, AX
	SYSCALL
	CMPQ	AX, $-4096 // an error is from -4095 on
	JHI	lost
	MOVQ	AX, R15
	MOVQ	AX, DI
	MOVQ	C_addr(R13), SI
	MOVQ	C_size(R13), CX
	SHRQ	$3, CX // whole pages
	REP
	MOVSQ
	MOVQ	R15, DI
	MOVQ	C_size(R13), SI
	MOVQ	C_prot(R13), DX
	MOVQ	$SYS_mprotect, AX
	SYSCALL
	MOVQ	R15, DI
	MOVQ	C_size(R13), SI
	MOVQ	SI, DX
	MOVQ	$(MREMAP_MAYMOVE|MREMAP_FIXED), R10
	MOVQ	C_addr(R13), R8
	MOVQ	$SYS_mremap, AX
	SYSCALL
	CMPQ	AX, $-4096
	JLS	done
lost:
	MOVQ	C_addr(R13), DI
	MOVQ	C_size(R13), SI
	XORL	DX, DX
	MOVQ	$SYS_mprotect, AX
	SYSCALL
done:
	ADDQ	$C_bytes, R13
	DECQ	R12
	JMP	next
tell:
	MOVQ	T_writer(BX), DI
	TESTQ	DI, DI
	JLT	out
	MOVQ	BX, SI // any byte
	MOVQ	$1, DX
	MOVQ	$SYS_write, AX
	SYSCALL
	MOVQ	T_writer(BX), DI
	MOVQ	$SYS_close, AX
	SYSCALL
	MOVQ	T_reader(BX), DI
	MOVQ	$SYS_close, AX
	SYSCALL
out:
	POPQ	R15
	POPQ	R14
	POPQ	R13
	POPQ	R12
	POPQ	BX
	RET

// func forkEntries(p *[2]uintptr)
TEXT ·forkEntries(SB), NOSPLIT, $0-8
	MOVQ	p+0(FP), DI
	LEAQ	·orphanFail(SB), AX
	MOVQ	AX, 0(DI)
	LEAQ	·forkedChild(SB), AX
	MOVQ	AX, 8(DI)
	RET
