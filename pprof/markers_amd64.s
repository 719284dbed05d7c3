#include "textflag.h"

// nativeCode stands for samples of native code in Go's profile, two bytes for each (profile.go). It is never run: what
// matters is that the runtime knows its addresses as those of a function that has no frame of its own.
#define BYTES64 \
	QUAD	$0xcccccccccccccccc \
	QUAD	$0xcccccccccccccccc \
	QUAD	$0xcccccccccccccccc \
	QUAD	$0xcccccccccccccccc \
	QUAD	$0xcccccccccccccccc \
	QUAD	$0xcccccccccccccccc \
	QUAD	$0xcccccccccccccccc \
	QUAD	$0xcccccccccccccccc

#define BYTES512 \
	BYTES64 \
	BYTES64 \
	BYTES64 \
	BYTES64 \
	BYTES64 \
	BYTES64 \
	BYTES64 \
	BYTES64

#define BYTES4K \
	BYTES512 \
	BYTES512 \
	BYTES512 \
	BYTES512 \
	BYTES512 \
	BYTES512 \
	BYTES512 \
	BYTES512

#define BYTES32K \
	BYTES4K \
	BYTES4K \
	BYTES4K \
	BYTES4K \
	BYTES4K \
	BYTES4K \
	BYTES4K \
	BYTES4K

TEXT ·nativeCode(SB), NOSPLIT|NOFRAME, $0
	BYTES32K
	BYTES32K
	BYTES32K
	BYTES32K

// func markers() uintptr
TEXT ·markers(SB), NOSPLIT, $0-8
	LEAQ	·nativeCode(SB), AX
	MOVQ	AX, ret+0(FP)
	RET
