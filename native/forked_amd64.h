// forkTable and ForkCopy; layout_test.go compares.
#define T_reader 0
#define T_writer 8
#define T_n 16
#define T_list 24
#define C_addr 0
#define C_size 8
#define C_prot 16
#define C_bytes 24

// Linux, x86-64 (<asm/unistd_64.h>, <linux/mman.h>).
#define SYS_write 1
#define SYS_close 3
#define SYS_mmap 9
#define SYS_mprotect 10
#define SYS_mremap 25
#define PROT_READ 1
#define PROT_WRITE 2
#define MAP_PRIVATE 2
#define MAP_ANONYMOUS 32
#define MAP_POPULATE 32768
#define MREMAP_MAYMOVE 1
#define MREMAP_FIXED 2
