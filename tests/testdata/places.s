# Relocations that no link editor leaves to the run-time linker, or only from
# writable data. A place is labelled with its type, and the test gives that to
# the relocation there: here it is an R_X86_64_64, which is always allowed.
	.macro	place type, value
R_X86_64_\type\().\@:
	.reloc	., R_X86_64_64, \value
	.long	0
	.endm
	.macro	function name
	.globl	\name
	.type	\name, @function
\name:
	.endm

	.weak	absent

	.text
	function own			# preemptible
	movl	$7, %eax
	ret
	.size	own, . - own

	function value_of_small
	.byte	0xb8			# movl $small + 1, %eax
	place	32, small+1
	ret
	function value_of_absent
	.byte	0xb8			# movl $absent + 5, %eax
	place	32, absent+5
	ret
	function size_of_small
	.byte	0xb8			# movl $small@SIZE + 2, %eax
	place	SIZE32, small+2
	ret
	function call_own
	subq	$8, %rsp
	.byte	0xe8			# call own
	place	PC32, own-4
	addq	$8, %rsp
	ret
	function call_near
	subq	$8, %rsp
	.byte	0xe8			# call near
	place	PC32, near-4
	addq	$8, %rsp
	ret
	function call_local
	subq	$8, %rsp
	.byte	0xe8			# call value_of_small
	place	PC32, value_of_small-4
	addq	$8, %rsp
	ret
	function size_of_far
	movabsq	$0, %rax
	.reloc	. - 8, R_X86_64_64, far - 1
R_X86_64_SIZE64.1 = . - 8
	ret
	function read_data
	movslq	datum(%rip), %rcx
	leaq	datum(%rip), %rax
	movl	(%rax,%rcx), %eax
	ret

	.data
	.balign	4
datum:	place	PC32, far
	.globl	far
	.type	far, @object
far:	.long	11, 12, 13
	.size	far, . - far
	.section .note.GNU-stack, "", @progbits
