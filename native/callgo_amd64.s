#include "textflag.h"
#include "funcdata.h"
#include "gate_amd64.h"

// CALLGO calls the Go func value fn with the registers of f, as compiled Go would, and puts the result registers
// back into f. The stack-assigned arguments are copied to the frame's outgoing area, the results back from it.
#define CALLGO \
	NO_LOCAL_POINTERS \
	MOVQ	f+8(FP), R12 \
	MOVQ	n+16(FP), CX \
	MOVQ	192(R12), SI \
	MOVQ	SP, DI \
	CLD \
	REP; MOVSQ \
	MOVQ	fn+0(FP), DX \
	MOVQ	0(R12), AX \
	MOVQ	8(R12), BX \
	MOVQ	16(R12), CX \
	MOVQ	24(R12), DI \
	MOVQ	32(R12), SI \
	MOVQ	40(R12), R8 \
	MOVQ	48(R12), R9 \
	MOVQ	56(R12), R10 \
	MOVQ	64(R12), R11 \
	MOVSD	72(R12), X0 \
	MOVSD	80(R12), X1 \
	MOVSD	88(R12), X2 \
	MOVSD	96(R12), X3 \
	MOVSD	104(R12), X4 \
	MOVSD	112(R12), X5 \
	MOVSD	120(R12), X6 \
	MOVSD	128(R12), X7 \
	MOVSD	136(R12), X8 \
	MOVSD	144(R12), X9 \
	MOVSD	152(R12), X10 \
	MOVSD	160(R12), X11 \
	MOVSD	168(R12), X12 \
	MOVSD	176(R12), X13 \
	MOVSD	184(R12), X14 \
	XORPS	X15, X15 \
	MOVQ	(TLS), R14 \
	MOVQ	(DX), R12 \
	CALL	R12 \
	MOVQ	f+8(FP), R12 \
	MOVQ	AX, 0(R12) \
	MOVQ	BX, 8(R12) \
	MOVSD	X0, 72(R12) \
	MOVSD	X1, 80(R12) \
	MOVQ	CX, 16(R12) \
	MOVQ	DI, 24(R12) \
	MOVQ	SI, 32(R12) \
	MOVQ	R8, 40(R12) \
	MOVQ	R9, 48(R12) \
	MOVQ	R10, 56(R12) \
	MOVQ	R11, 64(R12) \
	MOVSD	X2, 88(R12) \
	MOVSD	X3, 96(R12) \
	MOVSD	X4, 104(R12) \
	MOVSD	X5, 112(R12) \
	MOVSD	X6, 120(R12) \
	MOVSD	X7, 128(R12) \
	MOVSD	X8, 136(R12) \
	MOVSD	X9, 144(R12) \
	MOVSD	X10, 152(R12) \
	MOVSD	X11, 160(R12) \
	MOVSD	X12, 168(R12) \
	MOVSD	X13, 176(R12) \
	MOVSD	X14, 184(R12) \
	MOVQ	n+16(FP), CX \
	MOVQ	192(R12), DI \
	MOVQ	SP, SI \
	CLD \
	REP; MOVSQ \
	RET

// func callGo(fn unsafe.Pointer, f *abi.GoFrame, n uintptr)
// The spill area for register arguments comes after the stack-assigned ones: 9+15 words.
TEXT ·callGo(SB), 0, $256-24
	GO_ARGS
	CALLGO

// bigStack in thunk.go and the same spill area.
TEXT ·callGoBig(SB), 0, $4544-24
	GO_ARGS
	CALLGO

// func callDirect(fn unsafe.Pointer, f *upframe)
// The frame is the spill area.
TEXT ·callDirect(SB), 0, $112-16
	GO_ARGS
	NO_LOCAL_POINTERS
	MOVQ	f+8(FP), R12
	MOVQ	fn+0(FP), DX
	MOVQ	(C_Int+0)(R12), AX
	MOVQ	(C_Int+8)(R12), BX
	MOVQ	(C_Int+16)(R12), CX
	MOVQ	(C_Int+24)(R12), DI
	MOVQ	(C_Int+32)(R12), SI
	MOVQ	(C_Int+40)(R12), R8
	MOVSD	(C_Float+0)(R12), X0
	MOVSD	(C_Float+8)(R12), X1
	MOVSD	(C_Float+16)(R12), X2
	MOVSD	(C_Float+24)(R12), X3
	MOVSD	(C_Float+32)(R12), X4
	MOVSD	(C_Float+40)(R12), X5
	MOVSD	(C_Float+48)(R12), X6
	MOVSD	(C_Float+56)(R12), X7
	MOVQ	(TLS), R14
	XORPS	X15, X15
	MOVQ	(DX), R12
	CALL	R12
	MOVQ	f+8(FP), R12
	MOVQ	AX, C_Ret(R12)
	MOVSD	X0, C_FRet(R12)
	RET
