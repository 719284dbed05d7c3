# int raise_keeps(int pid, int tid): raises SIGABRT with a pattern in every register, and returns how many have changed.
	.text
	.globl	raise_keeps
	.type	raise_keeps, @function
raise_keeps:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	$6, %edx
	mov	$234, %eax
	mov	$0x1111, %rbx
	mov	$0x2222, %rbp
	mov	$0x3333, %r8
	mov	$0x4444, %r9
	mov	$0x5555, %r10
	mov	$0x6666, %r12
	mov	$0x7777, %r13
	mov	$0x8888, %r14
	mov	$0x9999, %r15
	movq	%rbx, %xmm0
	movq	%rbp, %xmm7
	movq	%r15, %xmm15
	mov	%r14, -8(%rsp)
	mov	%r13, -128(%rsp)
	stc
	syscall
	mov	$0, %ecx
	adc	$-1, %ecx		# 0 if the carry flag is still set
	neg	%ecx
	.macro	same reg, value
	cmp	\value, \reg
	je	1f
	inc	%ecx
1:
	.endm
	same	%rax, $0
	same	%rdx, $6
	same	%rbx, $0x1111
	same	%rbp, $0x2222
	same	%r8, $0x3333
	same	%r9, $0x4444
	same	%r10, $0x5555
	same	%r12, $0x6666
	same	%r13, $0x7777
	same	%r14, $0x8888
	same	%r15, $0x9999
	movq	%xmm0, %rax
	same	%rax, $0x1111
	movq	%xmm7, %rax
	same	%rax, $0x2222
	movq	%xmm15, %rax
	same	%rax, $0x9999
	mov	-8(%rsp), %rax
	same	%rax, $0x8888
	mov	-128(%rsp), %rax
	same	%rax, $0x7777
	mov	%ecx, %eax
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.size	raise_keeps, .-raise_keeps
	.section	.note.GNU-stack,"",@progbits
