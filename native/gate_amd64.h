// Offsets of the structures that assembly and Go share. TestOffsets compares each of them with the Go type.

// thread (thread.go)
#define T_goSP    0
#define T_goBP    8
#define T_goFS    16
#define T_fs      24
#define T_gslot   32
#define T_sp      40
#define T_why     48
#define T_frame   56
#define T_mFS     64
#define T_era     72
#define T_errno   80
#define T_mxcsr   88
#define T_ret0    96
#define T_ret1    104
#define T_fret0   112
#define T_fret1   120
#define T_nest    128
#define T_excl    136
#define T_lastFS  144
#define T_tid     152
#define T_gregs   160

// abi.CFrame
#define C_Int     0
#define C_Float   48
#define C_NFloat  112
#define C_NStack  120
#define C_Stack   128
#define C_Ret     136
#define C_FRet    152
#define C_size    176

// upframe (upcall.go): what an upcall leaves on the native stack. It begins with a CFrame.
#define U_rbx     176
#define U_rbp     184
#define U_r12     192
#define U_r13     200
#define U_r14     208
#define U_r15     216
#define U_record  224
#define U_done    232
#define U_next    240
#define U_fs      248
#define U_size    264 // with the return address above it, a multiple of 16

// desc (func.go)
#define D_fn      8
#define D_leaf    16
#define D_ptr     24
#define D_errno   72
#define D_keep    80 // keepWords words
#define keepWords 24

// Reasons for which the gate comes back (thread.go).
#define whyDone   0
#define whyUpcall 1
#define whyFault  2

#define SYS_rt_sigreturn 15
#define SYS_rt_sigprocmask 14
#define SYS_arch_prctl 158
#define SYS_gettid 186
#define SYS_futex 202
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129

#define mxcsrDefault 0x1f80
#define mxcsrControl 0xffc0

// desc.ptr entries are offsets from the CFrame's start; desc.errno is one of
#define errnoNone 0
#define errnoAX   1
#define errnoBX   2
