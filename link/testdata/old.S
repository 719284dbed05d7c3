# What compilers no longer make but assembly has: .ctors, .init code through crt files, GOTOFF, PLT of local functions, 16-bit and
# 8-bit data, symbol differences.
	.section .ctors,"aw",@progbits
	.quad second, first
	.text
first:	lea m1(%rip), %rdi
	jmp puts@PLT
second:	lea m2(%rip), %rdi
	jmp puts@PLT
	.globl main
	.type main, @function
main:	push %rbx
	call *table(%rip)
	lea _GLOBAL_OFFSET_TABLE_(%rip), %rbx
	movabs $m3@GOTOFF, %rdi
	add %rbx, %rdi
	call puts@PLT
	call *exit_code@GOTPCREL(%rip)
	pop %rbx
	ret
	.size main, .-main
	.type exit_code, @function
	.globl exit_code
exit_code:
	movzwl half(%rip), %eax
	movzbl byte(%rip), %ecx
	add %ecx, %eax
	add size(%rip), %eax
	ret
	.size exit_code, .-exit_code
local:	lea m4(%rip), %rdi
	sub $8, %rsp
	call puts@PLT
	add $8, %rsp
	ret
	.data
	.balign 8
table:	.quad local
size:	.long exit_code@SIZE
half:	.value 5
byte:	.byte 1
	.section .rodata.str1.1,"aMS",@progbits,1
m1:	.string "first"
m2:	.string "second"
m3:	.string "through the GOT's address"
m4:	.string "local function"
	.section .note.GNU-stack,"",@progbits
