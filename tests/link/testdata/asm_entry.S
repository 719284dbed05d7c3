// An entry point of its own, no C library.
// mode: bare
// link: static -e begin | static-pie -e begin -z text | static -e begin --gc-sections | static -e begin -z noseparate-code
	.globl	begin, main
main:
begin:
	lea	message(%rip), %rsi
	mov	$1, %edi
	mov	$(end_of_message - message), %edx
	mov	$1, %eax
	syscall
	mov	$60, %eax
	mov	$9, %edi
	syscall
	.section .rodata
message:
	.ascii	"bare\n"
end_of_message:
	.section .note.GNU-stack,"",@progbits
