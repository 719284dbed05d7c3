#include "textflag.h"

// func valgrindRequest(args *[6]uintptr) uintptr
//
// valgrindRequest makes a client request of valgrind (valgrind.h): instructions that do nothing by themselves and that it
// knows, with the address of the request in AX; what DX is then is the answer, and 0 outside of it.
TEXT ·valgrindRequest(SB), NOSPLIT, $0-16
	MOVQ	args+0(FP), AX
	XORL	DX, DX
	ROLQ	$3, DI
	ROLQ	$13, DI
	ROLQ	$61, DI
	ROLQ	$51, DI
	BYTE	$0x48; BYTE $0x87; BYTE $0xdb // xchg %rbx, %rbx
	MOVQ	DX, ret+8(FP)
	RET
