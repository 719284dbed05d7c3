#include "textflag.h"

// In a static executable debuggers look for these names, which have no package prefix. Where the executable is linked with a C
// library that defines them too, those of the library are meant; with an external linker these are local symbols.

// struct r_debug
GLOBL _r_debug(SB), NOPTR, $48

// _dl_debug_state is where a debugger has its breakpoint.
TEXT _dl_debug_state(SB), NOSPLIT|NOFRAME, $0
	RET

// func notify()
TEXT ·notify(SB), NOSPLIT, $0
	CALL	_dl_debug_state(SB)
	RET

// func debugRecord() uintptr
TEXT ·debugRecord(SB), NOSPLIT, $0-8
	LEAQ	_r_debug(SB), AX
	MOVQ	AX, ret+0(FP)
	RET

// func stateFunction() uintptr
TEXT ·stateFunction(SB), NOSPLIT, $0-8
	LEAQ	_dl_debug_state(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
