#include "textflag.h"
#include "funcdata.h"

#define STORE_REGS(base) \
	MOVQ AX, (base+0)(R12); \
	MOVQ BX, (base+8)(R12); \
	MOVQ CX, (base+16)(R12); \
	MOVQ DI, (base+24)(R12); \
	MOVQ SI, (base+32)(R12); \
	MOVQ R8, (base+40)(R12); \
	MOVQ R9, (base+48)(R12); \
	MOVQ R10, (base+56)(R12); \
	MOVQ R11, (base+64)(R12); \
	MOVSD X0, (base+72)(R12); \
	MOVSD X1, (base+80)(R12); \
	MOVSD X2, (base+88)(R12); \
	MOVSD X3, (base+96)(R12); \
	MOVSD X4, (base+104)(R12); \
	MOVSD X5, (base+112)(R12); \
	MOVSD X6, (base+120)(R12); \
	MOVSD X7, (base+128)(R12); \
	MOVSD X8, (base+136)(R12); \
	MOVSD X9, (base+144)(R12); \
	MOVSD X10, (base+152)(R12); \
	MOVSD X11, (base+160)(R12); \
	MOVSD X12, (base+168)(R12); \
	MOVSD X13, (base+176)(R12); \
	MOVSD X14, (base+184)(R12)

#define LOAD_REGS(base) \
	MOVQ (base+0)(R12), AX; \
	MOVQ (base+8)(R12), BX; \
	MOVQ (base+16)(R12), CX; \
	MOVQ (base+24)(R12), DI; \
	MOVQ (base+32)(R12), SI; \
	MOVQ (base+40)(R12), R8; \
	MOVQ (base+48)(R12), R9; \
	MOVQ (base+56)(R12), R10; \
	MOVQ (base+64)(R12), R11; \
	MOVSD (base+72)(R12), X0; \
	MOVSD (base+80)(R12), X1; \
	MOVSD (base+88)(R12), X2; \
	MOVSD (base+96)(R12), X3; \
	MOVSD (base+104)(R12), X4; \
	MOVSD (base+112)(R12), X5; \
	MOVSD (base+120)(R12), X6; \
	MOVSD (base+128)(R12), X7; \
	MOVSD (base+136)(R12), X8; \
	MOVSD (base+144)(R12), X9; \
	MOVSD (base+152)(R12), X10; \
	MOVSD (base+160)(R12), X11; \
	MOVSD (base+168)(R12), X12; \
	MOVSD (base+176)(R12), X13; \
	MOVSD (base+184)(R12), X14

// probe is entered with the registers of Go's internal convention, which only
// the code of a closure can be outside the runtime.
TEXT ·probe(SB), NOSPLIT|NOFRAME, $0-0
	LEAQ ·In(SB), R12
	STORE_REGS(0)
	CLD
	MOVQ ·StackLen(SB), CX
	LEAQ 8(SP), SI
	LEAQ ·InStack(SB), DI
	REP; MOVSB
	MOVQ ·ResultLen(SB), CX
	LEAQ ·OutStack(SB), SI
	LEAQ 8(SP), DI
	ADDQ ·ResultOff(SB), DI
	REP; MOVSB
	LEAQ ·Out(SB), R12
	LOAD_REGS(0)
	RET

// func probePC() uintptr
TEXT ·probePC(SB), NOSPLIT, $0-8
	LEAQ ·probe(SB), AX
	MOVQ AX, ret+0(FP)
	RET

// func Call(fn unsafe.Pointer, regs *Regs, stack unsafe.Pointer, n uintptr)
// The frame holds the stack area (MaxStack) and room to spill registers.
TEXT ·Call(SB), 0, $5120-32
	NO_LOCAL_POINTERS
	CLD
	MOVQ stack+16(FP), SI
	MOVQ n+24(FP), CX
	MOVQ SP, DI
	REP; MOVSB
	MOVQ regs+8(FP), R12
	LOAD_REGS(0)
	MOVQ (TLS), R14
	XORPS X15, X15
	MOVQ fn+0(FP), DX
	MOVQ (DX), R13
	CALL R13
	MOVQ regs+8(FP), R12
	STORE_REGS(0)
	CLD
	MOVQ SP, SI
	MOVQ stack+16(FP), DI
	MOVQ n+24(FP), CX
	REP; MOVSB
	RET
