# Functions with descriptions of every kind. Each label at_* is a place whose frame unwind_test.go knows.
	.macro	place name
	.globl	\name
	.type	\name, @function
\name:
	.size	\name, 1
	.endm
	.text
	.globl	usual
	.type	usual, @function
usual:
	.cfi_startproc
	place	at_entry
	nop
	push	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbp, 0
	push	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset rbx, 0
	place	at_pushed
	nop
	.cfi_remember_state
	pop	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore rbx
	pop	%rbp
	.cfi_restore rbp
	place	at_remembered
	nop
	nop
	.cfi_restore_state
	place	at_restored
	nop
	ret
	.cfi_endproc
	.size	usual, .-usual

framed:
	.cfi_startproc
	push	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset rbp, -16
	mov	%rsp, %rbp
	.cfi_def_cfa_register rbp
	place	at_framed
	nop
	place	at_unreadable
	call	usual
	.cfi_endproc
	place	at_framed_end
	nop

expression:
	.cfi_startproc
	nop
	.cfi_escape 0x0f, 0x03, 0x7a, 0x20, 0x96	# CFA: r10 + 32, nop
	.cfi_escape 0x10, 0x03, 0x02, 0x91, 0x00	# of rbx: of an unknown operation
	place	at_expression
	nop
	.cfi_endproc

# As the linker describes .plt: the CFA is rsp + 8, and 8 more from the 11th byte of 16 on.
	.balign	16
plt:
	.cfi_startproc
	.cfi_escape 0x0f, 0x0b, 0x77, 0x08, 0x80, 0x00, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22
	place	at_plt
	.fill	11, 1, 0x90
	place	at_plt_pushed
	.fill	5, 1, 0x90
	.cfi_endproc

signal:
	.cfi_startproc
	.cfi_signal_frame
	.cfi_def_cfa_offset 48
	.cfi_offset rip, -8
	nop
	place	at_signal
	nop
	.cfi_endproc

last:
	.cfi_startproc
	.cfi_undefined rip
	nop
	place	at_last
	nop
	.cfi_endproc

nothing:
	nop
	place	at_nothing
	nop
	.section	.note.GNU-stack,"",@progbits
