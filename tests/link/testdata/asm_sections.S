// Section groups, a group without COMDAT, empty sections, and sections of odd names and entry sizes.
// link: pie | no-pie | static | pie --gc-sections
	.section .text.group1,"axG",@progbits,signature,comdat
	.globl	signature
signature:
	mov	$3, %eax
	ret
	.section .text.main,"ax",@progbits
	.globl	main
main:
	sub	$8, %rsp
	call	signature
	add	odd(%rip), %eax
	add	$8, %rsp
	ret
	.section "odd name with spaces","aw",@progbits
odd:	.long	4
	.section .empty,"a",@progbits
	.section .data.aligned,"aw",@progbits
	.balign	64
	.section .fixed,"aM",@progbits,4
	.long	1, 1, 2, 2
	.section .comment.mine,"MS",@progbits,1
	.asciz	"made by hand"
	.section .note.GNU-stack,"",@progbits
