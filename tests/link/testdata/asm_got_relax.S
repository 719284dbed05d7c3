// Every form of instruction that a GOT load can be turned into.
// link: pie | no-pie | static | pie --no-relax | static-pie
	.text
	.globl	main
main:
	sub	$8, %rsp
	mov	near@GOTPCREL(%rip), %rax
	mov	(%rax), %eax
	mov	near@GOTPCREL(%rip), %r9
	add	(%r9), %eax
	cmp	near@GOTPCREL(%rip), %r9
	jne	bad
	test	near@GOTPCREL(%rip), %r9
	je	bad
	xor	%edi, %edi
	add	near@GOTPCREL(%rip), %rdi
	sub	%r9, %rdi
	jne	bad
	call	*function@GOTPCREL(%rip)
	push	%rax
	call	*puts_it@GOTPCREL(%rip)
	pop	%rax
	add	$8, %rsp
	jmp	*function@GOTPCREL(%rip)
bad:	mov	$1, %eax
	add	$8, %rsp
	ret
	.globl	function, puts_it
function:
	mov	$6, %eax
	ret
puts_it:
	lea	text(%rip), %rdi
	sub	$8, %rsp
	call	*puts@GOTPCREL(%rip)
	add	$8, %rsp
	ret
	.section .rodata
text:	.asciz	"relaxed"
	.data
	.globl	near
near:	.long	4
	.section .note.GNU-stack,"",@progbits
