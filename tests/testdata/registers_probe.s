# probe stores the argument registers at r10; see registers.s. The width is in
# probe_width of this library.
	.text
	.globl	probe
	.type	probe, @function
probe:
	movq	%rax, 0(%r10)
	movq	%rcx, 8(%r10)
	movq	%rdx, 16(%r10)
	movq	%rsi, 24(%r10)
	movq	%rdi, 32(%r10)
	movq	%r8, 40(%r10)
	movq	%r9, 48(%r10)
	movq	probe_width(%rip), %rax
	cmpq	$1, %rax
	je	1f
	ja	2f
	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movups	%xmm\i, 64 + 64 * \i(%r10)
	.endr
	ret
1:	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovups	%ymm\i, 64 + 64 * \i(%r10)
	.endr
	ret
2:	.irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	vmovups	%zmm\i, 64 + 64 * \i(%r10)
	.endr
	.irp i, 1, 2, 3, 4, 5, 6, 7
	kmovq	%k\i, 1088 + 8 * (\i - 1)(%r10)
	.endr
	ret
	.size	probe, . - probe
	.globl	set_width
	.type	set_width, @function
set_width:
	movq	%rdi, probe_width(%rip)
	ret
	.size	set_width, . - set_width
	.local	probe_width
	.comm	probe_width, 8, 8
	.section .note.GNU-stack, "", @progbits
