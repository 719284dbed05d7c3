// Offsets of the structures that assembly and Go share. TestOffsets compares each of them with the Go type.

// thread (thread.go)
#define T_goSP    0
#define T_goBP    8
#define T_goFS    16
#define T_fs      24
#define T_sp      32
#define T_era     40
#define T_mxcsr   48
#define T_status  52
#define T_gslot   56
#define T_mFS     64
#define T_frame   72
#define T_why     80
#define T_errno   88
#define T_tid     96
#define T_fpcw    104
#define T_ret     112
#define T_fret    128
#define T_gregs   144
#define T_guard   344
#define T_keep    348
#define T_mask    352
#define T_enters  360

// abi.CFrame
#define C_Int     0
#define C_Float   48
#define C_NFloat  112
#define C_NStack  120
#define C_Stack   128
#define C_Ret     136
#define C_FRet    152
#define C_SRet    168

// upframe (upcall.go): what an upcall leaves on the native stack. It begins with a CFrame.
#define U_saved   176 // rbx rbp r12 r13 r14 r15
#define U_record  224
#define U_done    232
#define U_next    240
#define U_fs      248
#define U_mask    256
#define U_g       264
#define U_depth   272
#define U_ret     280 // the return address: with it the frame is a multiple of 16

// record (upcall.go)
#define R_orphan  16
#define R_data    24

// Entries of a program's signal handlers (signals.go)
#define thunkShift  5
#define handlerHalf 8192
#define handlerFirst 130

// failure (hook.go)
#define F_calls   0
#define F_from    8
#define F_to      16
#define F_location 24
#define F_result  32
#define F_errno   40

// CallFrame (hook.go). It begins with a CFrame.
#define H_bx      176
#define H_r10     184
#define H_record  192

// desc (func.go)
#define D_fn      8
#define D_flags   16
#define D_ptr     24
#define D_nkeep   72
#define D_keep    80

// desc.flags, and what the entries add to them (func.go)
#define leafCall    1
#define errnoAX     2
#define errnoBX     4
#define heldCall    8
#define lentCall    16

// startState (program.go)
#define S_started 0
#define S_interpreter 4
#define S_mask    8
#define S_ignored 16
#define S_nofile  24
#define S_closed  40
#define S_sp      48

// parking (libc.go)
#define P_fs      0
#define P_sp      8
#define P_stack   16
#define P_ready   24
#define P_mask    32

// nestSlot (nest.go)
#define N_g       0
#define N_t       8
#define N_more    16
#define nestShift 55
#define nestMultiplier 0x9E3779B97F4A7C15

// Reasons for which the gate comes back (thread.go)
#define whyDone   0
#define whyUpcall 1
#define whyFault  2

// Where a thread's record lies from the thread pointer in a process that had no C library before (tls.go).
#define threadSlotFixed -16
#define lastRound 4 // of the destructors of a thread's data

// The thread pointer of a kernel thread that Go made points into the array m.tls of its m. Go uses the word below it.
// The word at it stays zero, which tells it from a TCB, and the next is weld's: the kernel thread's id.
#define M_tid     8

#define SYS_rt_sigaction 13
#define SYS_rt_sigprocmask 14
#define SYS_rt_sigreturn 15
#define SYS_getpid 39
#define SYS_kill 62
#define SYS_fcntl 72
#define SYS_arch_prctl 158
// The frame of signalSelf (self.go)
#define signalSelfFrame 24

#define SYS_gettid 186
#define SYS_futex 202
#define SYS_prlimit64 302
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129

#define SIG_SETMASK 2

#define mxcsrDefault 0x1f80
#define mxcsrControl 0xffc0

// GOREGS puts back what compiled Go expects in registers.
#define GOREGS \
	MOVQ	(TLS), R14 \
	XORPS	X15, X15

#define ENTERSYSCALL \
	MOVQ	·entersyscallPC(SB), R11 \
	CALL	R11

#define EXITSYSCALL \
	MOVQ	·exitsyscallPC(SB), R11 \
	CALL	R11

// LOADCONTROL loads the floating-point control words of R12, a thread of a program, and the flags of the exceptions that
// it has raised. They are its own at any time, not only while a call lasts: it sets a rounding mode and asks for a library
// an hour later, and the kernel starts its signal handlers with the default. So they are saved and loaded, whatever they
// are, and what Go calculates does not show.
#define LOADCONTROL \
	LDMXCSR	T_mxcsr(R12) \
	FLDCW	T_fpcw(R12)

// WORDS makes a thread pointer the address that weld's words of the thread are counted from (tls.go). The first word of
// a TCB is its own address, so that nothing changes where wordsVia is 0.
#define WORDS(tcb, tmp) \
	MOVQ	·wordsVia(SB), tmp \
	MOVQ	(tcb)(tmp*1), tcb
