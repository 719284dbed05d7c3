#include "textflag.h"

// func callProbe(f, lmid, r, first uintptr)
TEXT ·callProbe(SB), NOSPLIT, $8-32
	MOVQ	f+0(FP), AX
	MOVQ	lmid+8(FP), DI
	MOVQ	r+16(FP), SI
	MOVQ	first+24(FP), DX
	CALL	AX
	RET

// func callEmpty(f uintptr)
TEXT ·callEmpty(SB), NOSPLIT, $8-8
	MOVQ	f+0(FP), AX
	CALL	AX
	RET

// The functions of this executable: a nop (0x90), which a debugger replaces, and a return.
#define SITE(name) \
TEXT name(SB), NOSPLIT|NOFRAME, $0 \
	BYTE	$0x90 \
	RET

SITE(weld_rtld_init_start)
SITE(weld_rtld_init_complete)
SITE(weld_rtld_map_start)
SITE(weld_rtld_map_complete)
SITE(weld_rtld_map_failed)
SITE(weld_rtld_reloc_start)
SITE(weld_rtld_reloc_complete)
SITE(weld_rtld_unmap_start)
SITE(weld_rtld_unmap_complete)

// func ownSites(list *[9]uintptr)
TEXT ·ownSites(SB), NOSPLIT, $0-8
	MOVQ	list+0(FP), DI
	LEAQ	weld_rtld_init_start(SB), AX
	MOVQ	AX, 0(DI)
	LEAQ	weld_rtld_init_complete(SB), AX
	MOVQ	AX, 8(DI)
	LEAQ	weld_rtld_map_start(SB), AX
	MOVQ	AX, 16(DI)
	LEAQ	weld_rtld_map_complete(SB), AX
	MOVQ	AX, 24(DI)
	LEAQ	weld_rtld_map_failed(SB), AX
	MOVQ	AX, 32(DI)
	LEAQ	weld_rtld_reloc_start(SB), AX
	MOVQ	AX, 40(DI)
	LEAQ	weld_rtld_reloc_complete(SB), AX
	MOVQ	AX, 48(DI)
	LEAQ	weld_rtld_unmap_start(SB), AX
	MOVQ	AX, 56(DI)
	LEAQ	weld_rtld_unmap_complete(SB), AX
	MOVQ	AX, 64(DI)
	RET

// Set in the file when it is given notes.
DATA weld_stamped+0(SB)/8, $"weldsdt0"
GLOBL weld_stamped(SB), NOPTR, $8

// func stamped() bool
TEXT ·stamped(SB), NOSPLIT, $0-1
	MOVB	weld_stamped+7(SB), AX
	CMPB	AX, $0x31	// '1'
	SETEQ	ret+0(FP)
	RET
