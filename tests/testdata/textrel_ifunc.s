# A resolver in an object with text relocations. Its result goes into the text,
# and a resolver is called while that is being relocated.
	.text
	.globl	chosen
	.type	chosen, @gnu_indirect_function
chosen:	leaq	five(%rip), %rax
	ret
	.size	chosen, . - chosen
	.type	five, @function
five:	movl	$5, %eax
	ret
	.globl	pick
	.type	pick, @function
pick:	movabsq	$chosen, %rax		# R_X86_64_64
	jmp	*%rax
	.size	pick, . - pick
	.globl	pick_local
	.type	pick_local, @function
pick_local:
	movabsq	$inner, %rax		# R_X86_64_IRELATIVE
	jmp	*%rax
	.size	pick_local, . - pick_local
	.globl	call_chosen
	.type	call_chosen, @function
call_chosen:
	leaq	R_X86_64_PC32.1(%rip), %rax
	movslq	R_X86_64_PC32.1(%rip), %rcx
	addq	%rcx, %rax
	jmp	*%rax
R_X86_64_PC32.1:			# made that by the test, see places.s
	.reloc	., R_X86_64_64, chosen
	.long	0
	.size	call_chosen, . - call_chosen
	.type	inner, @gnu_indirect_function
inner:	leaq	six(%rip), %rax
	ret
	.type	six, @function
six:	movl	$6, %eax
	ret
	.section .note.GNU-stack, "", @progbits
