// Relocations that compilers seldom use, all checked by the program itself.
// link: pie | no-pie | static
	.text
	.globl	main
main:
	push	%rbx
	xor	%ebx, %ebx
	lea	_GLOBAL_OFFSET_TABLE_(%rip), %rdx
	movabs	$value@GOTOFF, %rax
	add	%rdx, %rax
	lea	value(%rip), %rcx
	cmp	%rax, %rcx
	setne	%bl
	movabs	$global@GOT, %rax
	mov	(%rdx,%rax), %rax
	cmp	global@GOTPCREL(%rip), %rax
	setne	%al
	add	%al, %bl
	movabs	$1f - ., %rax
1:	mov	difference(%rip), %rax
	lea	difference(%rip), %rcx
	add	%rcx, %rax
	lea	value(%rip), %rcx
	cmp	%rax, %rcx
	setne	%al
	add	%al, %bl
	movzbl	%bl, %eax
	pop	%rbx
	ret
	.data
	.globl	global
global:
value:	.quad	5
	.balign	8
difference:
	.quad	value - .
	.section .note.GNU-stack,"",@progbits
