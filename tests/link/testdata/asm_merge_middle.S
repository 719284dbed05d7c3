// References into the middle and to the end of merged strings.
// link: pie | no-pie | static
	.text
	.globl	main
main:
	sub	$8, %rsp
	lea	.Lfirst+3(%rip), %rdi
	call	puts@PLT
	lea	.Lsecond(%rip), %rdi
	call	puts@PLT
	mov	pointer(%rip), %rdi
	call	puts@PLT
	xor	%eax, %eax
	add	$8, %rsp
	ret
	.section .rodata.str1.1,"aMS",@progbits,1
.Lfirst:
	.asciz	"xyzfirst"
.Lsecond:
	.asciz	"first"
	.section .data.rel.local,"aw",@progbits
pointer:
	.quad	.Lfirst+5
	.section .note.GNU-stack,"",@progbits
