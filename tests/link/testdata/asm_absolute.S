// Absolute symbols, sizes, and symbols in terms of others.
// link: no-pie | static
	.text
	.globl	main, absolute, table_size
	.set	absolute, 7
main:
	mov	$absolute, %eax
	add	$table_size, %eax
	mov	size_in_data(%rip), %ecx
	sub	%ecx, %eax
	ret
	.data
	.type	table, @object
table:	.quad	1, 2
	.set	table_size, . - table
	.size	table, . - table
size_in_data:
	.long	table_size
	.long	table@SIZE
	.section .note.GNU-stack,"",@progbits
