// .ctors and .dtors of old compilers run as initialisers do.
// link: pie | no-pie | static
	.text
	.globl	main
main:
	mov	value(%rip), %eax
	ret
set:	movl	$8, value(%rip)
	ret
	.section .ctors,"aw",@progbits
	.balign	8
	.quad	set
	.data
value:	.long	1
	.section .note.GNU-stack,"",@progbits
