# What testdata/places.s refers to.
	.globl	small
	.type	small, @object
	.size	small, 40
	small = 0x1234			# SHN_ABS: it does not move with the object
	.text
	.globl	near
	.type	near, @function
near:	movl	$9, %eax
	ret
	.size	near, . - near
	.section .note.GNU-stack, "", @progbits
