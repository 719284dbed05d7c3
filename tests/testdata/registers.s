# fill_and_call loads every register that can carry an argument from the buffer
# at rdi, calls probe through the PLT, and so through the lazy binder when it is
# the first time; probe (in another library) stores what it finds at the address
# in r10. rsi selects the width: 0 xmm, 1 ymm, 2 zmm and the mask registers.
# Layout of the buffers: 0 rax, 8 rcx, 16 rdx, 24 rsi, 32 rdi, 40 r8, 48 r9,
# 64 zmm0 to zmm15 of 64 bytes each, 1088 k1 to k7.
	.text
	.globl	fill_and_call
	.type	fill_and_call, @function
fill_and_call:				# (in, width, out)
	pushq	%rbx
	movq	%rdi, %rbx
	movq	%rdx, %r10
	movq	%rsi, width(%rip)
	cmpq	$1, %rsi
	je	1f
	ja	2f
	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movups	64 + 64 * \i(%rbx), %xmm\i
	.endr
	jmp	3f
1:	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovups	64 + 64 * \i(%rbx), %ymm\i
	.endr
	jmp	3f
2:	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovups	64 + 64 * \i(%rbx), %zmm\i
	.endr
	.irp i, 1, 2, 3, 4, 5, 6, 7
	kmovq	1088 + 8 * (\i - 1)(%rbx), %k\i
	.endr
3:	movq	0(%rbx), %rax
	movq	8(%rbx), %rcx
	movq	16(%rbx), %rdx
	movq	24(%rbx), %rsi
	movq	32(%rbx), %rdi
	movq	40(%rbx), %r8
	movq	48(%rbx), %r9
	call	probe@PLT
	cmpq	$0, width(%rip)
	je	4f
	vzeroupper
4:	popq	%rbx
	ret
	.size	fill_and_call, . - fill_and_call
	.local	width
	.comm	width, 8, 8
	.section .note.GNU-stack, "", @progbits
