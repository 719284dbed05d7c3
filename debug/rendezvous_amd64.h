// What both sets of names have in common.

// struct r_debug
GLOBL RECORD(SB), NOPTR, $48

// _dl_debug_state is where a debugger has its breakpoint.
TEXT STATE(SB), NOSPLIT|NOFRAME, $0
	RET

// func notify()
TEXT ·notify(SB), NOSPLIT, $0
	CALL	STATE(SB)
	RET

// func debugRecord() uintptr
TEXT ·debugRecord(SB), NOSPLIT, $0-8
	LEAQ	RECORD(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

// func stateFunction() uintptr
TEXT ·stateFunction(SB), NOSPLIT, $0-8
	LEAQ	STATE(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
