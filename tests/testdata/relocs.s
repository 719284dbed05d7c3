# Relocations that compilers seldom leave to the run-time linker.
	.data
	.globl	thing
	.type	thing, @object
	.size	thing, 40
	.balign	8
thing:	.quad	7, 8, 9, 10, 11
	.globl	table
	.type	table, @object
	.balign	8
table:
	.quad	thing@SIZE		# R_X86_64_SIZE64
	.quad	thing + 16		# R_X86_64_64
far:	.quad	thing + 8 - far		# R_X86_64_PC64
	.size	table, . - table
	.text
	.globl	size_of_thing
	.type	size_of_thing, @function
size_of_thing:
	movq	table@GOTPCREL(%rip), %rax
	movq	(%rax), %rax
	ret
	.size	size_of_thing, . - size_of_thing
	.globl	third_of_thing
	.type	third_of_thing, @function
third_of_thing:
	movq	table@GOTPCREL(%rip), %rax
	movq	8(%rax), %rax
	movq	(%rax), %rax
	ret
	.size	third_of_thing, . - third_of_thing
	.globl	second_of_thing
	.type	second_of_thing, @function
second_of_thing:
	movq	table@GOTPCREL(%rip), %rax
	addq	$16, %rax
	addq	(%rax), %rax
	movq	(%rax), %rax
	ret
	.size	second_of_thing, . - second_of_thing
	.section .note.GNU-stack, "", @progbits
