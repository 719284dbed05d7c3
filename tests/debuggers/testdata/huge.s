# A library that no address space has room for.
	.bss
	.globl	huge
huge:
	.skip	0x3e0000000000
	.section .note.GNU-stack,""
