// SAVEVECTOR saves the vector, mask and x87 state below SP, aligned as XSAVE wants it; the old SP goes to BX, which
// the caller has saved. XRSTOR wants the reserved part of the header zero. Clobbers AX, DX.
#define SAVEVECTOR \
	MOVQ	SP, BX \
	SUBQ	·xsaveSize(SB), SP \
	ANDQ	$~63, SP \
	CMPL	·xsaveMask(SB), $0 \
	JEQ	14(PC) \
	XORL	AX, AX \
	MOVQ	AX, 512(SP) \
	MOVQ	AX, 520(SP) \
	MOVQ	AX, 528(SP) \
	MOVQ	AX, 536(SP) \
	MOVQ	AX, 544(SP) \
	MOVQ	AX, 552(SP) \
	MOVQ	AX, 560(SP) \
	MOVQ	AX, 568(SP) \
	MOVL	·xsaveMask(SB), AX \
	XORL	DX, DX \
	XSAVE64	(SP) \
	JMP	2(PC) \
	FXSAVE64 (SP)

#define RESTOREVECTOR \
	CMPL	·xsaveMask(SB), $0 \
	JEQ	5(PC) \
	MOVL	·xsaveMask(SB), AX \
	XORL	DX, DX \
	XRSTOR64 (SP) \
	JMP	2(PC) \
	FXRSTOR64 (SP) \
	MOVQ	BX, SP
