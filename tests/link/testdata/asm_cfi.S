// Hand-written unwind tables: a personality, a CIE that others share, a function without one.
// link: pie | no-pie | static
	.text
	.globl	main
main:
	.cfi_startproc
	sub	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	inner
	add	$8, %rsp
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
inner:
	.cfi_startproc
	.cfi_personality 0x9b, DW.ref.personality
	.cfi_lsda 0x1b, table
	mov	$5, %eax
	ret
	.cfi_endproc
without:
	ret
	.section .gcc_except_table,"a",@progbits
table:	.byte	0xff, 0xff, 1, 0
	.data
DW.ref.personality:
	.quad	main
	.section .note.GNU-stack,"",@progbits
